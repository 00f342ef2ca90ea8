"""The logs of an honest PBX: ten days of requests, logins, calls, and the internet's usual knocking.

All times are on the host's clock, five hours behind UTC, and end now. Nothing here is an attack that
was answered.
"""

import gzip
import random
import struct
import subprocess
import time

import freepbx_database as database


def wide(user: str, line: str, source: str, moment: float, kind: int) -> bytes:
    """A record of utmp(5) on a 64-bit machine."""
    return struct.pack(
        "<hxxi32s4s32s256shhiii16s20x", kind, 4321, line.encode(), b"ts/0", user.encode(), source.encode(), 0, 0, 0, int(moment), 0, b""
    )


def write(host) -> None:
    dice, now = random.Random(9), host.now
    browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
    honest = [
        "GET /admin/config.php?display=extensions",
        "POST /admin/ajax.php?module=dashboard&command=getcontent&rawname=overview",
        "GET /admin/ajax.php?module=core&command=getExtensionGrid&type=all&order=asc",
        "GET /admin/assets/js/jquery-3.6.0.min.js?load_version=17.0.19.27",
        "GET /admin/images/freepbx_small.png",
        "POST /ucp/ajax.php?module=home&command=poll",
        "POST /admin/config.php",
        "GET /admin/ajax.php?module=cdr&search=caller%20name",
    ]
    probes = [
        "/.env",
        "/wp-login.php",
        "/cgi-bin/luci",
        "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
        "/boaform/admin/formLogin",
        "/a2billing/admin/Public/index.php",
        "/recordings/index.php",
    ]

    def web(day: int, lines: int) -> str:
        out = []
        for second in sorted(dice.randrange(86400) for _ in range(lines)):
            stamp = time.strftime("%d/%b/%Y:%H:%M:%S -0500", time.gmtime(now - day * 86400 - 86400 + second - 5 * 3600))
            if dice.random() < 0.02:
                out.append(
                    f'198.51.100.{dice.randrange(1, 250)} - - [{stamp}] "GET {dice.choice(probes)} HTTP/1.1" 404 437 "-" "Mozilla/5.0 zgrab/0.x"\n'
                )
            elif dice.random() < 0.2:
                out.append(
                    f'192.168.10.{dice.randrange(100, 120)} - - [{stamp}] "GET /y000000000066.cfg HTTP/1.1" 404 437 "-" "Yealink SIP-T46S 66.86.0.15"\n'
                )
            else:
                out.append(
                    f'192.168.10.{dice.choice([20, 21, 22])} - - [{stamp}] "{dice.choice(honest)} HTTP/1.1" 200 {dice.randrange(300, 40000)} "https://pbx.example.org/admin/config.php" "{browser}"\n'
                )
        return "".join(out)

    for day in range(10):
        text = web(day, 6000)
        name = "var/log/apache2/access.log" + (f".{day}" if day else "")
        host.put(f"{name}.gz" if day > 1 else name, gzip.compress(text.encode(), mtime=0) if day > 1 else text, 0o640)
    host.put(
        "var/log/apache2/error.log",
        "".join(
            f"[{time.strftime('%a %b %d %H:%M:%S.000000 %Y', time.gmtime(now - 86400 + step * 3600 - 5 * 3600))}] [mpm_prefork:notice] [pid 612] AH00163: Apache/2.4.62 (Debian) configured -- resuming normal operations\n"
            for step in range(3)
        ),
        0o640,
    )

    def stamped(form: str, lines: list[tuple[float, str]]) -> str:
        return "".join(f"{time.strftime(form, time.gmtime(now - ago - 5 * 3600))}{text}\n" for ago, text in sorted(lines, reverse=True))

    auth = [
        (86400 * 5 - step * 1800, f" pbx CRON[{2000 + step}]: pam_unix(cron:session): session opened for user asterisk(uid=999) by (uid=0)")
        for step in range(240)
    ]
    auth += [
        (
            86400 * 4 - step * 1100,
            f" pbx sshd[{9000 + step}]: Failed password for invalid user {dice.choice(['admin', 'test', 'oracle'])} from 198.51.100.{dice.randrange(1, 250)} port 40022 ssh2",
        )
        for step in range(60)
    ]
    auth += [
        (
            86400 * day + 3600 * 4,
            f" pbx sshd[{700 + day}]: Accepted publickey for anna from 192.168.10.20 port 52211 ssh2: ED25519 SHA256:uW3pYkO9l0e8T1tq2yO4m3c6d7e8f9g0h1i2j3k4l5M",
        )
        for day in range(5)
    ]
    host.put("var/log/auth.log", stamped("%b %d %H:%M:%S", auth), 0o640)
    host.put(
        "var/log/fail2ban.log",
        stamped(
            "%Y-%m-%d %H:%M:%S,000",
            [
                (86400 * 4 - step * 9000, f" fail2ban.actions        [812]: NOTICE  [ssh-iptables] Ban 198.51.100.{dice.randrange(1, 250)}")
                for step in range(20)
            ],
        ),
        0o640,
    )
    full = [
        (
            86400 - step * 8,
            f'] VERBOSE[{1800 + step % 50}][C-{step:08x}] pbx.c: Executing [s@macro-dialout-trunk:{step % 30 + 1}] Set("PJSIP/{dice.choice(database.EXTENSIONS)[0]}-{step:08x}", "DIAL_NUMBER=12125550123") in new stack',
        )
        for step in range(10_000)
    ]
    host.put("var/log/asterisk/full", stamped("[%Y-%m-%d %H:%M:%S", full), 0o640, ours=True)
    host.put(
        "var/log/asterisk/fail2ban",
        stamped(
            "[%Y-%m-%d %H:%M:%S",
            [
                (
                    86400 - step * 900,
                    f"] NOTICE[2210] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:{dice.randrange(100, 999)}@203.0.113.10>' failed for '198.51.100.{dice.randrange(1, 250)}:5070' (callid: {step}) - No matching endpoint found",
                )
                for step in range(80)
            ],
        ),
        0o640,
        ours=True,
    )
    host.put(
        "var/log/asterisk/freepbx.log",
        stamped("[%Y-%m-%d %H:%M:%S", [(86400 - step * 900, "] [freepbx.INFO]: Job userman/sync finished [] []") for step in range(90)]),
        0o640,
        ours=True,
    )
    host.put(
        "var/log/asterisk/freepbx_security.log",
        stamped(
            "[%Y-%m-%d %H:%M:%S",
            [
                (86400 * 3, "] [freepbx_security.NOTICE]: Authentication failure for anna from 192.168.10.20 [] []"),
                (86400, "] [freepbx_security.NOTICE]: Authentication failure for unknown from 198.51.100.17 [] []"),
            ],
        ),
        0o640,
        ours=True,
    )
    host.put(
        "var/log/asterisk/queue_log",
        "".join(f"{int(now) - 86400 * 3 + step * 60}|NONE|NONE|NONE|CONFIGRELOAD|\n" for step in range(30)),
        0o640,
        ours=True,
    )
    master = [
        f'"","{call[2]}","{call[3]}","{call[4]}","{call[1].replace(chr(34), chr(34) * 2)}","{call[5]}","{call[6]}","{call[7]}","{call[8]}","{call[0]}","{call[0]}","{call[0]}",{call[9]},{call[10]},"{call[11]}","DOCUMENTATION","{call[13]}",""\n'
        for call in database.calls(2000, now)
    ]
    host.put("var/log/asterisk/cdr-csv/Master.csv", "".join(master), 0o640, ours=True)
    history = wide("reboot", "~", "6.1.0-37-amd64", now - 86400 * 20, 2) + b"".join(
        wide("anna", "pts/0", "192.168.10.20", now - 86400 * day - 3600 * 4, 7) + wide("", "pts/0", "", now - 86400 * day - 3600 * 3, 8)
        for day in range(19, -1, -1)
    )
    host.put("var/log/wtmp", history, 0o664)
    identity = host.run("id", "-u", "anna", stdout=subprocess.PIPE).stdout
    last = bytearray(292 * (int(identity) + 1))
    struct.pack_into("<i32s256s", last, 292 * int(identity), int(now - 3600 * 4), b"pts/0", b"192.168.10.20")
    host.put("var/log/lastlog", bytes(last), 0o664)
