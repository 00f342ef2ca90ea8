//! What a scan says of a host that was cleaned, while its log still tells of the time before.

use crate::env::{CRONTAB, SHELL, TestEnvironment};
use serde_json::Value;

/// A request to a shell, years before any run of these tests.
const BEFORE: &str =
    "192.0.2.9 - - [02/May/2020:03:03:58 +0000] \"POST /admin/views/ajax.php HTTP/1.1\" 200 512 \"-\" \"curl/7.88\"\n";
/// The same after all of them.
const LATER: &str =
    "192.0.2.9 - - [02/May/2037:03:03:58 +0000] \"POST /admin/views/ajax.php HTTP/1.1\" 200 512 \"-\" \"curl/7.88\"\n";

/// A host on which the web server's account was the intruder's, and its log.
fn broken() -> TestEnvironment {
    let env = TestEnvironment::new();
    env.clean_host();
    env.put("var/www/html/uploads/img.php", SHELL);
    env.put_with("var/spool/cron/crontabs/www-data", 0o600, CRONTAB);
    env.put("var/log/apache2/access.log", BEFORE);
    env
}

/// Makes a plan and applies it.
fn clean(env: &TestEnvironment) {
    env.triage(["plan", "--root", "host", "--playbook", "linux/web-shell", "-o", "plan.json"]).expect(2);
    let applied = env.triage(["apply", "plan.json", "--root", "host", "--yes"]);
    assert!(matches!(applied.code, 0 | 3), "{}\n{}", applied.stdout, applied.stderr);
}

/// The last line of a stream, and the exit code.
fn verdict(env: &TestEnvironment, command: &str) -> (Value, i32) {
    let told = env.triage([command, "host", "--format", "jsonl"]);
    let last: Value = serde_json::from_str(told.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["kind"], "verdict");
    (last, told.code)
}

/// What both commands say, with a code that is no 2 where nothing can act again.
#[track_caller]
fn assert_verdict(env: &TestEnvironment, wanted: &str) {
    for command in ["scan", "check"] {
        let (told, code) = verdict(env, command);
        assert_eq!(told["verdict"], wanted, "{command}: {told}");
        assert_eq!(code == 2, matches!(wanted, "compromised" | "suspicious"), "{command}: {code}");
    }
}

#[test]
fn a_log_of_the_past_alone_makes_a_cleaned_host_no_known_trace_left() {
    let env = broken();
    assert_verdict(&env, "compromised");
    let log = std::fs::read(env.host().join("var/log/apache2/access.log")).unwrap();
    clean(&env);
    assert_verdict(&env, "no_known_trace_left");
    assert_eq!(std::fs::read(env.host().join("var/log/apache2/access.log")).unwrap(), log, "the log is evidence");
    let (told, _) = verdict(&env, "scan");
    assert!(!told["clean_up"]["past"].as_array().unwrap().is_empty());
    assert_eq!(told["clean_up"]["root_shown"], false);
    let (check, _) = verdict(&env, "check");
    let logs = check["answers"].as_array().unwrap().iter().find(|one| one["question"] == "logs").unwrap();
    assert_eq!(logs["answer"], "past");
    let said = env.triage(["scan", "host"]);
    for words in ["No known trace left", "they are evidence", "Left to do: close the hole", "check again tomorrow"] {
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
    }
    assert!(!said.stderr.to_lowercase().contains("clean,"), "{}", said.stderr);
    let said = env.triage(["check", "host"]);
    assert!(said.stdout.contains("NO KNOWN TRACE LEFT") && said.stdout.contains("cleaned"), "{}", said.stdout);
    assert!(said.stderr.contains("close the hole that let them in"), "{}", said.stderr);
}

#[test]
fn where_the_intruder_was_root_a_rebuild_is_advised() {
    let env = broken();
    // A job of root's is of somebody who was root; the clean-up takes it out, and what it showed stays known.
    env.put_with("var/spool/cron/crontabs/root", 0o600, CRONTAB);
    clean(&env);
    assert_verdict(&env, "contained_rebuild_advised");
    let (told, _) = verdict(&env, "scan");
    assert_eq!(told["clean_up"]["root_shown"], true);
    let said = env.triage(["check", "host"]);
    assert!(said.stdout.contains("the intruder was root, by what was taken out"), "{}", said.stdout);
    assert!(said.stderr.contains("set the machine up anew"), "{}", said.stderr);
}

#[test]
fn a_bad_act_after_the_run_is_a_compromise_as_ever() {
    let env = broken();
    clean(&env);
    env.put("var/log/apache2/access.log", [BEFORE, LATER].concat());
    assert_verdict(&env, "compromised");
    env.put("var/log/apache2/access.log", BEFORE);
    assert_verdict(&env, "no_known_trace_left");
    let shell = env.put("var/www/html/uploads/again.php", SHELL);
    // Whatever its times say.
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_hours(400_000);
    std::fs::File::options().write(true).open(shell).unwrap().set_modified(old).unwrap();
    assert_verdict(&env, "compromised");
}

#[test]
fn a_run_that_was_rolled_back_is_no_clean_up() {
    let env = broken();
    clean(&env);
    env.triage(["rollback", "last", "--root", "host", "--restore-malicious", "--yes"]).expect(0);
    // By hand, so that nothing but the log is left.
    std::fs::remove_file(env.host().join("var/www/html/uploads/img.php")).unwrap();
    std::fs::remove_file(env.host().join("var/spool/cron/crontabs/www-data")).unwrap();
    let (told, code) = verdict(&env, "scan");
    assert_eq!((&told["verdict"], code), (&"compromised".into(), 2), "{told}");
    assert_eq!(told["clean_up"], Value::Null);
}

#[test]
fn the_run_of_another_host_with_the_same_state_folder_counts_for_nothing() {
    let env = broken();
    clean(&env);
    env.put("etc/machine-id", "fedcba9876543210fedcba9876543210\n");
    assert_verdict(&env, "compromised");
}

#[test]
fn a_run_that_did_nothing_about_what_was_found_is_no_clean_up() {
    let env = broken();
    env.triage(["plan", "--root", "host", "--playbook", "linux/web-shell", "-o", "plan.json"]).expect(2);
    std::fs::remove_file(env.host().join("var/www/html/uploads/img.php")).unwrap();
    std::fs::remove_file(env.host().join("var/spool/cron/crontabs/www-data")).unwrap();
    env.triage(["apply", "plan.json", "--root", "host", "--yes", "--skip-stale"]);
    assert_verdict(&env, "compromised");
}

#[test]
fn what_was_kept_before_the_run_is_judged_as_it_was() {
    let env = broken();
    env.triage(["collect", "--root", "host", "-o", "before.tar.zst"]);
    clean(&env);
    let told = env.triage(["scan", "before.tar.zst", "--format", "jsonl"]).expect(2);
    let last: Value = serde_json::from_str(told.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["verdict"], &last["clean_up"]), (&"compromised".into(), &Value::Null));
}
