#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::detect::testing::Scene;
use crate::detect::{Detectors, HostContext};
use crate::model::{Category, EvidencePath, Severity, Verdict};

/// 2027-01-01.
const NEW_YEAR: i64 = 1_798_761_600;
const SHELL: &str = "<?php exit; system($_GET['c']);";

fn now() -> Timestamp {
    Timestamp::new(NEW_YEAR, 0)
}

fn list(entries: &str) -> AllowList {
    AllowList::read("a.yaml", format!("format_version: 1\nallow:\n{entries}").as_bytes(), now()).unwrap()
}

fn refused(entries: &str) -> String {
    let text = format!("format_version: 1\nallow:\n{entries}");
    AllowList::read("a.yaml", text.as_bytes(), now()).unwrap_err().to_string()
}

fn file(rule: &str, path: &str, content: &[u8]) -> Finding {
    let subject = Subject::File { path: EvidencePath::new(path).unwrap(), sha256: Some(Digest::of(content)) };
    Finding::new(rule, "x", (Category::WebShell, Severity::High, 90), subject, Vec::new())
}

fn allows(list: &AllowList, finding: Finding) -> bool {
    list.part(vec![finding], &mut BTreeSet::new()).0.is_empty()
}

#[test]
fn every_field_of_an_entry_has_to_fit() {
    let by_place = list("- {rule: TR-X-0001, path: /srv/app/**, reason: r, until: 2027-01-31}");
    assert!(allows(&by_place, file("TR-X-0001", "/srv/app/a/b.php", b"1")));
    assert!(!allows(&by_place, file("TR-X-0002", "/srv/app/a/b.php", b"1")));
    assert!(!allows(&by_place, file("TR-X-0001", "/srv/application/b.php", b"1")));
    let digest = Digest::of(b"1");
    let by_content = list(&format!("- {{sha256: {digest}, reason: r, until: 2027-01-31}}"));
    assert!(allows(&by_content, file("TR-X-0002", "/anywhere", b"1")));
    assert!(!allows(&by_content, file("TR-X-0002", "/anywhere", b"changed")));
    let all = list(&format!("- {{rule: TR-X-0001, path: /a, sha256: \"{digest}\", reason: r, until: 2027-01-31}}"));
    assert!(allows(&all, file("TR-X-0001", "/a", b"1")));
    assert!(!allows(&all, file("TR-X-0001", "/a", b"2")));
    assert!(!allows(&all, file("TR-X-0001", "/b", b"1")));
}

#[test]
fn one_line_of_a_table_can_be_allowed_without_the_next() {
    let path = EvidencePath::new("/etc/cron.d/job").unwrap();
    let line = |text: &str| {
        let subject = Subject::CronEntry { path: path.clone(), line: 3, text: text.into() };
        Finding::new("TR-CRON-0003", "x", (Category::Persistence, Severity::High, 90), subject, Vec::new())
    };
    let list = list(
        "- {rule: TR-CRON-0003, path: /etc/cron.d/job, text: \"* * * * * root /opt/a\", reason: r, until: 2027-01-31}",
    );
    assert!(allows(&list, line("* * * * * root /opt/a ")));
    assert!(!allows(&list, line("* * * * * root /opt/b")));
    assert!(!allows(&list, file("TR-CRON-0003", "/etc/cron.d/job", b"")), "a file has no text");
}

#[test]
fn an_entry_holds_through_its_last_day_and_no_longer() {
    let text = b"format_version: 1\nallow: [{rule: TR-X-0001, path: /a, reason: r, until: 2027-01-01}]";
    let at = |seconds| AllowList::read("a.yaml", text, Timestamp::new(seconds, 0)).unwrap();
    let last = at(NEW_YEAR + 86_399);
    assert_eq!((last.len(), last.expired().len()), (1, 0));
    let over = at(NEW_YEAR + 86_400);
    assert!(over.is_empty());
    assert_eq!(over.expired()[0].entry, "a.yaml, line 2");
    assert!(!allows(&over, file("TR-X-0001", "/a", b"")));
}

#[test]
fn a_wide_entry_is_refused() {
    for (entry, words) in [
        ("- {rule: TR-X-0001, reason: r, until: 2027-01-31}", "a rule alone would be switched off"),
        ("- {path: /var/www/**, reason: r, until: 2027-01-31}", "a path alone would allow whatever is put there"),
        ("- {reason: r, until: 2027-01-31}", "says nothing of what it allows"),
        ("- {text: x, reason: r, until: 2027-01-31}", "says nothing of what it allows"),
        ("- {rule: \"*\", path: /a, reason: r, until: 2027-01-31}", "no rule's name"),
        ("- {rule: TR-*, path: /a, reason: r, until: 2027-01-31}", "no rule's name"),
        ("- {rule: TR-X-0001, path: \"*\", reason: r, until: 2027-01-31}", "it has to begin with `/`"),
        ("- {rule: TR-X-0001, path: /**, reason: r, until: 2027-01-31}", "allow the rule everywhere"),
        ("- {rule: TR-X-0001, path: /./*/a, reason: r, until: 2027-01-31}", "allow the rule everywhere"),
        ("- {rule: TR-X-0001, path: /, reason: r, until: 2027-01-31}", "allow the rule everywhere"),
        ("- {rule: TR-X-0001, path: /a/../b, reason: r, until: 2027-01-31}", "`..` would leave the root"),
        ("- {sha256: abc, reason: r, until: 2027-01-31}", "no SHA-256"),
    ] {
        let text = refused(entry);
        assert!(text.contains(words) && text.contains("a.yaml`, line 3, column "), "{entry}: {text}");
    }
}

