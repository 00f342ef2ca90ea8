use crate::env::{SHELL, TestEnvironment};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// The samples and clean files of the project.
fn testdata(name: &str) -> String {
    format!("{}/../testdata/{name}", env!("CARGO_MANIFEST_DIR"))
}

const RULES: &str = r#"
rule finds { meta: sample = "bad.php" strings: $a = "needle" condition: $a }
rule blind { meta: sample = "bad.php" strings: $a = "not in it" condition: $a }
rule untested { strings: $a = "innocent" condition: $a }
"#;

#[test]
fn the_built_in_rules_pass_their_own_test() {
    let env = TestEnvironment::new();
    let answer =
        env.triage(["rules", "test", "--samples", &testdata("samples"), "--clean", &testdata("clean")]).expect(0);
    assert_eq!(answer.stdout, "");
    assert!(answer.stderr.contains("0 name none") && answer.stderr.contains("0 failures"), "{}", answer.stderr);
}

#[test]
fn a_rule_that_misses_and_one_that_cries_wolf_are_named() {
    let env = TestEnvironment::new();
    for folder in ["samples", "clean"] {
        fs::create_dir(env.at(folder)).unwrap();
    }
    fs::write(env.at("rules.yar"), RULES).unwrap();
    fs::write(env.at("samples/bad.php"), "<?php exit; // needle").unwrap();
    fs::write(env.at("clean/good.php"), "<?php echo 'innocent';").unwrap();
    let answer = env.triage(["rules", "test", "rules.yar", "--samples", "samples", "--clean", "clean"]).expect(1);
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(lines[0], "missed       blind does not find `bad.php`");
    assert_eq!(lines[1], "no sample    untested (rules.yar)");
    assert!(lines[2].starts_with("false alarm  untested in ") && lines[2].ends_with("good.php"), "{}", lines[2]);
    assert_eq!(lines.len(), 3);
    let answer = env.triage(["rules", "test", "rules.yar", "--samples", "elsewhere"]).expect(1);
    assert!(answer.stderr.contains("elsewhere/bad.php") && answer.stderr.contains("--samples"), "{}", answer.stderr);
}

#[test]
fn the_cost_of_each_rule_is_told() {
    let env = TestEnvironment::new();
    env.broken_host();
    fs::write(env.at("rules.yar"), RULES).unwrap();
    env.put("var/www/html/a.php", "needle");
    let answer =
        env.triage(["scan", "host", "--rules", "rules.yar", "--no-builtin-rules", "--profile-rules"]).expect(0);
    assert_eq!(answer.stdout.lines().count(), 4, "{}", answer.stdout);
    let finds = answer.stdout.lines().find(|line| line.contains("finds (")).unwrap();
    assert_eq!(finds.split_whitespace().rev().nth(2), Some("1"), "one hit: {finds}");
}

#[test]
fn a_second_scan_with_a_cache_reads_only_what_changed_and_says_the_same() {
    let env = TestEnvironment::new();
    env.broken_host();
    for n in 0..50 {
        env.put(&format!("var/www/html/page{n}.php"), format!("<?php echo {n};"));
    }
    let scan = |env: &TestEnvironment| env.triage(["scan", "host", "--cache", "kept", "--format", "json"]).expect(2);
    let totals = |answer: &crate::env::Answer| {
        let report: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
        let ids: Vec<String> =
            report["findings"].as_array().unwrap().iter().map(|finding| finding["id"].to_string()).collect();
        (report["totals"]["files"].as_u64().unwrap(), report["totals"]["size_bytes"].as_u64().unwrap(), ids)
    };
    let (files, bytes, found) = totals(&scan(&env));
    let (files_again, bytes_again, found_again) = totals(&scan(&env));
    assert_eq!((files, &found), (files_again, &found_again));
    assert!(bytes_again < bytes, "{bytes_again} of {bytes} bytes were read again");
    // A known file that turns bad under its old times is read again, because its ctime tells.
    let page = env.at("host/var/www/html/page7.php");
    let before = fs::metadata(&page).unwrap();
    fs::write(&page, SHELL).unwrap();
    let file = fs::File::options().write(true).open(&page).unwrap();
    file.set_times(fs::FileTimes::new().set_modified(before.modified().unwrap())).unwrap();
    let (_, _, found_now) = totals(&scan(&env));
    assert!(found_now.len() > found.len(), "{found_now:?}");
    // Other rules know nothing of what these passed.
    fs::write(env.at("more.yar"), "rule more { strings: $a = \"echo 9;\" condition: $a }").unwrap();
    let more = env.triage(["scan", "host", "--cache", "kept", "--rules", "more.yar", "--format", "jsonl"]).expect(2);
    assert!(more.stdout.contains("\"rule\":\"more\""), "{}", more.stdout);
}

