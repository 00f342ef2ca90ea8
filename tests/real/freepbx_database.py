"""The database of a FreePBX as statements: the tables of each `module.xml`, the settings of each `install.php`, and an honest year of calls.

`module.xml` describes tables as Doctrine does (types, lengths, keys; `notnull` unless it says otherwise), and framework makes them of it. What
`install.php` does is code; of that only literal values of settings are taken. Nothing here runs anything of a module.
"""

import json
import random
import re
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

TYPES = {
    "integer": "int(11)",
    "smallint": "smallint(6)",
    "bigint": "bigint(20)",
    "boolean": "tinyint(1)",
    "datetime": "datetime",
    "text": "longtext",
    "blob": "longblob",
    "date": "date",
    "float": "double",
}
NUMBERS = ("integer", "smallint", "bigint", "boolean", "float")
# Of framework's own settings those that every installation has: keyword, value, default where it is another, category, type.
SETTINGS = [
    ("AMPWEBROOT", "/var/www/html", None, "Directory Layout", "dir"),
    ("ASTETCDIR", "/etc/asterisk", None, "Directory Layout", "dir"),
    ("ASTVARLIBDIR", "/var/lib/asterisk", None, "Directory Layout", "dir"),
    ("ASTSPOOLDIR", "/var/spool/asterisk", None, "Directory Layout", "dir"),
    ("ASTLOGDIR", "/var/log/asterisk", None, "Directory Layout", "dir"),
    ("ASTAGIDIR", "/var/lib/asterisk/agi-bin", None, "Directory Layout", "dir"),
    ("ASTRUNDIR", "/var/run/asterisk", None, "Directory Layout", "dir"),
    ("AMPBIN", "/var/lib/asterisk/bin", None, "Directory Layout", "dir"),
    ("AMPSBIN", "/usr/sbin", "/usr/local/sbin", "Directory Layout", "dir"),
    ("AMPCGIBIN", "/var/www/cgi-bin", None, "Directory Layout", "dir"),
    ("AMPPLAYBACK", "/var/lib/asterisk/playback", None, "Directory Layout", "dir"),
    ("ASTMODDIR", "/usr/lib/x86_64-linux-gnu/asterisk/modules", "/usr/lib/asterisk/modules", "Directory Layout", "dir"),
    ("AUTHTYPE", "usermanager", "database", "System Setup", "select"),
    ("AMP_ACCESS_DB_CREDS", "0", "0", "System Setup", "bool"),
    ("SIGNATURECHECK", "1", "1", "System Setup", "bool"),
    ("CHECKREFERER", "1", "1", "GUI Behavior", "bool"),
    ("AMPDISABLELOG", "0", "0", "Logs", "bool"),
    ("AMPSYSLOGLEVEL", "FILE", "FILE", "Logs", "select"),
    ("LOG_OUT_MESSAGES", "1", "1", "Logs", "bool"),
    ("FPBX_LOG_FILE", "/var/log/asterisk/freepbx.log", None, "Logs", "text"),
    ("MODULE_REPO", "http://mirror1.freepbx.org,http://mirror2.freepbx.org", None, "Internal Use", "text"),
    ("JOBSRANDOMSLEEP", "30", "30", "System Setup", "int"),
    ("PRE_RELOAD", "", "", "Developer and Customization", "text"),
    ("POST_RELOAD", "", "", "Developer and Customization", "text"),
    ("AMPASTERISKUSER", "asterisk", None, "System Setup", "text"),
    ("AMPASTERISKGROUP", "asterisk", None, "System Setup", "text"),
    ("AMPASTERISKWEBUSER", "asterisk", None, "System Setup", "text"),
    ("AMPASTERISKWEBGROUP", "asterisk", None, "System Setup", "text"),
    ("AMPDEVUSER", "asterisk", None, "System Setup", "text"),
    ("AMPDEVGROUP", "asterisk", None, "System Setup", "text"),
    ("AMPENGINE", "asterisk", "asterisk", "System Setup", "select"),
    ("AMPEXTENSIONS", "extensions", "extensions", "System Setup", "select"),
    ("AMPMGRUSER", "admin", "admin", "Asterisk Manager", "text"),
    ("ASTMANAGERHOST", "localhost", "localhost", "Asterisk Manager", "text"),
    ("ASTMANAGERPORT", "5038", "5038", "Asterisk Manager", "int"),
    ("CDRDBNAME", "", "", "Remote CDR Database", "text"),
    ("CDRDBHOST", "", "", "Remote CDR Database", "text"),
    ("TONEZONE", "us", "us", "Dialplan and Operational", "fselect"),
    ("PHPTIMEZONE", "America/New_York", "UTC", "System Setup", "text"),
    ("RINGTIMER", "15", "15", "Dialplan and Operational", "select"),
    ("DEVEL", "0", "0", "Developer and Customization", "bool"),
    ("VIEW_LOGIN", "views/login.php", "views/login.php", "Styling and Logos", "text"),
    ("SESSION_TIMEOUT", "30", "30", "System Setup", "int"),
    ("UCPSESSIONTIMEOUT", "30", "30", "User Control Panel", "int"),
    ("USERESMWIBLF", "0", "0", "Dialplan and Operational", "bool"),
]
CALLS = """CREATE TABLE `cdr` (`calldate` datetime NOT NULL DEFAULT '0000-00-00 00:00:00', `clid` varchar(80) NOT NULL DEFAULT '',
`src` varchar(80) NOT NULL DEFAULT '', `dst` varchar(80) NOT NULL DEFAULT '', `dcontext` varchar(80) NOT NULL DEFAULT '',
`channel` varchar(80) NOT NULL DEFAULT '', `dstchannel` varchar(80) NOT NULL DEFAULT '', `lastapp` varchar(80) NOT NULL DEFAULT '',
`lastdata` varchar(80) NOT NULL DEFAULT '', `duration` int(11) NOT NULL DEFAULT 0, `billsec` int(11) NOT NULL DEFAULT 0,
`disposition` varchar(45) NOT NULL DEFAULT '', `amaflags` int(11) NOT NULL DEFAULT 0, `accountcode` varchar(20) NOT NULL DEFAULT '',
`uniqueid` varchar(32) NOT NULL DEFAULT '', `userfield` varchar(255) NOT NULL DEFAULT '', `did` varchar(50) NOT NULL DEFAULT '',
`recordingfile` varchar(255) NOT NULL DEFAULT '', `cnum` varchar(80) NOT NULL DEFAULT '', `cnam` varchar(80) NOT NULL DEFAULT '',
`outbound_cnum` varchar(80) NOT NULL DEFAULT '', `outbound_cnam` varchar(80) NOT NULL DEFAULT '', `dst_cnam` varchar(80) NOT NULL DEFAULT '',
`linkedid` varchar(32) NOT NULL DEFAULT '', `peeraccount` varchar(80) NOT NULL DEFAULT '', `sequence` int(11) NOT NULL DEFAULT 0,
KEY `calldate` (`calldate`), KEY `dst` (`dst`), KEY `accountcode` (`accountcode`), KEY `uniqueid` (`uniqueid`), KEY `did` (`did`),
KEY `recordingfile` (`recordingfile`(191)), KEY `linkedid` (`linkedid`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `cel` (`id` int(11) NOT NULL AUTO_INCREMENT, `eventtype` varchar(30) NOT NULL, `eventtime` datetime NOT NULL,
`cid_name` varchar(80) NOT NULL, `cid_num` varchar(80) NOT NULL, `cid_ani` varchar(80) NOT NULL, `cid_rdnis` varchar(80) NOT NULL,
`cid_dnid` varchar(80) NOT NULL, `exten` varchar(80) NOT NULL, `context` varchar(80) NOT NULL, `channame` varchar(80) NOT NULL,
`appname` varchar(80) NOT NULL, `appdata` varchar(1024) NOT NULL, `amaflags` int(11) NOT NULL, `accountcode` varchar(20) NOT NULL,
`uniqueid` varchar(32) NOT NULL, `linkedid` varchar(32) NOT NULL, `peer` varchar(255) NOT NULL, `userdeftype` varchar(255) NOT NULL,
`extra` varchar(512) NOT NULL, PRIMARY KEY (`id`), KEY `uniqueid_index` (`uniqueid`), KEY `linkedid_index` (`linkedid`),
KEY `context_index` (`context`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""
KVSTORE = """(`key` char(255) NOT NULL, `val` varchar(4096) DEFAULT NULL, `type` char(16) DEFAULT NULL, `id` char(255) DEFAULT NULL,
UNIQUE KEY `uniqueindex` (`key`(190),`id`(190)), KEY `keyindex` (`key`(190)), KEY `idindex` (`id`(190))) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""
EXTENSIONS = [
    (str(100 + number), name)
    for number, name in enumerate(
        [
            "Reception",
            "Anna Berg",
            "Ben Cole",
            "Carla Diaz",
            "Dan Evans",
            "Eva Frank",
            "Finn Gray",
            "Gina Hall",
            "Hugo Ivers",
            "Iris Jones",
            "Jan Kent",
            "Kira Lund",
            "Leo Moss",
            "Mia North",
            "Nils Owen",
            "Olga Page",
            "Paul Quint",
            "Rosa Stern",
            "Sven Thorn",
            "Workshop",
        ]
    )
]


