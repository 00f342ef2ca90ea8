use crate::env::{CRONTAB, SHELL, TestEnvironment};

/// The lines of a comparison: (kind, group or type, change, path).
fn told(env: &TestEnvironment, words: &[&str]) -> (Vec<(String, String, String)>, i32) {
    let answer = env.triage(words.iter().copied().chain(["--format", "jsonl"]));
    let mut lines: Vec<(String, String, String)> = answer
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|line| line["kind"] != "diff")
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            let group = if line["kind"] == "record_change" { text("group") } else { text("kind") };
            (group, text("change"), text("path"))
        })
        .collect();
    lines.sort();
    (lines, answer.code)
}

fn line(group: &str, change: &str, path: &str) -> (String, String, String) {
    (group.to_owned(), change.to_owned(), path.to_owned())
}

#[test]
fn a_host_is_compared_with_its_bundle_of_before() {
    let env = TestEnvironment::new();
    env.clean_host();
    env.triage(["collect", "--root", "host", "-o", "before.tar.zst"]).expect(0);
    let (found, code) = told(&env, &["diff", "before.tar.zst", "host"]);
    assert_eq!((found, code), (Vec::new(), 0));

    env.put("var/www/html/uploads/img.php", SHELL);
    env.put_with("var/spool/cron/crontabs/www-data", 0o600, CRONTAB);
    env.put("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nnewfpbxs:x:0:0::/root:/bin/bash\n");
    std::fs::remove_file(env.host().join("etc/crontab")).unwrap();
    let (found, code) = told(&env, &["diff", "before.tar.zst", "host"]);
    assert_eq!(code, 2);
    for expected in [
        line("accounts", "added", "/etc/passwd"),
        line("accounts", "removed", "/etc/passwd"),
        line("cron", "added", "/var/spool/cron/crontabs/www-data"),
        line("cron", "removed", "/etc/crontab"),
        line("file_change", "added", "/var/www/html/uploads/img.php"),
        line("file_change", "changed", "/etc/passwd"),
        line("file_change", "removed", "/etc/crontab"),
    ] {
        assert!(found.contains(&expected), "{expected:?} in {found:#?}");
    }
    // The other way round everything is the other way round.
    let (back, _) = told(&env, &["diff", "host", "before.tar.zst"]);
    assert!(back.contains(&line("file_change", "removed", "/var/www/html/uploads/img.php")), "{back:#?}");

    let (only, code) = told(&env, &["diff", "before.tar.zst", "host", "--only", "cron"]);
    assert_eq!(code, 2);
    assert!(only.iter().all(|(group, ..)| group == "cron") && only.len() == 3, "{only:#?}");
    let (none, code) = told(&env, &["diff", "before.tar.zst", "host", "--only", "units"]);
    assert_eq!((none, code), (Vec::new(), 0));
}

#[test]
fn the_table_says_what_changed_and_folds_noise() {
    let env = TestEnvironment::new();
    env.clean_host();
    env.put("var/log/auth.log", "one\n");
    env.triage(["collect", "--root", "host", "-o", "before.zip"]).expect(0);
    env.put("var/log/auth.log", "one\ntwo\n");
    env.put("var/www/html/x\nno difference\u{1b}[2J.php", SHELL);
    let answer = env.triage(["diff", "before.zip", "host"]).expect(2);
    assert!(answer.stdout.contains("files added"), "{}", answer.stdout);
    assert!(answer.stdout.contains("grown logs"), "{}", answer.stdout);
    assert!(!answer.stdout.contains('\u{1b}') && !answer.stdout.contains("\nno difference"), "{:?}", answer.stdout);
    assert!(answer.stderr.contains("Different: "), "{}", answer.stderr);
    let all = env.triage(["diff", "before.zip", "host", "--all"]).expect(2);
    assert!(all.stdout.contains("/var/log/auth.log"), "{}", all.stdout);
    let json = env.triage(["diff", "before.zip", "host", "--format", "json"]).expect(2);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["format_version"], 1);
    assert_eq!(json["folded"]["grown_log"], 1);
}

#[test]
fn what_is_not_there_is_an_error() {
    let env = TestEnvironment::new();
    env.clean_host();
    assert_eq!(env.triage(["diff", "host", "none"]).code, 1);
    assert_eq!(env.triage(["diff", "host"]).code, 64);
}
