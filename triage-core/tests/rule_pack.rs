//! Holds the embedded rules to what they promise: each hits its sample, none cries wolf, all say who they are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use triage_core::detect::{Detector, Report, RuleInfo, RuleSet, YaraDetector, YaraOptions};
use triage_core::model::{Digest, EvidencePath, FileKind, FileMeta, Finding, Mode, Severity};
use triage_core::sweep::Swept;

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

fn detector() -> YaraDetector {
    YaraDetector::new(RuleSet::builtin(), YaraOptions::default())
}

fn scan(detector: &YaraDetector, path: &[u8], content: &[u8]) -> Vec<Finding> {
    let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), content.len() as u64);
    let path = EvidencePath::new(path).unwrap();
    let mut report = Report::default();
    let file = Swept { path: &path, meta: &meta, sha256: Some(Digest::of(content)), content: Some(content) };
    detector.inspect(&file, &mut report);
    assert!(report.gaps.is_empty(), "{:?}", report.gaps);
    report.findings
}

fn other<'a>(info: &'a RuleInfo, key: &str) -> Option<&'a str> {
    info.other.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_symlink() {
            } else if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_pack_compiles_without_a_word() {
    let (rules, problems) = RuleSet::compile(&RuleSet::builtin_sources());
    // A slow pattern is a warning too.
    let reports: Vec<_> = problems.iter().map(|problem| problem.report.as_str()).collect();
    assert!(reports.is_empty(), "{}", reports.join("\n"));
    assert!(!rules.is_empty());
}

#[test]
fn every_rule_says_who_it_is() {
    let rules = RuleSet::builtin();
    let mut ids = BTreeSet::new();
    for info in rules.infos() {
        assert!(ids.insert(&info.id), "{} is there twice", info.id);
        let prefix = info.id.replace('-', "_");
        assert!(info.name.starts_with(&format!("{prefix}_")), "{} is called {}", info.id, info.name);
        let parts: Vec<_> = info.id.split('-').collect();
        assert!(matches!(parts[..], ["TR", _, number] if number.len() == 4), "{}", info.id);
        assert_ne!(info.title, info.name, "{} has no description", info.id);
        assert!(!info.title.ends_with('.'), "{}", info.id);
        assert!(!info.references.is_empty() && !info.attack.is_empty(), "{}", info.id);
        assert!(info.attack.iter().all(|technique| technique.starts_with('T')), "{}", info.id);
        for key in ["date", "sample"] {
            assert!(other(info, key).is_some(), "{} has no {key}", info.id);
        }
        assert!((1..=100).contains(&info.confidence), "{}", info.id);
    }
    // What `RuleInfo` fills in by default must stand in the text all the same.
    for source in RuleSet::builtin_sources() {
        for rule in source.text.split("\nrule ").skip(1) {
            for key in ["category", "severity", "confidence"] {
                let name = rule.lines().next().unwrap();
                assert!(rule.contains(&format!("        {key} = ")), "{name} in {} has no {key}", source.name);
            }
        }
    }
}

#[test]
fn every_rule_hits_its_sample() {
    let detector = detector();
    for info in detector.rules().infos() {
        let sample = testdata().join("samples").join(other(info, "sample").unwrap());
        let content = fs::read(&sample).unwrap_or_else(|error| panic!("{}: {error}", sample.display()));
        let place = other(info, "sample_path")
            .map_or_else(|| format!("/var/www/html/{}", sample.file_name().unwrap().to_str().unwrap()), str::to_owned);
        let findings = scan(&detector, place.as_bytes(), &content);
        let finding = findings.iter().find(|finding| finding.rule.0 == info.id);
        assert!(
            finding.is_some_and(|finding| finding.title == info.title),
            "{} is not found in {}",
            info.id,
            sample.display()
        );
    }
}

#[test]
fn samples_are_inert() {
    for file in files(&testdata().join("samples")) {
        let content = fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&content);
        let first = text.lines().next().unwrap();
        let is_inert = match file.extension().unwrap().to_str().unwrap() {
            "php" => first.ends_with("<?php exit;"),
            "jsp" => first == "<% if (true) return; %>",
            "asp" => first == "<% Response.End %>",
            "sh" | "pl" => text.lines().nth(1).unwrap().starts_with("exit 0"),
            // Nothing runs these but a daemon in whose folder somebody puts them; a log nothing at all.
            "cron" | "htaccess" | "ini" | "json" | "shadow" | "sql" | "keys" | "conf" | "log" => true,
            extension => panic!("say here why a sample in .{extension} is inert"),
        };
        assert!(is_inert, "{}", file.display());
    }
}

#[test]
fn look_alikes_give_nothing() {
    let detector = detector();
    let root = testdata().join("clean");
    for file in files(&root) {
        let content = fs::read(&file).unwrap();
        let place = Path::new("/var/www/html").join(file.strip_prefix(&root).unwrap());
        let place = match file.file_name().unwrap().to_str().unwrap() {
            "crontab" => "/var/spool/cron/asterisk",
            "extensions_custom.conf" => "/etc/asterisk/extensions_custom.conf",
            _ => place.to_str().unwrap(),
        };
        let loud: Vec<_> = scan(&detector, place.as_bytes(), &content)
            .into_iter()
            .filter(|finding| finding.severity >= Severity::Medium)
            .map(|finding| (finding.rule, finding.evidence))
            .collect();
        assert!(loud.is_empty(), "{}: {loud:?}", file.display());
    }
}

