use crate::env::{TestEnvironment, snapshot};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

#[test]
fn a_bundle_verifies_by_us_and_by_sha256sum_in_every_format() {
    let env = TestEnvironment::new();
    env.broken_host();
    let html = env.host().join("var/www/html");
    for name in [&b"with space"[..], b" lead", b"back\\slash", b"new\nline", b"bad\xff.log", b"quote\"'", b"trail "] {
        fs::write(html.join(OsStr::from_bytes(name)), name).unwrap();
    }
    for (name, format) in [("b.tar.zst", "tar.zst"), ("b.tar.gz", "tar.gz"), ("b.zip", "zip"), ("b", "dir")] {
        env.triage(["collect", "--root", "host", "-o", name, "--format", format]).expect(0);
        let answer = env.triage(["verify", name]).expect(0);
        assert!(answer.stdout.contains("Intact:"), "{format}: {}", answer.stdout);
        let mode = fs::metadata(env.at(name)).unwrap().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{format}: {mode:o}");
    }
    let output = Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", "manifest-sha256.txt"])
        .current_dir(env.at("b"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_hostile_tree_loses_nothing_and_hangs_nowhere() {
    let env = TestEnvironment::new();
    env.clean_host();
    let web = env.host().join("var/www");
    mknodat(CWD, web.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(env.at("s")).unwrap();
    fs::rename(env.at("s"), web.join("socket")).unwrap();
    std::os::unix::fs::symlink("loop", web.join("loop")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", web.join("out")).unwrap();
    fs::write(web.join("empty"), b"").unwrap();
    fs::File::create(web.join("sparse")).unwrap().set_len(100 << 30).unwrap();
    fs::create_dir(web.join("many")).unwrap();
    for n in 0..5000 {
        fs::write(web.join(format!("many/{n}")), n.to_string()).unwrap();
    }
    let answer = env.triage(["collect", "--root", "host", "-o", "b", "--format", "dir"]).expect(3);
    for gap in ["not_regular: 2", "too_large: 1", "/var/www/sparse"] {
        assert!(answer.stderr.contains(gap), "{gap}: {}", answer.stderr);
    }
    env.triage(["verify", "b"]).expect(3);
    let records: String = fs::read_dir(env.at("b/data/records/files"))
        .unwrap()
        .map(|segment| fs::read_to_string(segment.unwrap().path()).unwrap())
        .collect();
    for name in
        ["/var/www/fifo", "/var/www/socket", "/var/www/loop", "/var/www/out", "/var/www/empty", "/var/www/many/4999"]
    {
        assert!(records.contains(&format!(r#""path":"{name}""#)), "{name}");
    }
    // The link's own target is on record, and what it points to on this machine is not.
    assert!(records.contains(r#""link_target":"/etc/hostname""#));
    assert!(!env.at("b/data/files/var/www/out").exists());
}

#[test]
fn collecting_changes_nothing_on_the_host() {
    let env = TestEnvironment::new();
    env.broken_host();
    let times = |env: &TestEnvironment| {
        let found = fs::metadata(env.host().join("var/www/html/index.php")).unwrap();
        (found.atime(), found.atime_nsec(), found.ctime(), found.ctime_nsec())
    };
    let (tree, before) = (snapshot(&env.host()), times(&env));
    env.triage(["collect", "--root", "host", "--scan", "-o", "b.zip"]).expect(2);
    assert_eq!((snapshot(&env.host()), times(&env)), (tree, before));
}

#[test]
fn a_bundle_goes_to_a_pipe() {
    let env = TestEnvironment::new();
    env.broken_host();
    let status = Command::new("sh")
        .arg("-c")
        .arg("\"$0\" collect --root host -o - > piped.tar.zst")
        .arg(env!("CARGO_BIN_EXE_triage"))
        .current_dir(env.at(""))
        .status()
        .unwrap();
    assert!(status.success());
    env.triage(["verify", "piped.tar.zst"]).expect(0);
}

#[test]
fn a_bundle_in_a_collected_folder_does_not_hold_itself() {
    let env = TestEnvironment::new();
    env.clean_host();
    for (name, format) in [("host/tmp/b.tar.zst", "tar.zst"), ("host/tmp/b", "dir")] {
        fs::create_dir_all(env.host().join("tmp")).unwrap();
        let answer = env.triage(["collect", "--root", "host", "-o", name, "--format", format]).expect(3);
        assert!(
            answer.stderr.contains("omitted: 1") && answer.stderr.contains("belongs to this tool"),
            "{}",
            answer.stderr
        );
        env.triage(["verify", name]).expect(3);
        fs::rename(env.host().join("tmp"), env.at(format)).unwrap();
    }
}

#[test]
fn secrets_are_collected_whole_and_marked_and_left_out_on_request() {
    let env = TestEnvironment::new();
    env.clean_host();
    env.triage(["collect", "--root", "host", "-o", "b", "--format", "dir"]).expect(0);
    assert_eq!(fs::read(env.at("b/data/files/etc/shadow")).unwrap(), fs::read(env.host().join("etc/shadow")).unwrap());
    let all = |bag: &str, folder: &str| -> String {
        fs::read_dir(env.at(bag).join(folder))
            .unwrap()
            .map(|f| fs::read_to_string(f.unwrap().path()).unwrap())
            .collect()
    };
    assert!(
        all("b", "data/records/files")
            .lines()
            .any(|l| l.contains("\"/etc/shadow\"") && l.contains("\"is_sensitive\":true"))
    );
    assert!(!all("b", "data/records/accounts").contains("$6$"), "a hash is in a record");
    env.triage(["collect", "--root", "host", "-o", "less", "--format", "dir", "--omit-secrets"]).expect(3);
    assert!(!env.at("less/data/files/etc/shadow").exists());
    env.triage(["verify", "less"]).expect(3);
}

#[test]
fn altered_added_missing_and_cut_bundles_are_refused() {
    let env = TestEnvironment::new();
    env.broken_host();
    env.triage(["collect", "--root", "host", "-o", "b", "--format", "dir"]).expect(0);
    let victim = env.at("b/data/files/var/www/html/index.php");
    let original = fs::read(&victim).unwrap();
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&victim, b"<?php // altered").unwrap();
    let answer = env.triage(["verify", "b"]).expect(4);
    assert!(answer.stdout.contains("data/files/var/www/html/index.php"), "{}", answer.stdout);
    fs::remove_file(&victim).unwrap();
    env.triage(["verify", "b"]).expect(4);
    fs::write(&victim, original).unwrap();
    env.triage(["verify", "b"]).expect(0);
    fs::write(env.at("b/data/files/smuggled"), b"x").unwrap();
    env.triage(["verify", "b"]).expect(4);

    env.triage(["collect", "--root", "host", "-o", "b.tar.zst"]).expect(0);
    let whole = fs::read(env.at("b.tar.zst")).unwrap();
    fs::write(env.at("cut.tar.zst"), &whole[..whole.len() / 2]).unwrap();
    env.triage(["verify", "cut.tar.zst"]).expect(4);
    let mut flipped = whole.clone();
    let middle = flipped.len() / 3;
    flipped[middle] ^= 1;
    fs::write(env.at("flipped.tar.zst"), flipped).unwrap();
    env.triage(["verify", "flipped.tar.zst"]).expect(4);
}
