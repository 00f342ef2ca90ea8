//! Budgets and the coverage statement, as a responder meets them.

use crate::env::TestEnvironment;
use std::fs;

/// The statement of a bundle that is a folder.
fn coverage(env: &TestEnvironment, bundle: &str) -> serde_json::Value {
    serde_json::from_slice(&fs::read(env.at(bundle).join("triage/coverage.json")).unwrap()).unwrap()
}

fn artifact<'v>(coverage: &'v serde_json::Value, name: &str) -> &'v serde_json::Value {
    coverage["artifacts"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()
}

#[test]
fn a_total_limit_gives_a_whole_bundle_with_the_small_files_and_exit_3() {
    let env = TestEnvironment::new();
    env.clean_host();
    env.put("var/log/syslog", vec![b'x'; 20 << 20]);
    for (name, format) in [("b", "dir"), ("b.tar.zst", "tar.zst"), ("b.zip", "zip")] {
        let words = ["collect", "--root", "host", "-o", name, "--format", format, "--max-total", "10M"];
        let answer = env.triage(words).expect(3);
        assert!(answer.stderr.contains("budget_spent"), "{}", answer.stderr);
        assert!(answer.stderr.contains("1 files with 20971520 bytes were left out"), "{}", answer.stderr);
        let verified = env.triage(["verify", name]).expect(3);
        assert!(verified.stdout.contains("Intact"), "{}", verified.stdout);
    }
    assert!(env.at("b/data/files/var/www/html/index.php").exists());
    assert!(!env.at("b/data/files/var/log/syslog").exists());
    let coverage = coverage(&env, "b");
    assert_eq!(coverage["total"]["skipped"]["budget_spent"], 1);
    assert_eq!(coverage["limits"]["max-total"], "10485760 bytes");
    assert_eq!(coverage["ended_by"], serde_json::Value::Null);
}

#[test]
fn time_and_free_space_that_are_used_up_give_a_bundle_that_verifies_and_exit_3() {
    let env = TestEnvironment::new();
    env.broken_host();
    for (name, limit) in [("time.tar.zst", ["--max-time", "0s"]), ("space.tar.zst", ["--min-free", "100000T"])] {
        let answer = env.triage(["collect", "--root", "host", "-o", name].into_iter().chain(limit)).expect(3);
        assert!(answer.stderr.contains("ENDED EARLY"), "{}", answer.stderr);
        let verified = env.triage(["verify", name]).expect(3);
        assert!(verified.stdout.contains("Intact") && verified.stdout.contains(limit[0]), "{}", verified.stdout);
        assert!(verified.stderr.contains("ENDED EARLY"), "{}", verified.stderr);
        let scanned = env.triage(["scan", name]);
        assert!(scanned.stdout.contains("UNDETERMINED"), "{}", scanned.stdout);
    }
    env.triage(["collect", "--root", "host", "-o", "b", "--max-time", "2x"]).expect(64);
}

#[test]
fn the_coverage_statement_tells_of_artifacts_logs_and_what_was_passed_by() {
    let env = TestEnvironment::new();
    env.clean_host();
    let log = |hours: std::ops::Range<u32>| -> String {
        hours.map(|hour| format!("Nov 23 {hour:02}:00:00 pbx a\nNov 23 {hour:02}:30:00 pbx b\n")).collect()
    };
    env.put("var/log/auth.log", log(0..2) + &log(20..24));
    env.put("var/log/auth.log.1", "Nov 22 10:00:00 pbx a\n");
    env.put("var/log/auth.log.3", "Nov 20 10:00:00 pbx a\n");
    env.put("var/log/messages", "x".repeat(2 << 20));
    let words = ["collect", "--root", "host", "-o", "b", "--format", "dir", "--max-file-size", "1M"];
    let answer = env.triage(words).expect(3);
    for words in [
        "/var/log/auth.log: nothing from Nov 23 01:30:00 to Nov 23 20:00:00 (18 h)",
        "/var/log/auth.log: rotation 2 is missing",
        "too_large 1",
    ] {
        assert!(answer.stderr.contains(words), "no `{words}` in\n{}", answer.stderr);
    }
    let coverage = coverage(&env, "b");
    assert_eq!(artifact(&coverage, "cron")["collected"], 1);
    assert_eq!(artifact(&coverage, "web_roots")["matched"], 3);
    assert_eq!(coverage["skipped"]["too_large"]["path"], "/var/log/messages");
    assert!(coverage["skipped"]["too_large"]["detail"].as_str().unwrap().contains("1048576"));
    let window = coverage["logs"].as_array().unwrap().iter().find(|log| log["path"] == "/var/log/auth.log").unwrap();
    assert_eq!(
        (&window["window"]["first"], &window["window"]["last"]),
        (&"Nov 23 00:00:00".into(), &"Nov 23 23:30:00".into())
    );
    assert_eq!(coverage["access_times_moved"], 0);
    // Quiet is quiet, and the statement is there all the same.
    let quiet = env.triage(["-q", "collect", "--root", "host", "-o", "q", "--format", "dir"]).expect(3);
    assert_eq!(quiet.stderr, "");
    assert!(env.at("q/triage/coverage.json").exists());
}

#[test]
fn verify_and_scan_show_the_statement_of_every_format_and_notice_when_it_is_altered() {
    let env = TestEnvironment::new();
    env.clean_host();
    for (name, format) in [("b.tar.zst", "tar.zst"), ("b.tar.gz", "tar.gz"), ("b.zip", "zip"), ("b", "dir")] {
        env.triage(["collect", "--root", "host", "-o", name, "--format", format]).expect(0);
        for verb in ["verify", "scan"] {
            let answer = env.triage([verb, name]).expect(0);
            assert!(answer.stderr.contains("coverage: "), "{verb} {format}: {}", answer.stderr);
        }
    }
    let statement = env.at("b/triage/coverage.json");
    let text = fs::read_to_string(&statement).unwrap();
    fs::write(&statement, text.replacen("\"matched\"", "\"matched\" ", 1)).unwrap();
    let answer = env.triage(["verify", "b"]).expect(4);
    assert!(answer.stdout.contains("triage/coverage.json"), "{}", answer.stdout);
}

#[test]
fn our_own_files_are_named_with_device_and_inode() {
    use std::os::unix::fs::MetadataExt as _;
    let env = TestEnvironment::new();
    env.clean_host();
    fs::create_dir_all(env.host().join("tmp")).unwrap();
    env.triage(["collect", "--root", "host", "-o", "host/tmp/b", "--format", "dir"]).expect(3);
    let ours = &coverage(&env, "host/tmp/b")["left_out"][0];
    assert_eq!(ours["path"], "/tmp/b.partial");
    assert_eq!(ours["inode"], fs::metadata(env.at("host/tmp/b")).unwrap().ino());
}
