//! Signing, encrypting, going on and taking out, with the tools that others would use beside ours.

use crate::env::{Answer, TestEnvironment};
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A tool of the system; says that the test is skipped where it is missing.
fn tool(name: &str) -> Option<Command> {
    let is_there = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !is_there {
        skipped(&format!("`{name}` is not installed"));
    }
    is_there.then(|| Command::new(name))
}

#[expect(clippy::print_stderr, reason = "a test that does nothing says so")]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

fn last_line(text: &str) -> String {
    text.trim_end().lines().last().unwrap_or_default().to_owned()
}

/// Runs a command in the test's folder, with `input`, and gives its standard output.
#[track_caller]
fn run(command: &mut Command, env: &TestEnvironment, input: &str) -> Vec<u8> {
    let mut child = command
        .current_dir(env.at(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn a_signature_of_ours_is_valid_for_minisign() {
    let env = TestEnvironment::new();
    let Some(mut minisign) = tool("minisign") else { return };
    env.broken_host();
    // `-W` makes a key without a password.
    run(minisign.args(["-G", "-W", "-p", "key.pub", "-s", "key"]), &env, "");
    run(Command::new("minisign").args(["-G", "-W", "-p", "other.pub", "-s", "other"]), &env, "");
    env.triage(["collect", "--root", "host", "-o", "b", "--format", "dir", "--sign", "key"]).expect(0);
    let checked = Command::new("minisign")
        .args(["-Vm", "tagmanifest-sha256.txt", "-x", "triage/tagmanifest.minisig", "-p", "../key.pub"])
        .current_dir(env.at("b"))
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert!(String::from_utf8_lossy(&checked.stdout).contains("bundle:pbx-test-"));
    let answer = env.triage(["verify", "b"]).expect(0);
    assert!(answer.stdout.contains("signed by key ID") && answer.stdout.contains("not checked"), "{}", answer.stdout);
    assert!(env.triage(["verify", "b", "--public-key", "key.pub"]).expect(0).stdout.contains(": valid ("));
    let line = fs::read_to_string(env.at("key.pub")).unwrap().lines().nth(1).unwrap().to_owned();
    env.triage(["verify", "b", "--public-key", &line]).expect(0);
    env.triage(["verify", "b", "--public-key", "other.pub"]).expect(4);
    env.triage(["collect", "--root", "host", "-o", "plain.zip"]).expect(0);
    env.triage(["verify", "plain.zip", "--public-key", "key.pub"]).expect(4);
    // The other direction: a folder that `minisign` signed anew.
    fs::remove_file(env.at("b/triage/tagmanifest.minisig")).unwrap();
    env.triage(["verify", "b"]).expect(4);
    run(
        Command::new("minisign").args([
            "-S",
            "-m",
            "b/tagmanifest-sha256.txt",
            "-x",
            "b/triage/tagmanifest.minisig",
            "-s",
            "other",
        ]),
        &env,
        "",
    );
    env.triage(["verify", "b", "--public-key", "other.pub"]).expect(0);
}

#[test]
fn a_secret_key_with_a_password_is_opened_from_a_file() {
    let env = TestEnvironment::new();
    let Some(mut minisign) = tool("minisign") else { return };
    if cfg!(debug_assertions) {
        skipped("deriving the key takes minutes in a build without optimisation");
        return;
    }
    env.clean_host();
    run(minisign.args(["-G", "-p", "key.pub", "-s", "key"]), &env, "secret\nsecret\n");
    fs::write(env.at("password"), "secret\n").unwrap();
    let words = ["collect", "--root", "host", "-o", "b.zip", "--sign", "key", "--sign-password-file", "password"];
    env.triage(words).expect(0);
    env.triage(["verify", "b.zip", "--public-key", "key.pub"]).expect(0);
}

#[test]
fn what_we_encrypt_age_opens_and_the_other_way_round() {
    let env = TestEnvironment::new();
    let Some(_) = tool("age") else { return };
    env.broken_host();
    run(Command::new("age-keygen").args(["-o", "key.txt"]), &env, "");
    run(Command::new("age-keygen").args(["-o", "other.txt"]), &env, "");
    let recipient = String::from_utf8(run(Command::new("age-keygen").args(["-y", "key.txt"]), &env, "")).unwrap();
    let recipient = recipient.trim();
    for format in ["tar.zst", "tar.gz", "zip"] {
        let sealed = format!("b.{format}.age");
        let answer = env.triage(["collect", "--root", "host", "-o", &sealed, "--recipient", recipient]).expect(0);
        let sum = String::from_utf8(run(Command::new("sha256sum").arg(&sealed), &env, "")).unwrap();
        assert!(last_line(&answer.stderr).ends_with(sum.split(' ').next().unwrap()), "{}", answer.stderr);
        let refused = env.triage(["verify", &sealed]).expect(1);
        assert!(refused.stderr.contains("--identity"), "{}", refused.stderr);
        env.triage(["verify", &sealed, "--identity", "other.txt"]).expect(1);
        let verified = env.triage(["verify", &sealed, "--identity", "key.txt"]).expect(0);
        assert!(verified.stdout.contains(&last_line(&answer.stderr)), "the same line: {}", verified.stdout);
        env.triage(["scan", &sealed, "--identity", "key.txt"]).expect(2);
        let answer =
            env.triage(["export", &sealed, "--identity", "key.txt", "--file", "/etc/hostname", "-o", "-"]).expect(0);
        assert_eq!(answer.stdout, "pbx-test\n");
        // Theirs opens ours, and what comes out is the plain bundle.
        let plain = format!("plain.{format}");
        run(Command::new("age").args(["-d", "-i", "key.txt", "-o", &plain, &sealed]), &env, "");
        env.triage(["verify", &plain]).expect(0);
        // Ours opens theirs.
        let theirs = format!("theirs.{format}.age");
        run(Command::new("age").args(["-r", recipient, "-o", &theirs, &plain]), &env, "");
        env.triage(["verify", &theirs, "--identity", "key.txt"]).expect(0);
    }
    // To a pipe, with recipients from a file.
    fs::write(env.at("recipients"), format!("# the lab\n{recipient}\n")).unwrap();
    let piped = Command::new("sh")
        .arg("-c")
        .arg("\"$0\" collect --root host -o - --recipients-file recipients > piped.age")
        .arg(env!("CARGO_BIN_EXE_triage"))
        .current_dir(env.at(""))
        .status()
        .unwrap();
    assert!(piped.success());
    env.triage(["verify", "piped.age", "--identity", "key.txt"]).expect(0);
    let names: Vec<_> = fs::read_dir(env.at("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().ends_with(".partial")), "{names:?}");
}

#[test]
fn the_line_for_the_paper_form_is_the_last_of_collect_and_is_what_sha256sum_shows() {
    let env = TestEnvironment::new();
    env.clean_host();
    for (name, file) in [("b.zip", "b.zip"), ("b", "b/tagmanifest-sha256.txt")] {
        let format = if name == "b" { "dir" } else { "zip" };
        let answer = env.triage(["collect", "--root", "host", "-o", name, "--format", format]).expect(0);
        let sum = String::from_utf8(run(Command::new("sha256sum").arg(file), &env, "")).unwrap();
        let line = last_line(&answer.stderr);
        assert!(line.ends_with(sum.split(' ').next().unwrap()), "{line}");
        assert!(env.triage(["verify", name]).expect(0).stdout.lines().any(|other| other == line));
    }
}

#[test]
fn a_tree_is_exported_without_links_and_into_an_empty_folder_only() {
    let env = TestEnvironment::new();
    env.clean_host();
    std::os::unix::fs::symlink("/etc/hostname", env.host().join("var/www/html/link")).unwrap();
    env.put("var/www/html/new\nline.php", "<?php exit;\n");
    env.triage(["collect", "--root", "host", "-o", "b.tar.zst"]).expect(0);
    fs::create_dir(env.at("full")).unwrap();
    fs::write(env.at("full/mine"), "mine").unwrap();
    env.triage(["export", "b.tar.zst", "--tree", "full"]).expect(1);
    let answer = env.triage(["export", "b.tar.zst", "--tree", "out", "--under", "/var/www"]).expect(3);
    assert!(answer.stderr.contains("1 of type symlink"), "{}", answer.stderr);
    assert_eq!(fs::read(env.at("out/var/www/html/new\nline.php")).unwrap(), b"<?php exit;\n");
    assert!(!env.at("out/etc").exists() && fs::symlink_metadata(env.at("out/var/www/html/link")).is_err());
    env.triage(["export", "b.tar.zst", "--file", "/etc/passwd", "-o", "passwd"]).expect(0);
    assert_eq!(fs::read(env.at("passwd")).unwrap(), fs::read(env.host().join("etc/passwd")).unwrap());
    env.triage(["export", "b.tar.zst", "--file", "/etc/passwd", "-o", "passwd"]).expect(1);
    env.triage(["export", "b.tar.zst", "--file", "/etc/none"]).expect(1);
    env.triage(["export", "b.tar.zst"]).expect(64);
}

/// Length of a file, or number of files beneath a folder.
fn growth(at: &std::path::Path) -> u64 {
    match fs::symlink_metadata(at) {
        Ok(found) if found.is_file() => found.len(),
        Ok(_) => fs::read_dir(at).map_or(0, |entries| {
            entries
                .filter_map(Result::ok)
                .map(|entry| if entry.path().is_dir() { growth(&entry.path()) } else { 1 })
                .sum()
        }),
        Err(_) => 0,
    }
}

/// What the log says of having gone on.
fn resumed_events(env: &TestEnvironment, bundle: &str) -> Vec<serde_json::Value> {
    let export = env.at(&format!("{bundle}.unpacked"));
    let unpack: &[&str] = match bundle.rsplit('.').next() {
        Some("zst") => &["sh", "-c", "mkdir -p \"$1\" && zstd -dcq \"$0\" | tar -x -C \"$1\" --strip-components=1"],
        Some("zip") => &[
            "python3",
            "-c",
            "import sys, zipfile, pathlib\nz = zipfile.ZipFile(sys.argv[1])\nfor n in z.namelist():\n  if '/triage/' in n:\n    p = pathlib.Path(sys.argv[2], n.split('/', 1)[1]); p.parent.mkdir(parents=True, exist_ok=True); p.write_bytes(z.read(n))",
        ],
        _ => &["ln", "-s"],
    };
    let status = Command::new(unpack[0])
        .args(&unpack[1..])
        .arg(env.at(bundle))
        .arg(&export)
        .status()
        .expect("tools to unpack with");
    assert!(status.success());
    let mut segments: Vec<_> =
        fs::read_dir(export.join("triage/collection")).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    let lines = segments.iter().map(|segment| fs::read_to_string(segment).unwrap()).collect::<String>();
    lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|event| event["kind"] == "resumed")
        .collect()
}

#[test]
fn a_collection_that_is_killed_goes_on_and_reads_nothing_twice() {
    let env = TestEnvironment::new();
    env.clean_host();
    let mut noise: u64 = 99;
    let mut random = |count: usize| -> Vec<u8> {
        std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            noise.to_le_bytes()[7]
        })
        .take(count)
        .collect()
    };
    for n in 0..7000 {
        let size = if n % 700 == 0 { 1 << 20 } else { 200 };
        env.put(&format!("var/www/html/many/{:02}/{n}", n % 40), random(size));
    }
    let total = growth(&env.host());
    for (name, format) in [("b.tar.zst", "tar.zst"), ("b.zip", "zip"), ("b", "dir")] {
        env.triage(["collect", "--root", "host", "-o", "whole", "--format", format]).expect(0);
        let whole = growth(&env.at("whole"));
        let expected = exported(&env, "whole");
        for part in [1, 4] {
            let words = ["collect", "--root", "host", "-o", name, "--format", format];
            let mut child = Command::new(env!("CARGO_BIN_EXE_triage"))
                .env_clear()
                .env("TRIAGE_STATE", env.at("state"))
                .current_dir(env.at(""))
                .args(words)
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let partial = env.at(&format!("{name}.partial"));
            let began = Instant::now();
            while growth(&partial) < whole * part / 5 && began.elapsed() < Duration::from_mins(1) {
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            child.kill().unwrap();
            child.wait().unwrap();
            if env.at(name).exists() {
                skipped(&format!("{format}: it was faster than the kill in part {part}"));
            } else {
                let told = env.triage(words).expect(1);
                let command = format!("triage collect --resume '{name}.partial' --root 'host'");
                assert!(told.stderr.contains(&command), "{}", told.stderr);
                let Answer { code, stderr, .. } =
                    env.triage(["collect", "--resume", &format!("{name}.partial"), "--root", "host"]);
                if stderr.contains("before its first whole segment") || stderr.contains("an empty file") {
                    assert_eq!((code, part), (1, 1), "{stderr}");
                    remove(&partial);
                    continue;
                }
                assert_eq!(code, 0, "{format} {part}: {stderr}");
                assert!(env.triage(["verify", name]).expect(0).stdout.contains("Intact"));
                let events = resumed_events(&env, name);
                assert_eq!(events.len(), 1);
                let kept = events[0]["kept_files"].as_u64().unwrap();
                if part >= 3 {
                    assert!(kept > 0, "{format} {part}");
                }
                // What the second part says that it read: `9 objects, 7 files, 5 KiB read`.
                let words: Vec<&str> =
                    stderr.lines().find(|line| line.contains(" objects, ")).unwrap().split(' ').collect();
                let read: u64 = words[2].parse().unwrap();
                assert_eq!(kept + read, total, "{format} {part}: no file is read twice and none is missing");
                assert_eq!(exported(&env, name), expected, "{format} {part}");
                remove(&env.at(&format!("{name}.unpacked")));
            }
            remove(&env.at(name));
        }
        remove(&env.at("whole"));
    }
}

fn remove(at: &std::path::Path) {
    let _ = fs::remove_file(at);
    let _ = fs::remove_dir_all(at);
}

/// Everything that a bundle holds, by path.
fn exported(env: &TestEnvironment, bundle: &str) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    env.triage(["export", bundle, "--tree", "tree"]).expect(0);
    let mut found = std::collections::BTreeMap::new();
    let mut folders = vec![env.at("tree")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    remove(&env.at("tree"));
    found
}
