//! What is told of runs: where they stand, and what to do next.

use crate::env::TestEnvironment;
use std::fs;

fn applied() -> TestEnvironment {
    let env = TestEnvironment::new();
    env.broken_host();
    env.triage(["plan", "--root", "host", "--playbook", "linux/web-shell", "-o", "plan.json"]).expect(2);
    env.triage(["apply", "plan.json", "--root", "host", "--yes"]);
    env
}

#[test]
fn a_run_says_where_its_evidence_is_and_how_to_undo_it_from_anywhere() {
    let env = applied();
    let told = env.triage(["runs", "show", "last"]).expect(0);
    assert!(told.stdout.contains("evidence ") && told.stdout.contains("state/evidence-"), "{}", told.stdout);
    // The root was given as `host`; the command works in every folder.
    let root = fs::canonicalize(env.host()).unwrap();
    let undo = format!(" --root {}` undoes it", root.display());
    assert!(told.stderr.contains("triage rollback ") && told.stderr.contains(&undo), "{}", told.stderr);
}

#[test]
fn a_run_that_was_cut_short_is_listed_with_what_to_do() {
    let env = applied();
    let run = fs::read_dir(env.at("state/runs")).unwrap().next().unwrap().unwrap().path();
    let journal = run.join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    let last = text.trim_end().rfind('\n').unwrap() + 1;
    fs::write(&journal, &text[..last]).unwrap();
    let listed = env.triage(["runs"]).expect(0);
    assert!(listed.stdout.contains("crashed"), "{}", listed.stdout);
    for words in ["is not at its end", "triage resume ", "goes on", "triage rollback "] {
        assert!(listed.stderr.contains(words), "{words}: {}", listed.stderr);
    }
    env.triage(["resume", "last", "--root", "host", "--yes"]).expect(0);
    let listed = env.triage(["runs"]).expect(0);
    assert!(!listed.stderr.contains("is not at its end"), "{}", listed.stderr);
}