def quoted(value: object) -> str:
    """A value as a literal of SQL."""
    if value is None:
        return "NULL"
    text = str(value).replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{text}'"


def name(text: str) -> str:
    return "`" + text.replace("`", "``") + "`"


def insert(table: str, columns: list[str], rows: list[tuple]) -> str:
    listed = ", ".join(map(name, columns))
    values = ",\n".join("(" + ", ".join(map(quoted, row)) + ")" for row in rows)
    return f"INSERT INTO {name(table)} ({listed}) VALUES\n{values}"


def column(field: ElementTree.Element) -> str:
    kind, default = field.get("type", "string"), field.get("default")
    shape = f"varchar({field.get('length', '255')})" if kind == "string" else TYPES[kind]
    if field.get("unsigned") == "true":
        shape += " unsigned"
    words = [name(field.get("name")), shape, "NOT NULL" if field.get("notnull", "true") != "false" else "DEFAULT NULL"]
    if field.get("autoincrement") == "true":
        words.append("AUTO_INCREMENT")
    elif default is not None and kind not in ("text", "blob") and not (kind in NUMBERS and default == ""):
        words = [word for word in words if word != "DEFAULT NULL"] + [f"DEFAULT {quoted(default)}"]
    return " ".join(words)


def table(element: ElementTree.Element) -> str:
    """`CREATE TABLE` of one description. Keys of long texts are of their beginning, as a key has an end."""
    fields = element.findall("field")
    lengths = {field.get("name"): int(field.get("length", "255")) if field.get("type") == "string" else 0 for field in fields}
    texts = {field.get("name") for field in fields if field.get("type") in ("text", "blob")}

    def part(of: str) -> str:
        return name(of) + ("(190)" if lengths[of] > 190 or of in texts else "")

    parts = [column(field) for field in fields]
    primary = [field.get("name") for field in fields if "true" in (field.get("primarykey"), field.get("primaryKey"))]
    if primary:
        parts.append(f"PRIMARY KEY ({', '.join(map(part, primary))})")
    for key in element.findall("key"):
        words = {"unique": "UNIQUE KEY", "fulltext": "FULLTEXT KEY"}.get(key.get("type"), "KEY")
        columns = [column.get("name") for column in key.findall("column")]
        parts.append(f"{words} {name(key.get('name'))} ({', '.join(map(part, columns))})")
    return f"CREATE TABLE IF NOT EXISTS {name(element.get('name'))} ({', '.join(parts)}) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4"


