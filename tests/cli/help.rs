use crate::env::TestEnvironment;

/// Every `--help` page as it is shown; a change of the command line shows up in the diff of the change.
#[test]
fn help_pages() {
    let env = TestEnvironment::new();
    let verbs: [&[&str]; 23] = [
        &[],
        &["check"],
        &["collect"],
        &["verify"],
        &["export"],
        &["scan"],
        &["diff"],
        &["modules"],
        &["plan"],
        &["apply"],
        &["resume"],
        &["rollback"],
        &["runs"],
        &["playbook"],
        &["playbook", "check"],
        &["artifacts"],
        &["artifacts", "show"],
        &["artifacts", "check"],
        &["rules"],
        &["rules", "check"],
        &["demo"],
        &["completions"],
        &["man"],
    ];
    for verb in verbs {
        let words = verb.iter().copied().chain(["--help"]);
        let answer = env.triage(words).expect(0);
        assert!(answer.stderr.is_empty());
        let name = if verb.is_empty() { "triage".to_owned() } else { verb.join("_") };
        insta::with_settings!({ filters => [(r"\[env: TRIAGE_STATE=.*\]", "[env: TRIAGE_STATE=]")] }, {
            insta::assert_snapshot!(name, answer.stdout);
        });
    }
}

#[test]
fn wrong_words_are_usage() {
    let env = TestEnvironment::new();
    for words in [
        &["scan"][..],
        &["collect", "--nonsense"],
        &["frobnicate"],
        &["collect", "--max-file-size", "much"],
        &["apply", "p", "--only", "1", "--skip", "2"],
    ] {
        let answer = env.triage(words).expect(64);
        assert!(answer.stdout.is_empty() && answer.stderr.contains("error:"), "{}", answer.stderr);
    }
}

#[test]
fn version_and_completions() {
    let env = TestEnvironment::new();
    assert!(env.triage(["--version"]).expect(0).stdout.starts_with("triage "));
    assert!(env.triage(["completions", "bash"]).expect(0).stdout.contains("_triage"));
    env.triage(["man", "pages"]).expect(0);
    assert!(env.at("pages/triage-rollback.1").exists());
}
