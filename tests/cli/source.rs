//! What a path turns out to be, and the digest of the file that it is.

use crate::env::{SHELL, TestEnvironment};
use std::process::Command;

fn tar(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn a_collection_of_uac_is_said_to_be_one_and_scanned_at_its_paths() {
    let env = TestEnvironment::new();
    let bytes = tar(&[
        ("uac.log", "INF"),
        ("[root]/etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
        ("[root]/var/www/html/i.php", SHELL),
    ]);
    std::fs::write(env.at("uac-pbx-linux-1.tar"), bytes).unwrap();
    let answer = env.triage(["scan", "uac-pbx-linux-1.tar", "--format", "jsonl"]).expect(2);
    assert!(answer.stdout.contains(r#""path":"/var/www/html/i.php""#), "{}", answer.stdout);
    assert!(answer.stderr.contains("a UAC collection"), "{}", answer.stderr);
    assert!(answer.stderr.contains("sha256 of uac-pbx-linux-1.tar: "), "{}", answer.stderr);
}

#[test]
fn another_file_than_the_one_that_was_expected_is_refused() {
    let env = TestEnvironment::new();
    std::fs::write(env.at("a.tar"), tar(&[("etc/passwd", "root:x:0:0::/root:/bin/sh\n")])).unwrap();
    let answer = env.triage(["scan", "a.tar"]).expect(0);
    let digest = answer.stderr.split("sha256 of a.tar: ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    env.triage(["scan", "a.tar", "--expect-sha256", &digest]).expect(0);
    let other = "0".repeat(64);
    let answer = env.triage(["scan", "a.tar", "--expect-sha256", &other]).expect(4);
    assert!(answer.stdout.is_empty() && answer.stderr.contains(&digest), "{}", answer.stderr);
    env.clean_host();
    env.triage(["scan", "host", "--expect-sha256", &digest]).expect(4);
    assert_eq!(env.triage(["scan", "a.tar", "--expect-sha256", "abc"]).code, 64);
}

#[test]
fn a_disk_image_is_scanned_and_collected_and_named_in_the_manifest() {
    let env = TestEnvironment::new();
    env.broken_host();
    std::fs::File::create(env.at("pbx.img")).unwrap().set_len(16 << 20).unwrap();
    let made = Command::new("mkfs.ext4").args(["-q", "-F", "-d"]).arg(env.host()).arg(env.at("pbx.img")).status();
    if made.is_err() {
        println!("skipped: there is no mkfs.ext4 on this machine");
        return;
    }
    let (live, _) = env.findings(&env.host());
    let (image, code) = env.findings(&env.at("pbx.img"));
    assert_eq!((&image, code), (&live, 2));
    env.triage(["collect", "--root", "pbx.img", "-o", "bundle", "--format", "dir"]).expect(0);
    let manifest = std::fs::read_to_string(env.at("bundle/triage/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["evidence"]["name"], "pbx.img");
    assert_eq!(manifest["evidence"]["size_bytes"], 16 << 20);
    assert_eq!(manifest["evidence"]["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn an_image_that_is_not_read_is_told_with_the_commands_that_open_it() {
    let env = TestEnvironment::new();
    let mut bytes = vec![0; 1 << 20];
    bytes[..4].copy_from_slice(b"QFI\xfb");
    std::fs::write(env.at("pbx.qcow2"), bytes).unwrap();
    let answer = env.triage(["scan", "pbx.qcow2"]).expect(1);
    assert!(answer.stderr.contains("qemu-nbd -r -c /dev/nbd0 pbx.qcow2"), "{}", answer.stderr);
}

#[test]
fn a_web_root_that_is_a_link_is_scanned_where_it_really_is() {
    let env = TestEnvironment::new();
    env.clean_host();
    env.put("srv/site/i.php", SHELL);
    std::fs::remove_dir_all(env.host().join("var/www/html")).unwrap();
    std::os::unix::fs::symlink("/srv/site", env.host().join("var/www/html")).unwrap();
    let answer = env.triage(["scan", "host", "--format", "jsonl"]).expect(2);
    assert!(answer.stdout.contains(r#""path":"/srv/site/i.php""#), "{}", answer.stdout);
}

/// The program that this variable names, or the one of this name on the search path.
fn tool(variable: &str, name: &str) -> Option<std::path::PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// The one file of a folder whose name ends so.
fn output_of(folder: &std::path::Path, end: &str) -> std::path::PathBuf {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.to_string_lossy().ends_with(end)).unwrap()
}

#[test]
fn what_the_real_acquire_collects_is_read() {
    let Some(acquire) = tool("ACQUIRE", "acquire") else {
        println!("skipped: there is no acquire on this machine (pip install acquire; ACQUIRE names the program)");
        return;
    };
    let env = TestEnvironment::new();
    env.broken_host();
    env.put("var/log/syslog", "one\n");
    // By these folders it knows a Linux root.
    for folder in ["dev", "home", "opt", "proc", "root", "sys", "tmp", "usr/bin"] {
        std::fs::create_dir_all(env.host().join(folder)).unwrap();
    }
    std::fs::create_dir(env.at("out")).unwrap();
    for (end, words) in
        [(".tar", &[][..]), (".tar.xz", &["--compress", "--compress-method", "xz"]), (".zip", &["-ot", "zip"])]
    {
        let made = Command::new(&acquire).arg(env.host()).arg("-o").arg(env.at("out")).args(words).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        let answer = env.triage([
            "scan".as_ref(),
            output_of(&env.at("out"), end).as_os_str(),
            "--format".as_ref(),
            "jsonl".as_ref(),
        ]);
        assert!(answer.stderr.contains("an acquire collection"), "{end}: {}", answer.stderr);
        assert!(answer.stdout.contains(r#""path":"/etc/passwd""#) && answer.code == 2, "{end}: {}", answer.stdout);
    }
}

#[test]
fn what_the_real_uac_collects_is_read() {
    let Some(uac) = std::env::var_os("UAC") else {
        println!("skipped: UAC does not name the folder of the Unix-like Artifacts Collector");
        return;
    };
    let env = TestEnvironment::new();
    env.broken_host();
    for folder in ["out", "work"] {
        std::fs::create_dir(env.at(folder)).unwrap();
    }
    let made = Command::new("./uac")
        .current_dir(uac)
        .args(["-u", "-a", "bodyfile/bodyfile.yaml,files/system/etc.yaml", "-s", "linux", "--hostname", "pbx", "-m"])
        .arg(env.host())
        .arg("--temp-dir")
        .arg(env.at("work"))
        .arg(env.at("out"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let archive = output_of(&env.at("out"), ".tar.gz");
    let answer = env.triage(["scan".as_ref(), archive.as_os_str(), "--format".as_ref(), "jsonl".as_ref()]).expect(2);
    assert!(answer.stderr.contains("a UAC collection"), "{}", answer.stderr);
    assert!(answer.stderr.contains("objects are from its bodyfile"), "{}", answer.stderr);
    assert!(answer.stdout.contains(r#""path":"/etc/passwd""#), "{}", answer.stdout);
}