#[test]
fn an_entry_without_reason_or_end_or_with_one_far_off_is_refused() {
    for (entry, words) in [
        ("- {rule: TR-X-0001, path: /a, until: 2027-01-31}", "the field `reason` is missing"),
        ("- {rule: TR-X-0001, path: /a, reason: r}", "the field `until` is missing"),
        ("- {rule: TR-X-0001, path: /a, reason: \" \", until: 2027-01-31}", "the reason says nothing"),
        ("- {rule: TR-X-0001, path: /a, reason: r, until: never}", "no day"),
        ("- {rule: TR-X-0001, path: /a, reason: r, until: 2027-02-30}", "no day"),
        ("- {rule: TR-X-0001, path: /a, reason: r, until: 2027-01-31T10:00}", "no day"),
        ("- {rule: TR-X-0001, path: /a, reason: r, until: 9999-12-31}", "no day"),
        ("- {rule: TR-X-0001, path: /a, reason: r, until: 2028-01-05}", "more than a year from now"),
        ("- {rule: TR-X-0001, path: /a, reson: r, until: 2027-01-31}", "did you mean `reason`?"),
    ] {
        assert!(refused(entry).contains(words), "{entry}: {}", refused(entry));
    }
    assert_eq!(list("- {rule: TR-X-0001, path: /a, reason: r, until: 2028-01-01}").len(), 1);
}

#[test]
fn a_mistake_is_shown_with_line_column_and_caret() {
    assert_eq!(
        refused("- rule: TR-PLACE-*\n  path: /a\n  reason: r\n  until: 2027-01-31\n"),
        "allow-list `a.yaml`, line 3, column 9: this is no rule's name\n  |\n3 | - rule: TR-PLACE-*\n  |         \
         ^^^^^^^^^\n  = name one rule in full, as in the finding: `TR-PLACE-0001`"
    );
}

#[test]
fn hostile_lists_are_refused_and_nothing_hangs() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let many = format!("format_version: 1\nallow:\n{}", "- {}\n".repeat(60_000));
    let anchors = "format_version: 1\nallow: &a [*a]\n";
    for text in
        ["", "\0", "a: b: c", "\u{feff}", "format_version: 2\nallow: []", anchors, &deep, &many, &"x".repeat(300_000)]
    {
        assert!(AllowList::read("x", text.as_bytes(), now()).is_err());
    }
    assert!(matches!(AllowList::read("x", b"\xff", now()), Err(AllowError::NotText { offset: 0, .. })));
}

#[test]
fn what_is_allowed_is_told_and_is_no_sign_of_a_sum() {
    let scene = Scene::new().file("/var/www/html/images/x.php", SHELL).file("/var/www/html/images/y.php", SHELL);
    let conclude = |entries: &str| {
        let mut detectors = Detectors::builtin(Vec::new()).unwrap();
        if !entries.is_empty() {
            detectors = detectors.allowing(list(entries));
        }
        scene.conclude(detectors, &HostContext { is_host: true, gaps: &[], selects: &|_| true })
    };
    let before = conclude("");
    let at = |finding: &Finding, path: &str| finding.subject.path().as_bytes() == path.as_bytes();
    let rules: Vec<RuleId> = {
        let here = before.findings.iter().filter(|finding| at(finding, "/var/www/html/images/x.php"));
        here.map(|finding| finding.rule.clone()).collect()
    };
    assert!(!rules.is_empty() && Verdict::of(&before.findings, false) == Verdict::Compromised);
    let signs = rules.iter().filter(|rule| !rule.0.starts_with("TR-SCORE"));
    let entries = signs.fold(String::new(), |entries, rule| {
        entries + &format!("- {{rule: {rule}, path: /var/www/html/images/x.php, reason: ours, until: 2027-01-31}}\n")
    });
    let after = conclude(&(entries + "- {rule: TR-NOT-THERE, path: /a, reason: r, until: 2027-01-31}\n"));
    assert!(!after.findings.iter().any(|finding| at(finding, "/var/www/html/images/x.php")), "{:?}", after.findings);
    assert!(after.findings.iter().any(|finding| at(finding, "/var/www/html/images/y.php")));
    assert!(after.allowed.iter().all(|allowed| at(&allowed.finding, "/var/www/html/images/x.php")));
    assert_eq!(after.allowed.len(), rules.iter().filter(|rule| !rule.0.starts_with("TR-SCORE")).count());
    assert_eq!(after.allowed[0].allowed_by.reason, "ours");
    assert_eq!(after.unused.len(), 1);
    assert!(after.unused[0].entry.starts_with("a.yaml, line "));
}
