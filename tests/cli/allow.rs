use crate::env::{Answer, SHELL, TestEnvironment};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// A clean host with one shell, of which an allow-list will be told.
fn host() -> (TestEnvironment, String) {
    let env = TestEnvironment::new();
    env.clean_host();
    env.put("var/www/html/uploads/img.php", SHELL);
    let found = env.triage(["scan", "host", "--format", "jsonl"]).expect(2);
    let digest = lines(&found)
        .iter()
        .find_map(|line| Some(line["subject"]["sha256"].as_str()?.to_owned()))
        .expect("a finding has the digest of its file");
    (env, digest)
}

fn lines(answer: &Answer) -> Vec<serde_json::Value> {
    answer.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_kind<'a>(lines: &'a [serde_json::Value], kind: &str) -> Vec<&'a serde_json::Value> {
    lines.iter().filter(|line| line["kind"] == kind).collect()
}

fn put(env: &TestEnvironment, name: &str, entries: &str) {
    let path = env.at(name);
    fs::write(&path, format!("format_version: 1\nallow:\n{entries}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
}

/// A day that is not over and no more than a year away, whatever day it is.
fn soon() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // Noon of a day in about half a year; civil from days, after Howard Hinnant's published algorithm.
    let days = i64::try_from(now / 86_400).unwrap() + 180 + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[test]
fn an_allowed_content_is_told_in_every_format_and_changes_the_verdict() {
    let (env, digest) = host();
    put(
        &env,
        "mine.yaml",
        &format!("- {{sha256: {digest}, reason: our own *probe*, until: {}, author: kim}}\n", soon()),
    );
    let scan =
        |format: &str, code| env.triage(["scan", "host", "--allow", "mine.yaml", "--format", format]).expect(code);
    let answer = scan("jsonl", 0);
    let told = lines(&answer);
    assert!(of_kind(&told, "finding").is_empty(), "{}", answer.stdout);
    let allowed = of_kind(&told, "allowed");
    assert!(!allowed.is_empty() && allowed.iter().all(|line| line["allowed_by"]["reason"] == "our own *probe*"));
    assert_eq!(allowed[0]["allowed_by"]["entry"], "mine.yaml, line 3");
    assert_eq!(of_kind(&told, "verdict")[0]["allowed"], allowed.len());
    assert_eq!(of_kind(&told, "verdict")[0]["verdict"], "no_evidence");
    let json: serde_json::Value = serde_json::from_str(&scan("json", 0).stdout).unwrap();
    assert_eq!(json["allowed"].as_array().unwrap().len(), allowed.len());
    for (format, words) in [("table", "our own *probe*; until "), ("markdown", "our own \\*probe\\*; until ")] {
        let answer = scan(format, 0);
        assert!(answer.stdout.contains(words) && answer.stdout.contains("by kim"), "{}", answer.stdout);
        assert!(answer.stdout.contains("/var/www/html/uploads/img.php"), "{}", answer.stdout);
    }
    // One byte more, and it is another content.
    env.put("var/www/html/uploads/img.php", format!("{SHELL}\n"));
    let answer = env.triage(["-v", "scan", "host", "--allow", "mine.yaml"]).expect(2);
    assert!(answer.stderr.contains("mine.yaml, line 3: allowed nothing"), "{}", answer.stderr);
}

#[test]
fn live_and_bundle_are_judged_alike_and_nothing_allowed_is_planned_for() {
    let (env, digest) = host();
    put(&env, "mine.yaml", &format!("- {{sha256: {digest}, reason: ours, until: {}}}\n", soon()));
    env.triage(["collect", "--root", "host", "-o", "b.tar.zst"]).expect(0);
    let told = |target: &str| {
        let answer = env.triage(["scan", target, "--allow", "mine.yaml", "--format", "jsonl"]).expect(0);
        lines(&answer).iter().map(|line| (line["kind"].to_string(), line["id"].to_string())).collect::<Vec<_>>()
    };
    assert_eq!(told("host"), told("b.tar.zst"));
    let plan = ["plan", "--root", "host", "--playbook", "freepbx/web-shell"];
    assert!(env.triage(plan).expect(2).stdout.contains("img.php"));
    let answer = env.triage(plan.into_iter().chain(["--allow", "mine.yaml"])).expect(0);
    assert!(
        !answer.stdout.contains("img.php") && answer.stderr.contains("allowed and not planned for"),
        "{}",
        answer.stderr
    );
}

#[test]
fn a_list_that_an_intruder_planted_in_the_evidence_or_in_an_open_folder_is_not_used() {
    let (env, digest) = host();
    let entry = format!("- {{sha256: {digest}, reason: ours, until: {}}}\n", soon());
    // In the evidence nobody looks for it.
    fs::write(env.at("host/triage.allow.yaml"), format!("format_version: 1\nallow:\n{entry}")).unwrap();
    env.triage(["scan", "host"]).expect(2);
    // In the current folder it is used, where that is ours and no part of what is looked at.
    put(&env, "triage.allow.yaml", &entry);
    env.triage(["scan", "host"]).expect(0);
    let answer = env.triage(["scan", "."]);
    assert!(answer.stderr.contains("is not used: it lies in what is looked at"), "{}", answer.stderr);
    assert_eq!(answer.code, 2, "{}", answer.stdout);
    for mode in [0o664, 0o646] {
        fs::set_permissions(env.at("triage.allow.yaml"), fs::Permissions::from_mode(mode)).unwrap();
        let answer = env.triage(["scan", "host"]).expect(2);
        assert!(answer.stderr.contains("is not used: others can write it"), "{}", answer.stderr);
    }
    // What is named is used, and told.
    let answer = env.triage(["scan", "host", "--allow", "triage.allow.yaml"]).expect(0);
    assert!(answer.stderr.contains("can be written by others"), "{}", answer.stderr);
    fs::set_permissions(env.at("triage.allow.yaml"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(env.at(""), fs::Permissions::from_mode(0o777)).unwrap();
    env.triage(["scan", "host"]).expect(2);
    fs::set_permissions(env.at(""), fs::Permissions::from_mode(0o700)).unwrap();
    fs::rename(env.at("triage.allow.yaml"), env.at("other")).unwrap();
    std::os::unix::fs::symlink("other", env.at("triage.allow.yaml")).unwrap();
    let answer = env.triage(["scan", "host"]).expect(2);
    assert!(answer.stderr.contains("is not used: it is no regular file"), "{}", answer.stderr);
}

#[test]
fn an_expired_entry_allows_nothing_and_a_broken_list_stops_the_scan() {
    let (env, digest) = host();
    put(&env, "old.yaml", &format!("- {{sha256: {digest}, reason: ours, until: 2020-01-31}}\n"));
    let answer = env.triage(["scan", "host", "--allow", "old.yaml"]).expect(2);
    assert!(answer.stderr.contains("old.yaml, line 3: held until 2020-01-31"), "{}", answer.stderr);
    let answer = env.triage(["rules", "check", "old.yaml"]).expect(0);
    assert!(answer.stdout.contains("allows nothing any more"), "{}", answer.stdout);
    put(&env, "bad.yaml", &format!("- {{rule: \"*\", path: /a, reason: ours, until: {}}}\n", soon()));
    let scan = env.triage(["scan", "host", "--allow", "bad.yaml"]).expect(1);
    let check = env.triage(["rules", "check", "bad.yaml"]).expect(1);
    for text in [scan.stderr, check.stdout] {
        assert!(
            text.contains("allow-list `bad.yaml`, line 3, column 10: this is no rule's name") && text.contains('^'),
            "{text}"
        );
    }
}

#[test]
fn a_scan_whose_time_is_up_is_a_gap_and_no_verdict() {
    let env = TestEnvironment::new();
    env.clean_host();
    let answer = env.triage(["scan", "host", "--max-time", "0", "--format", "jsonl"]).expect(3);
    let told = lines(&answer);
    assert_eq!(of_kind(&told, "verdict")[0]["verdict"], "undetermined");
    assert!(of_kind(&told, "finding").is_empty(), "{}", answer.stdout);
    let gap = of_kind(&told, "gap").into_iter().find(|gap| gap["reason"] == "budget_spent").expect("a gap");
    assert!(gap["detail"].as_str().unwrap().contains("`--max-time`"), "{gap}");
}
