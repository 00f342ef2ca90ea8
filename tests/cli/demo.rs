use crate::env::TestEnvironment;

#[test]
fn the_demo_goes_the_whole_way_and_leaves_what_it_says() {
    let env = TestEnvironment::new();
    let answer = env.triage(["demo", "here"]).expect(0);
    for line in [
        "COMPROMISED",
        "it is evidence",
        "CONTAINED_REBUILD_ADVISED",
        "Intact:",
        "malicious objects come back too",
        "objects are as they were",
    ] {
        assert!(
            answer.stdout.contains(line) || answer.stderr.contains(line),
            "no `{line}` in\n{}\n{}",
            answer.stdout,
            answer.stderr
        );
    }
    for left in ["bundle.tar.zst", "plan.json", "report.md", "state/runs", "host/etc/passwd"] {
        assert!(env.at("here").join(left).exists(), "{left}");
    }
    // The host is back as it was laid: what was found in the bundle of the first minute is there again.
    let (before, _) = env.findings(&env.at("here/bundle.tar.zst"));
    let (after, _) = env.findings(&env.at("here/host"));
    assert_eq!(before, after);
    assert!(before.len() >= 10, "{before:?}");
}

#[test]
fn the_demo_does_not_touch_a_folder_that_is_there() {
    let env = TestEnvironment::new();
    std::fs::create_dir(env.at("mine")).unwrap();
    let answer = env.triage(["demo", "mine"]).expect(1);
    assert!(answer.stderr.contains("name a folder that does not exist yet"), "{}", answer.stderr);
}
