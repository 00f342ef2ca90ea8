//! Steps of which a plan cannot know what they come to: tried on the host, kept as evidence, asked for, undone.

use crate::env::{TestEnvironment, snapshot};
use std::fs;

/// A plan from a bundle that leaves secrets out: the password file is seen there and cannot be read.
fn planned_without_secrets() -> TestEnvironment {
    let env = TestEnvironment::new();
    env.broken_host();
    env.triage(["collect", "--root", "host", "-o", "lean.tar.zst", "--omit-secrets"]);
    let planned = env.triage(["plan", "lean.tar.zst", "--playbook", "linux/web-shell", "-o", "plan.json"]).expect(2);
    assert!(planned.stdout.contains("cannot know"), "{}", planned.stdout);
    env
}

/// The numbers of the steps that cannot be known.
fn unknown(env: &TestEnvironment) -> Vec<String> {
    let plan: serde_json::Value = serde_json::from_slice(&fs::read(env.at("plan.json")).unwrap()).unwrap();
    let steps = plan["steps"].as_array().unwrap().iter();
    let numbers: Vec<String> =
        steps.filter(|step| step["status"] == "cannot_know").map(|step| step["number"].to_string()).collect();
    assert!(!numbers.is_empty());
    numbers
}

#[test]
fn what_a_plan_cannot_know_is_done_where_it_is_all_that_is_left() {
    let env = planned_without_secrets();
    let before = snapshot(&env.host());
    let only = unknown(&env).join(",");
    let done = env.triage(["apply", "plan.json", "--root", "host", "--yes", "--only", &only]).expect(0);
    assert!(!done.stderr.contains("Nothing to do"), "{}", done.stderr);
    let shadow = fs::read_to_string(env.host().join("etc/shadow")).unwrap();
    assert!(shadow.contains("newfpbxs:!$6$"), "{shadow}");
    // The evidence that was kept before has what could not be known, as it was.
    let bundle = fs::read_dir(env.at("state"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("evidence-"))
        .unwrap();
    let kept = env.triage(["export".as_ref(), bundle.as_os_str(), "--file".as_ref(), "/etc/shadow".as_ref()]);
    assert!(kept.stdout.contains("newfpbxs:$6$"), "{}\n{}", kept.stdout, kept.stderr);
    env.triage(["rollback", "last", "--root", "host", "--restore-malicious", "--yes"]).expect(0);
    assert_eq!(snapshot(&env.host()), before);
}

#[test]
fn a_bundle_without_what_could_not_be_known_is_no_evidence_for_it() {
    let env = planned_without_secrets();
    let before = snapshot(&env.host());
    let only = unknown(&env).join(",");
    let words = ["apply", "plan.json", "--root", "host", "--yes", "--only", &only, "--evidence", "lean.tar.zst"];
    let refused = env.triage(words).expect(4);
    assert!(refused.stderr.contains("does not hold `/etc/shadow`"), "{}", refused.stderr);
    assert_eq!(snapshot(&env.host()), before);
}