def tables(folder: Path) -> list[str]:
    description = ElementTree.parse(folder / "module.xml").getroot().find("database")
    return [] if description is None else [table(element) for element in description.findall("table")]


def version(folder: Path) -> str:
    return ElementTree.parse(folder / "module.xml").getroot().findtext("version", "").strip()


LITERAL = r"""(?:'((?:[^'\\]|\\.)*)'|"([^"\\$]*)"|(true|false|-?\d+))"""
STEP = re.compile(
    rf"""\$set\[['"](\w+)['"]\]\s*=\s*(?:_\()?\s*(?:{LITERAL}|(&?\s*\$set\[['"]value['"]\])|[^;]*?)\)?\s*;|define_conf_setting\(\s*['"](\w+)['"]"""
)


def settings(folder: Path) -> Iterator[tuple]:
    """What `install.php` gives to `define_conf_setting`, where it is a literal."""
    try:
        text = (folder / "install.php").read_text(errors="replace")
    except FileNotFoundError:
        return
    values: dict[str, str | None] = {}
    for step in STEP.finditer(text):
        key, single, double, bare, same, keyword = step.groups()
        if keyword is None:
            told = next((value for value in (single, double, bare) if value is not None), None)
            told = {"true": "1", "false": "0"}.get(told, told) if bare is not None else told
            values[key] = values.get("value") if same else told
        elif values.get("value") is not None:
            default = values.get("defaultval")
            yield (
                keyword,
                values["value"],
                default if default is not None else values["value"],
                values.get("category"),
                values.get("type"),
                values.get("module"),
            )