#[test]
fn the_rules_do_not_hit_their_own_text() {
    let detector = detector();
    for source in RuleSet::builtin_sources() {
        let path = format!("/root/triage/rules/{}", source.name);
        let hits: Vec<_> = scan(&detector, path.as_bytes(), source.text.as_bytes())
            .into_iter()
            .map(|finding| (finding.rule, finding.evidence))
            .collect();
        assert!(hits.is_empty(), "{}: {hits:?}", source.name);
    }
}

#[test]
fn a_log_full_of_attempts_is_no_web_shell() {
    let detector = detector();
    let line = b"192.0.2.9 - - [01/Jan/2026:00:00:00 +0000] \"GET /?x=<?php system($_GET['c']); ?> HTTP/1.1\" 404 0\n";
    assert_eq!(scan(&detector, b"/var/log/apache2/access.log", line), []);
    assert!(!scan(&detector, b"/var/www/html/access.log", line).is_empty(), "anywhere else it counts");
}

#[test]
fn a_shell_behind_a_picture_is_found() {
    let detector = detector();
    let mut picture = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00;".to_vec();
    picture.extend_from_slice(b"<?php exit; @eval($_POST['k']);");
    let rules: Vec<_> =
        scan(&detector, b"/var/www/html/logo.gif", &picture).into_iter().map(|finding| finding.rule.0).collect();
    assert!(rules.contains(&"TR-WEBSHELL-0001".to_owned()), "{rules:?}");
}

/// Prints what the pack says of every file below `TRIAGE_SCAN`, to judge false alarms and misses on folders outside the
/// repository: `TRIAGE_SCAN=/some/folder cargo test --release --test rule_pack -- --ignored --nocapture`.
#[test]
#[ignore = "needs a folder outside the repository"]
fn scan_a_folder() {
    let Some(root) = std::env::var_os("TRIAGE_SCAN").map(PathBuf::from) else { return };
    let detector = detector();
    for file in files(&root) {
        let Ok(content) = fs::read(&file) else { continue };
        let place = file.strip_prefix(&root).unwrap();
        for finding in scan(&detector, place.as_os_str().as_encoded_bytes(), &content) {
            println!("{}\t{}\t{}", finding.severity, finding.rule, file.display());
        }
    }
}

mod logs {
    //! The same for rules of logs, and for what is judged in code.

    use super::*;
    use triage_core::detect::{Detectors, FraudDetector, HostContext, LogDetector, SigmaSet};
    use triage_core::sweep::Visitor as _;

    fn judge(files: &[(&str, Vec<u8>)]) -> Vec<Finding> {
        let logs = LogDetector::new(SigmaSet::builtin());
        let detectors = Detectors::new(vec![Box::new(logs), Box::new(FraudDetector::default())]);
        for (place, content) in files {
            let path = EvidencePath::new(place).unwrap();
            let meta = FileMeta::bare(FileKind::File, Mode::new(0o640), content.len() as u64);
            let file = Swept { path: &path, meta: &meta, sha256: Some(Digest::of(content)), content: Some(content) };
            detectors.visit(&file);
        }
        let outcome = detectors.conclude(&HostContext { is_host: false, gaps: &[], selects: &|_| true });
        assert!(outcome.gaps.is_empty(), "{:?}", outcome.gaps);
        outcome.value
    }

    #[test]
    fn every_rule_for_logs_hits_its_sample_as_gravely_as_it_says() {
        for info in SigmaSet::builtin().infos() {
            let sample = other(info, "sample").unwrap_or_else(|| panic!("{} names no sample", info.id));
            let place = other(info, "sample_path").unwrap_or("/var/log/apache2/access.log");
            let content = fs::read(testdata().join("samples").join(sample)).unwrap();
            let found = judge(&[(place, content)]);
            let hit = found.iter().find(|finding| finding.rule.0 == info.id);
            assert_eq!(hit.map(|finding| finding.severity), Some(info.severity), "{}", info.id);
        }
    }

    #[test]
    fn honest_logs_have_no_finding_above_low() {
        const PLACES: [(&str, &str); 8] = [
            ("access.log", "/var/log/apache2/access.log"),
            ("error.log", "/var/log/apache2/error.log"),
            ("auth.log", "/var/log/auth.log"),
            ("cron", "/var/log/cron"),
            ("full", "/var/log/asterisk/full"),
            ("security", "/var/log/asterisk/security"),
            ("freepbx.log", "/var/log/asterisk/freepbx.log"),
            ("Master.csv", "/var/log/asterisk/cdr-csv/Master.csv"),
        ];
        let folder = testdata().join("clean/logs");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), PLACES.len());
        let files: Vec<_> = PLACES.iter().map(|(name, place)| (*place, fs::read(folder.join(name)).unwrap())).collect();
        let found = judge(&files);
        let bad: Vec<_> = found.iter().filter(|finding| finding.severity > Severity::Low).collect();
        assert!(bad.is_empty(), "{bad:#?}");
        assert!(found.len() <= 8, "{found:#?}");
    }
}
