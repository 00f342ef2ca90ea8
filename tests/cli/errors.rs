//! What a person reads when something is wrong: one line, a hint, the right exit code, nothing half-written.

use crate::env::{Answer, TestEnvironment};
use std::fs;

#[track_caller]
fn told(answer: &Answer, words: &[&str]) {
    for word in words {
        assert!(answer.stderr.contains(word), "no `{word}` in:\n{}", answer.stderr);
    }
    assert!(answer.stderr.contains("hint:"), "no hint in:\n{}", answer.stderr);
}

#[test]
fn a_missing_root() {
    let env = TestEnvironment::new();
    told(&env.triage(["collect", "--root", "nowhere"]).expect(1), &["nowhere", "No such file"]);
    told(&env.triage(["scan", "nowhere"]).expect(1), &["nowhere"]);
}

#[test]
fn an_output_that_cannot_be_written_leaves_nothing() {
    let env = TestEnvironment::new();
    env.clean_host();
    told(&env.triage(["collect", "--root", "host", "-o", "no/such/folder/b.tar.zst"]).expect(1), &["no/such/folder"]);
    fs::write(env.at("taken.tar.zst"), b"mine").unwrap();
    told(&env.triage(["collect", "--root", "host", "-o", "taken.tar.zst"]).expect(1), &["taken.tar.zst", "exists"]);
    assert_eq!(fs::read(env.at("taken.tar.zst")).unwrap(), b"mine");
}

#[test]
fn a_broken_rule_is_shown_with_line_column_and_caret() {
    let env = TestEnvironment::new();
    env.clean_host();
    fs::write(env.at("bad.yar"), "rule ok { condition: false }\n\nrule broken {\n  condition: $nowhere\n}\n").unwrap();
    let answer = env.triage(["scan", "host", "--rules", "bad.yar"]).expect(1);
    told(&answer, &["bad.yar:4:", "^", "$nowhere"]);
    let check = env.triage(["rules", "check", "bad.yar"]).expect(1);
    assert!(check.stdout.contains("bad.yar:4:"), "{}", check.stdout);
}

#[test]
fn an_unknown_playbook_field_is_shown_with_line_column_and_what_was_meant() {
    let env = TestEnvironment::new();
    env.clean_host();
    let good = env.triage(["playbook", "show", "freepbx/web-shell"]).expect(0).stdout;
    let bad = good.replacen("risk:", "rsik:", 1);
    assert_ne!(good, bad);
    fs::write(env.at("bad.yaml"), bad).unwrap();
    for words in [&["playbook", "check", "bad.yaml"][..], &["plan", "--root", "host", "--playbook", "bad.yaml"]] {
        let answer = env.triage(words).expect(1);
        for word in ["bad.yaml", "line ", "column ", "rsik", "^", "risk"] {
            assert!(answer.stderr.contains(word), "no `{word}` in:\n{}", answer.stderr);
        }
    }
}

#[test]
fn names_that_are_not_known() {
    let env = TestEnvironment::new();
    env.clean_host();
    told(&env.triage(["plan", "--root", "host", "--playbook", "freepbx/webshell"]).expect(1), &["freepbx/web-shell"]);
    told(&env.triage(["collect", "--root", "host", "--profile", "windows"]).expect(1), &["windows", "freepbx"]);
    told(&env.triage(["rollback", "last"]).expect(1), &["triage runs"]);
}

#[test]
fn a_bundle_that_is_none() {
    let env = TestEnvironment::new();
    fs::write(env.at("b.tar.zst"), b"not a bundle at all").unwrap();
    let answer = env.triage(["verify", "b.tar.zst"]).expect(4);
    told(&answer, &["b.tar.zst"]);
    assert_eq!(env.triage(["scan", "b.tar.zst"]).code, 1);
}
