//! A host laid out as `FreePBX` 17 on Debian 12, clean and then with an inert plant of every indicator that files and records can carry: each is
//! found by the right rule with the right severity and grade, and what is clean gives nothing above medium.
//!
//! A new plant is one line in `freepbx/plants.rs`. Plants that need their host to lack something stand alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs
)]

#[path = "freepbx/clean.rs"]
mod clean;
#[path = "freepbx/plants.rs"]
mod plants;

use plants::{ALONE, PLANTS, PROCESSES, Plant};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use triage_core::detect::{Detectors, Grade, Product, RuleSet, YaraDetector, YaraOptions, recognise};
use triage_core::engine::{self, Opening, Reading, Scan, Target};
use triage_core::model::{Finding, Process, Record, Severity, Verdict};
use triage_core::sweep;

/// A root in a folder of the test's own.
struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    fn clean() -> Self {
        let host = Self { folder: tempfile::tempdir().unwrap() };
        for (path, mode, content) in clean::FILES {
            host.put(path, *mode, content.as_bytes());
        }
        for (path, target) in clean::LINKS {
            let path = host.at(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(target, path).unwrap();
        }
        host
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    fn put(&self, path: &str, mode: u32, content: &[u8]) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Plants one line: a folder where the path ends in `/`, else a file, or more lines of one that is there.
    fn plant(&self, plant: &Plant) {
        let path = self.at(plant.path);
        if plant.path.ends_with('/') {
            fs::create_dir_all(&path).unwrap();
            return;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if path.exists() {
            let mut content = fs::read(&path).unwrap();
            content.extend_from_slice(plant.content.as_bytes());
            fs::write(&path, content).unwrap();
        } else {
            fs::write(&path, plant.content).unwrap();
        }
        if plant.mode != 0o644 {
            fs::set_permissions(&path, fs::Permissions::from_mode(plant.mode % 0o10000)).unwrap();
        }
    }

    fn target(&self) -> Target {
        Target::open(&Opening::new(Some(self.folder.path()), self.folder.path())).unwrap()
    }

    fn scan(&self, records: &[Record]) -> Scan {
        let yara = YaraDetector::new(RuleSet::builtin(), YaraOptions::default());
        let detectors = Detectors::builtin(vec![Box::new(yara)]).unwrap();
        for record in records {
            detectors.consider(record);
        }
        let reading = Reading { options: sweep::Options::default(), progress: &(), cancel: &|| false };
        engine::scan(&self.target(), detectors, reading).unwrap()
    }
}

fn place(finding: &Finding) -> String {
    finding.subject.path().to_string()
}

/// The findings that a plant asks for.
fn fitting<'a>(plant: &'a Plant, findings: &'a [Finding]) -> impl Iterator<Item = &'a Finding> {
    let path = plant.path.trim_end_matches('/');
    findings.iter().filter(move |finding| {
        finding.rule.0 == plant.rule
            && (place(finding) == path || finding.subject.to_string().contains(path) || is_about(plant, finding))
    })
}

/// Findings about accounts, modules and settings name the thing and not the file in which it was planted.
fn is_about(plant: &Plant, finding: &Finding) -> bool {
    let text = finding.subject.to_string();
    !plant.about.is_empty() && text.contains(plant.about)
}

fn process(command: &str) -> Record {
    let mut line = command.replace(' ', "\0");
    line.push('\0');
    Record::Process(Box::new(Process {
        pid: 4711,
        executable: Some("/usr/bin/bash".into()),
        command_line: line.as_str().into(),
        ..Process::default()
    }))
}

#[test]
fn a_clean_freepbx_gives_nothing_above_medium_and_no_evidence_of_compromise() {
    let host = Host::clean();
    let scan = host.scan(&[]);
    let loud: Vec<String> = scan
        .findings
        .iter()
        .filter(|finding| {
            finding.severity > Severity::Medium
                || (finding.category.is_evidence_of_compromise() && finding.severity >= Severity::Medium)
        })
        .map(|finding| format!("{} {} {}: {}", finding.rule, finding.severity, finding.subject, finding.title))
        .collect();
    assert!(loud.is_empty(), "{loud:#?}");
    assert_eq!(scan.verdict, Verdict::NoEvidence);
    let found = recognise(host.target().source.as_ref()).unwrap();
    assert_eq!((found.product, found.version.as_deref()), (Product::FreePbx, Some("17.0.25")));
    // What lies there is told, and what is not known is a gap.
    for rule in ["TR-EXPOSE-0001", "TR-EXPOSE-0002", "TR-EXPOSE-0003", "TR-EXPOSE-0017", "TR-EXPOSE-0018"] {
        assert!(scan.findings.iter().any(|finding| finding.rule.0 == rule), "{rule}");
    }
    assert!(scan.gaps.iter().any(|gap| gap.detail.contains("database was not read")), "{:?}", scan.gaps);
}

#[test]
fn every_plant_is_found_by_its_rule_with_its_grade() {
    let host = Host::clean();
    let clean: BTreeSet<String> = host.scan(&[]).findings.iter().map(|finding| finding.id.to_string()).collect();
    let is_root = rustix::process::geteuid().is_root();
    for plant in PLANTS {
        host.plant(plant);
    }
    let records: Vec<Record> = PROCESSES.iter().map(|plant| process(plant.content)).collect();
    let scan = host.scan(&records);
    let mut missed = Vec::new();
    let mut found = 0;
    for plant in PLANTS.iter().chain(PROCESSES) {
        if plant.needs_root && !is_root {
            println!("skipped: {} {} needs a file of root's", plant.row, plant.path);
            continue;
        }
        let all: Vec<&Finding> = fitting(plant, &scan.findings).collect();
        let is_right = |finding: &&&Finding| finding.severity == plant.severity && Grade::of(finding) == plant.grade;
        if all.iter().any(|finding| is_right(&finding)) {
            found += 1;
        } else {
            let seen: Vec<String> = all
                .iter()
                .map(|finding| format!("{} {}", finding.severity, Grade::of(finding)))
                .chain(
                    scan.findings
                        .iter()
                        .filter(|finding| place(finding) == plant.path)
                        .map(|finding| format!("{} {} {}", finding.rule, finding.severity, Grade::of(finding))),
                )
                .collect();
            missed.push(format!(
                "{} {}: {} {} {} expected, got {seen:?}",
                plant.row, plant.path, plant.rule, plant.severity, plant.grade
            ));
        }
    }
    // False is what accuses something that nobody planted or touched.
    let planted: Vec<&str> = PLANTS.iter().map(|plant| plant.path.trim_end_matches('/')).collect();
    let abouts: Vec<&str> =
        PLANTS.iter().chain(PROCESSES).map(|plant| plant.about).filter(|about| !about.is_empty()).collect();
    let is_ours = |finding: &Finding| {
        let (place, text) = (place(finding), finding.subject.to_string());
        planted.iter().any(|path| place.starts_with(path) || path.starts_with(&format!("{place}/")))
            || abouts.iter().any(|about| text.contains(about))
            || matches!(finding.subject, triage_core::model::Subject::Process { .. })
    };
    let wrong: Vec<String> = scan
        .findings
        .iter()
        .filter(|finding| finding.severity > Severity::Medium && !clean.contains(&finding.id.to_string()))
        .filter(|finding| !is_ours(finding))
        .map(|finding| format!("{} {} {}", finding.rule, finding.severity, finding.subject))
        .collect();
    println!("plants {} found {found} missed {} false {}", PLANTS.len() + PROCESSES.len(), missed.len(), wrong.len());
    assert!(missed.is_empty(), "missed {}: {missed:#?}", missed.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(scan.verdict, Verdict::Compromised);
}

#[test]
fn plants_that_change_what_others_need_are_found_alone() {
    for (removed, plant) in ALONE {
        let host = Host::clean();
        for path in *removed {
            let path = host.at(path);
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        if !plant.path.is_empty() {
            host.plant(plant);
        }
        let scan = host.scan(&[]);
        let all: Vec<String> = scan
            .findings
            .iter()
            .filter(|finding| finding.rule.0 == plant.rule)
            .map(|finding| format!("{} {} {}", finding.rule, finding.severity, Grade::of(finding)))
            .collect();
        let wanted = format!("{} {} {}", plant.rule, plant.severity, plant.grade);
        assert!(all.contains(&wanted), "{}: {wanted} expected, got {all:?}", plant.row);
    }
}

/// Clears what it set, so that the folder can be removed.
struct Pinned(PathBuf);

impl Drop for Pinned {
    fn drop(&mut self) {
        let _ = std::process::Command::new("chattr").arg("-i").arg(&self.0).status();
    }
}

#[test]
fn a_pinned_shell_and_a_pinned_crontab_are_found() {
    let host = Host::clean();
    let mut held = Vec::new();
    for (path, content) in [
        ("/var/www/html/h.php", "<?php exit;\n"),
        ("/etc/cron.d/x", "# nothing\n"),
        ("/var/lib/asterisk/bin/devnull", "#!/bin/sh\nexit 0\n"),
    ] {
        host.put(path, 0o644, content.as_bytes());
        let file = host.at(path);
        let done = std::process::Command::new("chattr").arg("+i").arg(&file).output();
        if !done.is_ok_and(|output| output.status.success()) {
            return println!("skipped: chattr is missing, or this file system has no such flag");
        }
        held.push(Pinned(file));
    }
    let scan = host.scan(&[]);
    for path in ["/var/www/html/h.php", "/etc/cron.d/x", "/var/lib/asterisk/bin/devnull"] {
        let is_it = |finding: &&Finding| {
            finding.rule.0 == "TR-PLACE-0007" && place(finding) == path && finding.severity == Severity::High
        };
        assert!(scan.findings.iter().any(|finding| is_it(&finding)), "{path}");
    }
}

#[test]
fn every_plant_stands_in_the_table_of_coverage() {
    let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/freepbx-coverage.md")).unwrap();
    let alone = ALONE.iter().map(|(_, plant)| plant);
    let missing: BTreeSet<&str> = PLANTS
        .iter()
        .chain(PROCESSES)
        .chain(alone)
        .map(|plant| plant.rule)
        .filter(|rule| !table.contains(rule))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