def contents(modules: dict[str, Path], kept: dict[str, int]) -> Iterator[str]:
    """All of the database `asterisk`."""
    for folder in modules.values():
        yield from tables(folder)
    # 129 is what framework writes for a module whose signature is good and trusted.
    rows = [(module, version(folder), 1, json.dumps({"status": kept.get(module, 8), "details": []})) for module, folder in modules.items()]
    yield insert("modules", ["modulename", "version", "enabled", "signature"], rows)
    known: dict[str, tuple] = {
        keyword: (keyword, value, value if default is None else default, category, kind, "")
        for keyword, value, default, category, kind in SETTINGS
    }
    for module, folder in modules.items():
        for setting in settings(folder):
            known.setdefault(setting[0], (*setting[:5], setting[5] or module))
    yield insert("freepbx_settings", ["keyword", "value", "defaultval", "category", "type", "module"], list(known.values()))
    yield insert(
        "admin", ["variable", "value"], [("need_reload", "false"), ("version", version(modules["framework"])), ("email", "it@example.org")]
    )
    # SHA-1 of a long random word: an honest administrator's.
    yield insert(
        "ampusers",
        ["username", "email", "password_sha1", "sections"],
        [("admin", "it@example.org", "5c3e2f0f0f9c8f0a9d0c4b7c0f1f3ad1f7bb9e21", "*")],
    )
    yield insert(
        "cron_jobs",
        ["modulename", "jobname", "command", "class", "schedule", "max_runtime", "enabled", "execution_order"],
        [
            row
            for row in [
                (
                    "firewall",
                    "firewall",
                    "[ -e /var/spool/asterisk/incron ] && touch /var/spool/asterisk/incron/firewall.firewall",
                    None,
                    "*/15 * * * *",
                    30,
                    1,
                    100,
                ),
                ("firewall", "syncIDetection", "/usr/sbin/fwconsole firewall sync > /dev/null 2>&1", None, "*/5 * * * *", 30, 1, 100),
                ("dashboard", "scheduler", None, "FreePBX\\modules\\Dashboard\\Job", "* * * * *", 30, 1, 100),
                ("calendar", "sync", None, "FreePBX\\modules\\Calendar\\Job", "* * * * *", 30, 1, 100),
                ("timeconditions", "schedtc", None, "FreePBX\\modules\\Timeconditions\\Job", "* * * * *", 30, 1, 100),
            ]
            if row[0] in modules
        ],
    )
    yield insert(
        "cronmanager",
        ["module", "id", "time", "freq", "lasttime", "command"],
        [("module_admin", "UPDATES", "16", 24, 1767225600, "/var/lib/asterisk/bin/module_admin listonline")],
    )
    for store in [
        "FreePBX",
        *[
            f"FreePBX_modules_{module.capitalize()}"
            for module in modules
            if module in ("core", "firewall", "filestore", "backup", "sipsettings", "dashboard", "userman")
        ],
    ]:
        yield f"CREATE TABLE IF NOT EXISTS {name('kvstore_' + store)} {KVSTORE}"
    yield "CREATE TABLE IF NOT EXISTS `kvblobstore` (`uuid` char(36) NOT NULL, `type` char(32) DEFAULT NULL, `content` longblob, PRIMARY KEY (`uuid`)) ENGINE=InnoDB"
    if "sipsettings" in modules:
        yield insert(
            "kvstore_FreePBX_modules_Sipsettings",
            ["key", "val", "type", "id"],
            [
                ("externip", "203.0.113.10", None, "noid"),
                ("localnets", '[{"net":"192.168.10.0","mask":"24"}]', "json-arr", "noid"),
                ("rtpstart", "10000", None, "noid"),
                ("allowguest", "no", None, "noid"),
            ],
        )
    yield from telephones(modules)


