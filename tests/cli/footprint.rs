//! The least footprint: what the program needs of the host, what it leaves alone, and how old the kernel may be.

use crate::env::{Answer, TestEnvironment, snapshot};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const TRIAGE: &str = env!("CARGO_BIN_EXE_triage");

/// Runs a script in a mount namespace of its own, where the program is `$TRIAGE`; none, with a word why, where that is not possible.
fn in_own_mounts(env: &TestEnvironment, script: &str) -> Option<Answer> {
    let can = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", "mount -t tmpfs none /mnt && umount /mnt"])
        .stderr(Stdio::null())
        .status();
    if !can.is_ok_and(|status| status.success()) {
        println!("skipped: needs root, unshare(1) and the right to mount in a namespace of one's own");
        return None;
    }
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-eu", "-c", script])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("TRIAGE", TRIAGE)
        .current_dir(env.at(""))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Some(Answer {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

#[test]
fn nothing_of_the_environment_is_needed() {
    let env = TestEnvironment::new();
    env.clean_host();
    let run = |words: &[&str]| {
        let status =
            Command::new(TRIAGE).env_clear().args(words).current_dir(env.at("")).stderr(Stdio::null()).status();
        status.unwrap().code()
    };
    assert_eq!(run(&["collect", "--root", "host", "-o", "b.tar.zst"]), Some(0));
    assert_eq!(run(&["verify", "b.tar.zst"]), Some(0));
    assert_eq!(run(&["scan", "host"]), Some(0));
}

#[test]
fn a_read_only_root_and_a_tmp_without_exec_are_enough() {
    let env = TestEnvironment::new();
    env.clean_host();
    fs::create_dir(env.at("out")).unwrap();
    // Everything is read-only but the output; `/tmp` can be written and not executed from.
    let script = r#"
        mount -t tmpfs none out
        mkdir out/tmp && cp -r host out/host
        here=$PWD
        mount --bind / / && mount -o remount,bind,ro /
        cd "$here/out"
        if touch "$here/written" 2>/dev/null; then echo "the root is not read-only"; exit 99; fi
        env -i "$TRIAGE" collect --root host -o b.tar.zst
        env -i "$TRIAGE" collect --root host -o - | cat > piped.tar.zst
        mount -t tmpfs -o noexec none /tmp
        env -i "$TRIAGE" verify b.tar.zst
        env -i "$TRIAGE" verify piped.tar.zst
        ls -A tmp
    "#;
    if let Some(answer) = in_own_mounts(
        &env,
        &script
            .replace("mount -t tmpfs -o noexec none /tmp", "mount -t tmpfs -o noexec none tmp; export TMPDIR=$PWD/tmp"),
    ) {
        let answer = answer.expect(0);
        assert_eq!(answer.stdout.matches("Intact").count(), 2, "{}", answer.stdout);
    }
}

#[test]
fn mounts_in_the_evidence_are_told_local_ones_are_read_and_the_kernels_are_not() {
    let env = TestEnvironment::new();
    env.clean_host();
    for folder in ["var/www/html/disk", "var/www/proc", "var/www/again", "srv"] {
        fs::create_dir_all(env.host().join(folder)).unwrap();
    }
    let script = r#"
        mount -t tmpfs none host/var/www/html/disk
        echo '<?php' > host/var/www/html/disk/on-the-disk.php
        mount -t proc proc host/var/www/proc
        mount --bind host/var/www/html host/var/www/again
        "$TRIAGE" collect --root host -o b --format dir || test $? = 3
        "$TRIAGE" verify b || test $? = 3
    "#;
    let Some(answer) = in_own_mounts(&env, script) else { return };
    let answer = answer.expect(0);
    assert!(answer.stderr.contains("an interface of the kernel"), "{}", answer.stderr);
    assert!(env.at("b/data/files/var/www/html/disk/on-the-disk.php").exists(), "a tmpfs is this host's own");
    assert!(!env.at("b/data/files/var/www/proc").exists());
    assert!(!env.at("b/data/files/var/www/again").exists(), "a folder that is mounted twice is read once");
    let statement: serde_json::Value =
        serde_json::from_slice(&fs::read(env.at("b/triage/coverage.json")).unwrap()).unwrap();
    let mount =
        |path: &str| statement["mounts"].as_array().unwrap().iter().find(|m| m["path"] == path).unwrap().clone();
    assert_eq!(mount("/var/www/html/disk")["is_visited"], true);
    assert_eq!(mount("/var/www/proc")["is_visited"], false);
    assert!(mount("/var/www/again")["why"].as_str().unwrap().contains("same folder as `/var/www/html`"));
}

/// The calls that Linux 3.10 does not have, and that this program, the standard library or glibc make where they are there.
#[cfg(target_arch = "x86_64")]
const SINCE_3_10: [(&str, i64); 24] = [
    ("renameat2", 316),
    ("getrandom", 318),
    ("memfd_create", 319),
    ("execveat", 322),
    ("membarrier", 324),
    ("mlock2", 325),
    ("copy_file_range", 326),
    ("preadv2", 327),
    ("pwritev2", 328),
    ("statx", 332),
    ("io_pgetevents", 333),
    ("rseq", 334),
    ("pidfd_send_signal", 424),
    ("io_uring_setup", 425),
    ("pidfd_open", 434),
    ("clone3", 435),
    ("close_range", 436),
    ("openat2", 437),
    ("pidfd_getfd", 438),
    ("faccessat2", 439),
    ("epoll_pwait2", 441),
    ("fchmodat2", 452),
    ("cachestat", 451),
    ("futex_waitv", 449),
];

/// Answers `ENOSYS` to newer calls, in this thread and in all that it starts.
#[cfg(target_arch = "x86_64")]
fn forget_newer_calls() -> Result<(), Box<dyn std::error::Error>> {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
    let rules = SINCE_3_10.iter().map(|(_, number)| (*number, Vec::new())).collect();
    let enosys = SeccompAction::Errno(38);
    let filter: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, enosys, TargetArch::x86_64)?.try_into()?;
    Ok(seccompiler::apply_filter(&filter)?)
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_whole_way_works_on_a_kernel_that_knows_no_newer_call() {
    std::thread::spawn(|| {
        let env = TestEnvironment::new();
        env.broken_host();
        let (live, _) = env.findings(&env.host());
        let before = snapshot(&env.host());
        if let Err(error) = forget_newer_calls() {
            println!("skipped: no seccomp filter can be set here: {error}");
            return;
        }
        let flags = rustix::fs::AtFlags::empty();
        let statx = rustix::fs::statx(rustix::fs::CWD, ".", flags, rustix::fs::StatxFlags::BASIC_STATS);
        assert_eq!(statx.err(), Some(rustix::io::Errno::NOSYS), "the filter holds");
        for (name, format) in [("b.tar.zst", "tar.zst"), ("b.tar.gz", "tar.gz"), ("b.zip", "zip"), ("b", "dir")] {
            env.triage(["collect", "--root", "host", "-o", name, "--format", format]).expect(0);
            env.triage(["verify", name]).expect(0);
            assert_eq!(env.findings(&env.at(name)), (live.clone(), 2), "{format}");
        }
        assert_eq!(env.findings(&env.host()), (live, 2));
        env.triage(["collect", "--root", "host", "-o", "idle.tar.zst", "--nice", "idle"]).expect(0);
        assert_eq!(snapshot(&env.host()), before);
        env.triage(["plan", "--root", "host", "--playbook", "freepbx/web-shell", "-o", "plan.json"]).expect(2);
        env.triage(["apply", "plan.json", "--root", "host", "--yes"]).expect(0);
        assert!(!env.host().join("var/www/html/uploads/img.php").exists());
        assert_eq!(env.findings(&env.host()).1, 0);
        env.triage(["rollback", "last", "--root", "host", "--restore-malicious", "--yes"]).expect(0);
        assert_eq!(snapshot(&env.host()), before);
    })
    .join()
    .unwrap();
}

#[test]
fn nothing_is_written_but_the_output() {
    let env = TestEnvironment::new();
    env.broken_host();
    let log = env.at("calls");
    let traced = Command::new("strace")
        .args(["-f", "-qq", "-s", "4096", "-o"])
        .arg(&log)
        .args(["-e", "trace=%file,%desc", "-e", "signal=none"])
        .arg(TRIAGE)
        .args(["collect", "--root", "host", "-o", "out.tar.zst", "--nice", "idle"])
        .env_clear()
        .current_dir(env.at(""))
        .output();
    if !traced.as_ref().is_ok_and(|traced| traced.status.success()) {
        println!("skipped: needs strace(1) and the right to trace");
        return;
    }
    let calls = fs::read_to_string(&log).unwrap();
    let changes = |line: &&str| {
        let call = line.split_once(' ').map_or(*line, |(_, call)| call.trim_start());
        let name = call.split_once('(').map_or("", |(name, _)| name);
        let opens = matches!(name, "open" | "openat" | "openat2" | "creat")
            && ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| call.contains(flag));
        let alters = [
            "mkdir",
            "unlink",
            "rename",
            "link",
            "symlink",
            "chmod",
            "chown",
            "utime",
            "truncate",
            "setxattr",
            "removexattr",
            "mknod",
            "rmdir",
        ];
        opens || alters.iter().any(|word| name.contains(word) && name != "readlink" && name != "readlinkat")
    };
    let foreign: Vec<&str> = calls
        .lines()
        .filter(changes)
        .filter(|line| !["out.tar.zst", "/proc/self/oom_score_adj"].iter().any(|ours| line.contains(ours)))
        .collect();
    assert_eq!(foreign, Vec::<&str>::new());
    assert!(calls.lines().any(|line| changes(&line)), "the output itself was seen");
    assert!(Path::new(&env.at("out.tar.zst")).exists());
}
