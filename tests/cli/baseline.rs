use crate::env::{SHELL, TestEnvironment};

#[test]
fn a_host_is_held_against_its_bundle_of_before_and_a_sister() {
    let env = TestEnvironment::new();
    env.clean_host();
    env.put("var/www/html/lib.php", "<?php\nfunction a() {}\n");
    env.triage(["collect", "--root", "host", "-o", "before.tar.zst"]).expect(0);
    let clean = env.triage(["scan", "host", "--baseline", "before.tar.zst", "--format", "jsonl"]).expect(0);
    assert!(!clean.stdout.contains("TR-BASELINE-"), "{}", clean.stdout);

    env.put("var/www/html/lib.php", "<?php\nfunction a() {}\nfunction b() {}\n");
    env.put("var/www/html/uploads/img.php", SHELL);
    let answer = env.triage(["scan", "host", "--baseline", "before.tar.zst", "--format", "jsonl"]).expect(2);
    for word in ["TR-BASELINE-0001", "+function b() {}", "TR-BASELINE-0002", "baseline before.tar.zst"] {
        assert!(answer.stdout.contains(word), "{word}: {}", answer.stdout);
    }
    // A sister host that has the new version, as a folder.
    let sister = env.at("sister/var/www/html");
    std::fs::create_dir_all(&sister).unwrap();
    std::fs::create_dir_all(env.at("sister/etc")).unwrap();
    std::fs::copy(env.host().join("var/www/html/lib.php"), sister.join("lib.php")).unwrap();
    let words = ["scan", "host", "--baseline", "before.tar.zst", "--baseline", "sister", "--format", "jsonl"];
    let answer = env.triage(words).expect(2);
    assert!(!answer.stdout.contains("TR-BASELINE-0001"), "{}", answer.stdout);
}

#[test]
fn published_checksums_are_known_by_what_is_in_the_file() {
    let env = TestEnvironment::new();
    env.clean_host();
    env.put("var/www/html/wp-includes/version.php", "x\n");
    env.put("var/www/html/wp-login.php", "x\n");
    // MD5 of `x` and a newline.
    let sum = "401b30e3b8b5d629635a5c613cdb7919";
    let text = format!(r#"{{"checksums":{{"wp-includes/version.php":"{sum}","wp-login.php":"{sum}"}}}}"#);
    std::fs::write(env.at("core.json"), text).unwrap();
    let scan = |code| env.triage(["scan", "host", "--baseline", "core.json", "--format", "jsonl"]).expect(code).stdout;
    assert!(!scan(0).contains("TR-WORDPRESS-"));
    env.put("var/www/html/wp-login.php", "y\n");
    env.put("var/www/html/wp-includes/cache.php", "<?php exit;\n");
    let answer = scan(2);
    assert!(answer.contains("TR-WORDPRESS-0001") && answer.contains("TR-WORDPRESS-0002"), "{answer}");
}

#[test]
fn a_baseline_that_is_none_is_an_error_with_a_hint() {
    let env = TestEnvironment::new();
    env.clean_host();
    std::fs::create_dir(env.at("empty")).unwrap();
    std::fs::write(env.at("bad.json"), r#"{"checksums":false}"#).unwrap();
    for (name, word) in [("nothing", "reading the baseline"), ("bad.json", "no release of that version")] {
        let answer = env.triage(["scan", "host", "--baseline", name]).expect(1);
        assert!(answer.stderr.contains(word), "{name}: {}", answer.stderr);
    }
    let answer = env.triage(["scan", "host", "--baseline", "bad.json", "--cache", "c"]).expect(64);
    assert!(answer.stderr.contains("--cache"), "{}", answer.stderr);
}