def telephones(modules: dict[str, Path]) -> Iterator[str]:
    """Extensions, a trunk and its routes as an office has them."""
    dice = random.Random(11)
    yield insert(
        "users",
        ["extension", "password", "name", "voicemail", "ringtimer", "outboundcid"],
        [(number, "", person, "default", 0, "") for number, person in EXTENSIONS],
    )
    yield insert(
        "devices",
        ["id", "tech", "dial", "devicetype", "user", "description"],
        [(number, "pjsip", f"PJSIP/{number}", "fixed", number, person) for number, person in EXTENSIONS],
    )
    for number, person in EXTENSIONS:
        secret = f"{dice.getrandbits(128):032x}"
        rows = [
            ("secret", secret),
            ("context", "from-internal"),
            ("callerid", f"{person} <{number}>"),
            ("max_contacts", "1"),
            ("media_encryption", "no"),
        ]
        yield insert(
            "pjsip" if "sipsettings" in modules else "sip",
            ["id", "keyword", "data", "flags"],
            [(number, key, value, order + 2) for order, (key, value) in enumerate(rows)],
        )
    yield insert(
        "trunks", ["trunkid", "name", "tech", "outcid", "channelid"], [(1, "carrier", "pjsip", '"Example Ltd" <12125550100>', "carrier")]
    )
    yield insert(
        "pjsip",
        ["id", "keyword", "data", "flags"],
        [
            ("1", "sip_server", "sip.example.net", 2),
            ("1", "username", "example-ltd", 3),
            ("1", "secret", f"{dice.getrandbits(96):024x}", 4),
        ],
    )
    yield insert(
        "outbound_routes",
        ["route_id", "name", "emergency_route", "dest"],
        [(1, "national", "", ""), (2, "emergency", "YES", ""), (3, "international", "", "")],
    )
    yield insert(
        "outbound_route_patterns",
        ["route_id", "match_pattern_prefix", "match_pattern_pass", "match_cid", "prepend_digits"],
        [(1, "9", "NXXNXXXXXX", "", "1"), (1, "9", "1NXXNXXXXXX", "", ""), (2, "", "911", "", ""), (3, "9", "011.", "", "")],
    )
    yield insert("outbound_route_sequence", ["route_id", "seq"], [(1, 1), (2, 0), (3, 2)])
    yield insert("outbound_route_trunks", ["route_id", "trunk_id", "seq"], [(1, 1, 0), (2, 1, 0), (3, 1, 0)])
    yield insert("incoming", ["cidnum", "extension", "destination", "description"], [("", "12125550100", "ext-group,600,1", "main")])
    if "manager" in modules:
        yield insert(
            "manager",
            ["name", "secret", "deny", "permit", "read", "write"],
            [("door", f"{dice.getrandbits(128):032x}", "0.0.0.0/0.0.0.0", "127.0.0.1/255.255.255.0", "call,reporting", "originate")],
        )
    if "userman" in modules:
        yield insert(
            "userman_directories",
            ["id", "name", "driver", "active", "order", "default"],
            [(1, "PBX Internal Directory", "Freepbx", 1, 5, 1)],
        )
        yield insert(
            "userman_groups",
            ["id", "auth", "groupname", "description", "users"],
            [(1, "1", "All Users", "everybody", json.dumps(list(range(1, 21))))],
        )
        yield insert(
            "userman_users",
            ["id", "auth", "username", "description", "password", "default_extension", "displayname"],
            [
                (1 + order, "1", number, person, "$2a$08$notarealhashnotarealhashnotarealhashnotarealhashno", number, person)
                for order, (number, person) in enumerate(EXTENSIONS)
            ],
        )
        yield insert(
            "userman_users_settings",
            ["uid", "module", "key", "val", "type"],
            [(2, "global", "pbx_login", "1", None), (2, "global", "pbx_admin", "0", None)],
        )


