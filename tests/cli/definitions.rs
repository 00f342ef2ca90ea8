use crate::env::{TestEnvironment, snapshot};
use serde_json::Value;
use std::fs;

const MINE: &str = "format_version: 1
name: mine
title: My shop
artifacts:
  - name: shop
    title: The shop
    is_sensitive: true
    paths: [/opt/shop/**]
    except: [/opt/shop/cache/**]
  - name: shop_programs
    title: Its programs
    is_hashed_only: true
    paths: [/opt/shop-bin/*]
";

fn host(env: &TestEnvironment) {
    env.clean_host();
    env.put("opt/shop/index.php", "<?php // shop\n");
    env.put("opt/shop/cache/x", "cached\n");
    env.put("opt/shop-bin/run", "#!/bin/sh\n");
    fs::write(env.at("mine.yaml"), MINE).unwrap();
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn definitions_of_the_user_stand_beside_the_built_in_ones() {
    let env = TestEnvironment::new();
    host(&env);
    let words =
        ["collect", "--root", "host", "--definitions", "mine.yaml", "--profile", "mine", "-o", "b", "--format", "dir"];
    env.triage(words).expect(0);
    assert!(env.at("b/data/files/opt/shop/index.php").exists());
    for absent in ["opt/shop/cache/x", "opt/shop-bin/run", "etc/passwd"] {
        assert!(!env.at("b/data/files").join(absent).exists(), "{absent}");
    }
    let records: String = fs::read_dir(env.at("b/data/records/files"))
        .unwrap()
        .map(|f| fs::read_to_string(f.unwrap().path()).unwrap())
        .collect();
    let record = |path: &str| -> Value {
        records.lines().map(json).find(|record| record["path"] == path).unwrap_or_else(|| panic!("{path}"))
    };
    assert_eq!(record("/opt/shop/index.php")["is_sensitive"], true);
    let hashed = record("/opt/shop-bin/run");
    assert!(hashed["sha256"].is_string() && hashed["payload"].is_null(), "{hashed}");
    env.triage(["verify", "b"]).expect(0);
    assert_eq!(json(&fs::read_to_string(env.at("b/triage/manifest.json")).unwrap())["profile"], "mine");

    let words = [
        "collect",
        "--root",
        "host",
        "--definitions",
        "mine.yaml",
        "--profile",
        "mine,linux",
        "-o",
        "c",
        "--format",
        "dir",
    ];
    env.triage(words).expect(0);
    assert!(env.at("c/data/files/etc/passwd").exists() && env.at("c/data/files/opt/shop/index.php").exists());
    let words = ["collect", "--root", "host", "--artifact", "cron", "-o", "d", "--format", "dir"];
    env.triage(words).expect(0);
    assert!(env.at("d/data/files/etc/crontab").exists() && !env.at("d/data/files/etc/passwd").exists());
}

#[test]
fn what_takes_the_place_of_a_built_in_definition_is_told() {
    let env = TestEnvironment::new();
    host(&env);
    fs::create_dir(env.at("set")).unwrap();
    fs::write(env.at("set/a.yaml"), "format_version: 1\nartifacts:\n  - {name: cron, title: Mine, paths: [/opt/**]}\n")
        .unwrap();
    fs::write(env.at("set/notes.txt"), "not read\n").unwrap();
    let answer = env.triage(["artifacts", "show", "cron", "--root", "host", "--definitions", "set"]).expect(0);
    assert!(
        answer
            .stderr
            .contains("`cron` of set/a.yaml, line 3: it takes the place of the artifact in rules/artifacts/linux.yaml"),
        "{}",
        answer.stderr
    );
    assert!(answer.stdout.contains("Mine") && answer.stdout.contains("/opt/**"), "{}", answer.stdout);
}

#[test]
fn a_command_of_a_definition_is_told_as_a_gap_and_never_run() {
    let env = TestEnvironment::new();
    host(&env);
    let canary = env.at("canary");
    let text = format!(
        "name: Bad\ndoc: Runs something.\nsources:\n- type: COMMAND\n  attributes: {{cmd: /bin/touch, args: ['{}']}}\nsupported_os: [Linux]\n",
        canary.display()
    );
    fs::write(env.at("bad.yaml"), text).unwrap();
    let words =
        ["collect", "--root", "host", "--definitions", "bad.yaml", "--artifact", "Bad", "-o", "b", "--format", "dir"];
    let answer = env.triage(words).expect(3);
    assert!(answer.stderr.contains("is not run"), "{}", answer.stderr);
    assert!(!canary.exists());
    env.triage(["verify", "b"]).expect(3);
}

#[test]
fn the_list_and_an_explanation_are_text_and_json() {
    let env = TestEnvironment::new();
    host(&env);
    let list = env.triage(["collect", "--list"]).expect(0).stdout;
    assert_eq!(list, env.triage(["artifacts", "list"]).expect(0).stdout);
    for name in ["freepbx", "volatile", "cron", "live_processes", "recordings"] {
        assert!(list.contains(name), "{name}");
    }
    let value = json(&env.triage(["collect", "--list", "--json"]).expect(0).stdout);
    assert_eq!(value["profiles"].as_array().unwrap().len(), 5);
    let text = env.triage(["collect", "--root", "host", "--explain", "ssh"]).expect(0).stdout;
    for part in [
        "rules/artifacts/linux.yaml",
        "in the profiles freepbx, full, linux, web",
        "/root/.ssh/rc",
        "https://",
        "homes here",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let value = json(&env.triage(["artifacts", "show", "web", "--root", "host", "--format", "json"]).expect(0).stdout);
    assert_eq!(value["is_profile"], true);
    let answer = env.triage(["artifacts", "show", "corn", "--root", "host"]).expect(1);
    assert!(answer.stderr.contains("did you mean `cron`?"), "{}", answer.stderr);
    let answer = env.triage(["collect", "--root", "host", "--profile", "linux,windows"]).expect(1);
    assert!(answer.stderr.contains("the profiles are freepbx, full, linux, volatile, web"), "{}", answer.stderr);
    env.triage(["collect", "--list", "--estimate"]).expect(64);
    env.triage(["collect", "--json"]).expect(64);
}

#[test]
fn an_estimate_writes_nothing_and_agrees_with_the_collection() {
    let env = TestEnvironment::new();
    host(&env);
    env.put("var/www/html/big.bin", vec![0; 4096]);
    let before = snapshot(&env.at("."));
    let words = ["collect", "--root", "host", "--profile", "web", "--max-file-size", "2K", "--estimate", "--json"];
    let value = json(&env.triage(words).expect(3).stdout);
    let text = env.triage(&words[..words.len() - 1]).expect(3).stdout;
    assert_eq!(snapshot(&env.at(".")), before);
    assert_eq!(value["left_out"]["too_large"]["bytes"], 4096);
    assert!(text.contains("left out, over 2.0 KiB: 1 file, 4.0 KiB") && text.contains("web_roots"), "{text}");

    env.triage([
        "collect",
        "--root",
        "host",
        "--profile",
        "web",
        "--max-file-size",
        "2K",
        "-o",
        "b",
        "--format",
        "dir",
    ])
    .expect(3);
    let manifest = json(&fs::read_to_string(env.at("b/triage/manifest.json")).unwrap());
    assert_eq!(manifest["totals"]["files"], value["collected"]["files"]);
    assert_eq!(manifest["totals"]["file_bytes"], value["collected"]["bytes"]);
}

#[test]
fn check_says_what_is_wrong_and_where() {
    let env = TestEnvironment::new();
    host(&env);
    env.triage(["artifacts", "check", "mine.yaml"]).expect(0);
    fs::create_dir(env.at("set")).unwrap();
    fs::write(env.at("set/a.yaml"), "format_version: 1\nartifacts:\n  - name: a\n    titel: A\n    paths: [/x]\n")
        .unwrap();
    fs::write(env.at("set/b.yaml"), "format_version: 1\nname: b\ntitle: B\nincludes: [linus]\n").unwrap();
    fs::write(env.at("set/c.yaml"), "x".repeat(100)).unwrap();
    let answer = env.triage(["artifacts", "check", "set"]).expect(1);
    for part in [
        "definition `set/a.yaml`, line 4, column 5: there is no field `titel`",
        "did you mean `title`?",
        "definition `set/b.yaml`, line 4, column 12: there is no profile `linus`",
        "did you mean `linux`?",
        "definition `set/c.yaml`, line 1",
    ] {
        assert!(answer.stdout.contains(part), "{part}: {}", answer.stdout);
    }
    assert!(answer.stderr.contains("3 broken"), "{}", answer.stderr);
    let big = fs::File::create(env.at("big.yaml")).unwrap();
    big.set_len(10 << 20).unwrap();
    let answer = env.triage(["collect", "--root", "host", "--definitions", "big.yaml", "--list"]).expect(1);
    assert!(answer.stderr.contains("has 10485760 bytes, and at most 1048576 are read"), "{}", answer.stderr);
}

#[test]
fn the_case_is_in_the_bag_and_cannot_forge_a_label() {
    let env = TestEnvironment::new();
    host(&env);
    env.put("etc/timezone", "Europe/Berlin\n");
    let words = [
        "collect",
        "--root",
        "host",
        "-o",
        "b",
        "--format",
        "dir",
        "--case",
        "2026-17",
        "--examiner",
        "E. Xaminer",
        "--note",
        "first\nPayload-Oxum: 0.0",
        "--note",
        "second",
    ];
    env.triage(words).expect(0);
    let info = fs::read_to_string(env.at("b/bag-info.txt")).unwrap();
    let lines: Vec<&str> = info.lines().collect();
    for line in [
        "External-Identifier: 2026-17",
        "Contact-Name: E. Xaminer",
        "External-Description: first\\nPayload-Oxum: 0.0",
        "External-Description: second",
    ] {
        assert!(lines.contains(&line), "{line}: {info}");
    }
    let manifest = json(&fs::read_to_string(env.at("b/triage/manifest.json")).unwrap());
    assert_eq!(manifest["case"], "2026-17");
    assert_eq!(manifest["examiner"], "E. Xaminer");
    assert_eq!(manifest["notes"][1], "second");
    assert_eq!(manifest["time_zone"], "Europe/Berlin");
    env.triage(["verify", "b"]).expect(0);
    env.triage(["collect", "--root", "host", "--case", " "]).expect(64);
}