#[test]
fn a_cache_that_others_can_write_into_is_refused() {
    let env = TestEnvironment::new();
    env.clean_host();
    fs::create_dir(env.at("shared")).unwrap();
    fs::set_permissions(env.at("shared"), fs::Permissions::from_mode(0o777)).unwrap();
    let answer = env.triage(["scan", "host", "--cache", "shared"]).expect(4);
    assert!(answer.stderr.contains("others can write into"), "{}", answer.stderr);
    let inside = env.triage(["scan", "host", "--cache", "shared/mine"]).expect(4);
    assert!(inside.stderr.contains("shared`"), "{}", inside.stderr);
}

#[test]
fn compiled_rules_are_kept_closed_and_damage_in_them_does_no_harm() {
    let env = TestEnvironment::new();
    env.broken_host();
    env.triage(["scan", "host", "--cache", "kept"]).expect(2);
    let kept: Vec<_> = fs::read_dir(env.at("kept")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 2, "{kept:?}");
    for path in &kept {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    env.triage(["scan", "host", "--cache", "kept"]).expect(2);
}

#[test]
fn indicators_of_others_are_looked_for_and_what_cannot_be_is_told() {
    let env = TestEnvironment::new();
    env.clean_host();
    env.put("var/www/html/page.php", "<?php // see http://198.51.100.7/x");
    let digest = "900150983cd24fb0d6963f7d28e17f72";
    env.put("var/www/html/abc.txt", "abc");
    fs::write(
        env.at("list.csv"),
        format!("type,value,description\nip,198.51.100.7,beacon\nmd5,{digest},sample\nmutex,x,\n"),
    )
    .unwrap();
    let event = r#"{"Event":{"info":"E","Attribute":[{"uuid":"u","type":"yara","to_ids":true,"value":"rule from_misp { strings: $a = \"abc\" condition: $a }"}]}}"#;
    fs::write(env.at("event.json"), event).unwrap();
    let answer = env.triage(["scan", "host", "--iocs", "list.csv", "--iocs", "event.json", "--format", "jsonl"]);
    for expected in ["\"rule\":\"IOC-ip-", "\"rule\":\"IOC-md5-", "\"rule\":\"from_misp\"", "beacon"] {
        assert!(answer.stdout.contains(expected), "{expected}: {}", answer.stdout);
    }
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("1 entries cannot be") && answer.stderr.contains("line 4"), "{}", answer.stderr);
    fs::write(env.at("bad.json"), "{}").unwrap();
    let refused = env.triage(["scan", "host", "--iocs", "bad.json"]).expect(1);
    assert!(refused.stderr.contains("neither a STIX 2.1 bundle nor a MISP event"), "{}", refused.stderr);
}

const SIGMA: &str = "title: Agent of a scanner\nlogsource:\n  category: webserver\ndetection:\n  selection:\n    cs-user-agent|contains: sqlmap\n  condition: selection\nlevel: high\n";

#[test]
fn sigma_rules_are_used_checked_and_listed_like_others() {
    let env = TestEnvironment::new();
    env.clean_host();
    let line = "198.51.100.7 - - [23/Nov/2026:08:17:01 +0100] \"GET /x HTTP/1.1\" 200 1 \"-\" \"sqlmap/1.8\"\n";
    env.put("var/log/apache2/access.log", line);
    fs::create_dir(env.at("rules")).unwrap();
    fs::write(env.at("rules/web_sqlmap.yml"), SIGMA).unwrap();
    fs::write(env.at("rules/other.yaml"), "not: a rule\n").unwrap();
    let scan = env.triage(["scan", "host", "--rules", "rules", "--format", "jsonl"]).expect(2);
    assert!(
        scan.stdout.contains("\"rule\":\"web_sqlmap\"") && scan.stdout.contains("198.51.100.7 (1)"),
        "{}",
        scan.stdout
    );
    let checked = env.triage(["rules", "check", "rules"]).expect(0);
    assert!(checked.stderr.contains("1 rules compiled, 0 files or rules broken"), "{}", checked.stderr);
    let odd = SIGMA.replace("|contains", "|expand")
        + "---\n"
        + &SIGMA.replace("condition: selection", "condition: selectoin");
    fs::write(env.at("odd.yml"), odd).unwrap();
    let checked = env.triage(["rules", "check", "odd.yml"]).expect(1);
    assert!(
        checked
            .stdout
            .contains("odd.yml:1:1: rule `Agent of a scanner` is left out: search `selection`: the modifier `expand`"),
        "{}",
        checked.stdout
    );
    assert!(checked.stdout.contains("there is no search `selectoin`"), "{}", checked.stdout);
    assert!(checked.stderr.contains("0 rules compiled, 1 left out, 1 files or rules broken"), "{}", checked.stderr);
    let refused = env.triage(["scan", "host", "--rules", "odd.yml"]).expect(1);
    assert!(
        refused.stderr.contains("selectoin") && refused.stderr.contains("triage rules check"),
        "{}",
        refused.stderr
    );
    let listed = env.triage(["rules", "list"]).expect(0);
    assert!(
        listed.stdout.contains("TR-LOG-0101") && listed.stderr.contains("Sigma rules for logs"),
        "{}",
        listed.stderr
    );
}