COLUMNS = [
    "calldate",
    "clid",
    "src",
    "dst",
    "dcontext",
    "channel",
    "dstchannel",
    "lastapp",
    "lastdata",
    "duration",
    "billsec",
    "disposition",
    "amaflags",
    "uniqueid",
    "did",
    "recordingfile",
    "cnum",
    "cnam",
    "outbound_cnum",
    "linkedid",
    "sequence",
]


def calls(count: int, now: float) -> Iterator[tuple]:
    """An office's calls of a year: by day, mostly within the country, abroad to few numbers."""
    dice = random.Random(5)
    nearby = [f"212555{dice.randrange(100, 200):04d}" for _ in range(60)]
    abroad = [f"01144207946{dice.randrange(0, 1000):04d}" for _ in range(6)]
    moments = []
    while len(moments) < count:
        moment = now - dice.random() * 365 * 86400
        local = time.gmtime(moment - 5 * 3600)
        if local.tm_wday < 5 and 8 <= local.tm_hour < 18 or dice.random() < 0.03:
            moments.append(moment)
    for sequence, moment in enumerate(sorted(moments)):
        (number, person), (other, _) = dice.choice(EXTENSIONS), dice.choice(EXTENSIONS)
        stamp, unique = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment - 5 * 3600)), f"{moment:.0f}.{sequence}"
        answered = dice.random() < 0.8
        billed = int(dice.expovariate(1 / 140)) + 1 if answered else 0
        end = "ANSWERED" if answered else "NO ANSWER"
        leg, kind = f"{sequence:08x}", dice.random()
        if kind < 0.35:
            caller = dice.choice(nearby)
            yield (
                stamp,
                f'"{caller}" <{caller}>',
                caller,
                number,
                "ext-group",
                f"PJSIP/carrier-{leg}",
                f"PJSIP/{number}-{leg}",
                "Dial",
                f"PJSIP/{number}/sip:{number}@192.168.10.{int(number) % 250}:5060,,HhtrM(auto-blkvm)",
                billed + 9,
                billed,
                end,
                3,
                unique,
                "12125550100",
                f"external-{number}-{caller}-{unique}.wav" if answered else "",
                caller,
                caller,
                "",
                unique,
                sequence,
            )
        elif kind < 0.70:
            yield (
                stamp,
                f'"{person}" <{number}>',
                number,
                other,
                "from-internal",
                f"PJSIP/{number}-{leg}",
                f"PJSIP/{other}-{leg}",
                "Dial",
                f"PJSIP/{other}/sip:{other}@192.168.10.{int(other) % 250}:5060,,HhtrM(auto-blkvm)",
                billed + 6,
                billed,
                end,
                3,
                unique,
                "",
                "",
                number,
                person,
                "",
                unique,
                sequence,
            )
        elif kind < 0.75:
            yield (
                stamp,
                f'"{person}" <{number}>',
                number,
                "*97",
                "from-internal",
                f"PJSIP/{number}-{leg}",
                "",
                "VoiceMailMain",
                f"{number}@default,s",
                25,
                25,
                "ANSWERED",
                3,
                unique,
                "",
                "",
                number,
                person,
                "",
                unique,
                sequence,
            )
        else:
            called = dice.choice(abroad) if kind > 0.99 else "1" + dice.choice(nearby)
            yield (
                stamp,
                f'"{person}" <12125550100>',
                number,
                called,
                "from-internal",
                f"PJSIP/{number}-{leg}",
                f"PJSIP/carrier-{leg}",
                "Dial",
                f"PJSIP/{called}@carrier,300,Tb(func-apply-sipheaders^s^1)",
                billed + 11,
                billed,
                end,
                3,
                unique,
                "",
                f"out-{called}-{number}-{unique}.wav" if answered else "",
                number,
                person,
                "12125550100",
                unique,
                sequence,
            )


def call_statements(count: int, now: float) -> Iterator[str]:
    """The database of calls, in pieces that a server takes."""
    yield CALLS
    waiting: list[tuple] = []
    for call in calls(count, now):
        waiting.append(call)
        if len(waiting) == 2000:
            yield insert("cdr", COLUMNS, waiting)
            waiting = []
    if waiting:
        yield insert("cdr", COLUMNS, waiting)
