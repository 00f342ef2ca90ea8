"""What a bundle costs by the number of files, and how fast one is verified and one file is taken out of it.

Called by `compare --scale`. Prints three points, 10,000 to 1,000,000 files of 100 bytes, for each format; then the digest rate of
`verify` on a folder of large files beside that of openssl, and the time of `export --file`.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

MIB = 1 << 20
FORMATS = {"tar.zst": "b.tar.zst", "zip": "b.zip", "dir": "b"}
OURS = (0, 2, 3)


def host_of(folder: Path) -> Path:
    web = folder / "var/www/html"
    web.mkdir(parents=True)
    (folder / "etc").mkdir()
    (folder / "etc/hostname").write_text("bench\n")
    (folder / "etc/machine-id").write_text("0" * 31 + "1\n")
    return web


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def scale(triage: str, series, points: list[int], rounds: int, work: Path) -> None:
    ours = [triage, "--quiet", "--state", str(work / "state")]
    print(f"{'files':>9} {'format':<8} {'verb':<8} {'seconds':>8} {'µs/file':>8} {'peak MiB':>9}", flush=True)
    costs: dict[tuple[str, str], list[float]] = {}
    peak = 0.0
    for count in points:
        host = work / "host"
        web = host_of(host)
        for number in range(count):
            if number % 1000 == 0:
                folder = web / f"{number // 1000:04}"
                folder.mkdir()
            (folder / f"{number:07}.php").write_bytes(f"<?php exit; // {number}\n".encode().ljust(100, b"x"))
        for name, file in FORMATS.items():
            bundle = work / file
            verbs = {
                "collect": [*ours, "collect", "--root", str(host), "--profile", "web", "--threads", "2", "--format", name, "-o", str(bundle)],
                "verify": [*ours, "verify", str(bundle)],
                "scan": [*ours, "scan", str(bundle), "--threads", "2", "--format", "jsonl"],
            }
            for verb, command in verbs.items():
                one = series(f"{verb} {name}", [command], OURS)
                one.once(work / "log")
                costs.setdefault((name, verb), []).append(one.median / count * 1e6)
                peak = max(peak, one.peak_kib / 1024)
                print(
                    f"{count:>9} {name:<8} {verb:<8} {one.median:8.2f} {one.median / count * 1e6:8.1f} {one.peak_kib / 1024:9.0f}",
                    flush=True,
                )
            remove(bundle)
        remove(host)
    print()
    for (name, verb), points_of in costs.items():
        # The start of the program is in the smallest point; a cost that grows faster than the number shows in the last.
        tell(f"{verb} of {name}: cost of a file, last point to middle", points_of[-1] / points_of[-2 if len(points_of) > 1 else -1], "×", 1.5)
    tell("peak memory of all", peak, " MiB", 200)


def large(triage: str, series, size: int, rounds: int, work: Path) -> None:
    """A folder of large files that do not compress."""
    ours = [triage, "--quiet", "--state", str(work / "state")]
    host = work / "large"
    web = host_of(host)
    for number in range(max(size // (64 * MIB), 1)):
        with open(web / f"{number:03}.bin", "wb") as file:
            for _ in range(64):
                file.write(os.urandom(MIB))
    folder, packed = work / "large-b", work / "large.tar.zst"
    for output, name in [(folder, "dir"), (packed, "tar.zst")]:
        subprocess.run(
            [*ours, "collect", "--root", str(host), "--profile", "web", "--format", name, "-o", str(output)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
    told = subprocess.run(
        ["openssl", "speed", "-seconds", "2", "-bytes", "16384", "-evp", "sha256"], capture_output=True, text=True
    ).stdout
    rate = float(re.findall(r"([0-9.]+)k\s*$", told, re.M)[-1]) * 1000 / MIB
    cores = min(os.cpu_count() or 1, 8)
    for output, name in [(folder, "dir"), (packed, "tar.zst")]:
        verify = series(f"verify {name}", [[*ours, "verify", str(output)]], OURS)
        for _ in range(rounds):
            verify.once(work / "log")
        ours_rate = size / MIB / verify.median
        print(f"verify {name}: {ours_rate:.0f} MiB/s, peak {verify.peak_kib / 1024:.0f} MiB; openssl {rate:.0f} MiB/s a core, {cores} cores")
        if name == "dir":
            tell("verify of a folder to openssl, a core", ours_rate / rate / cores, "×", 0.7, True)
    one = series("export", [[*ours, "export", str(packed), "--file", "/var/www/html/003.bin"]], OURS, work / "out")
    small = series("export", [[*ours, "export", str(packed), "--file", "/etc/hostname"]], OURS, work / "out")
    for _ in range(max(rounds, 10)):
        small.once(work / "log")
    one.once(work / "log")
    print(f"export --file: {small.median * 1000:.1f} ms for a small one, {one.median * 1000:.0f} ms for one of 64 MiB")
    tell(f"one small file out of a bundle of {size >> 20} MiB", small.median * 1000, " ms", 50)


def tell(what: str, value: float, unit: str, limit: float, is_least: bool = False) -> None:
    is_met = value >= limit if is_least else value <= limit
    print(f"{'pass' if is_met else 'MISS'}  {what:<58} {value:8.2f}{unit}   bar {'≥' if is_least else '≤'} {limit}{unit}", flush=True)
