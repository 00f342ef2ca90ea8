//! Logs: hostile lines of every kind, past the parsers, the rules and the conclusions; and rules that a person loads.

use triage_core::detect::{Detector, Detectors, FraudDetector, HostContext, LogDetector, RuleSource, SigmaSet};
use triage_core::model::{EvidencePath, FileKind, FileMeta, Finding, Mode};
use triage_core::parse::access_log::AccessLine;
use triage_core::parse::asterisk_log::{AsteriskLine, QueueLine, freepbx_failure, freepbx_success};
use triage_core::parse::error_log::ErrorLine;
use triage_core::parse::master_csv::CsvCall;
use triage_core::sweep::{Swept, Visitor as _};

/// What a log can be told of, at most: a finding a rule, and some about the log itself.
const FINDINGS: usize = 120;

fn judged(detector: Box<dyn Detector>, place: &str, bytes: &[u8]) -> Vec<Finding> {
    let path = EvidencePath::new(place).expect("a path");
    let meta = FileMeta::bare(FileKind::File, Mode::new(0o640), bytes.len() as u64);
    let detectors = Detectors::new(vec![detector]);
    detectors.visit(&Swept { path: &path, meta: &meta, sha256: None, content: Some(bytes) });
    let outcome = detectors.conclude(&HostContext { is_host: false, gaps: &[], selects: &|_| true });
    assert!(outcome.value.len() <= FINDINGS, "{} findings", outcome.value.len());
    assert!(!outcome.gaps.iter().any(|gap| gap.detail.contains("a detector failed")), "{:?}", outcome.gaps);
    for finding in &outcome.value {
        let text = serde_json::to_string(finding).expect("a finding becomes text");
        assert!(text.len() < 256 << 10, "{} bytes of one finding", text.len());
        assert_eq!(&serde_json::from_str::<Finding>(&text).expect("and is read again"), finding);
    }
    outcome.value
}

fn logs() -> Box<dyn Detector> {
    Box::new(LogDetector::new(SigmaSet::builtin()))
}

pub(super) fn access_log(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        if let Some(read) = AccessLine::parse(line) {
            let (stem, query) = read.stem_and_query();
            assert!(stem.len() + query.map_or(0, <[u8]>::len) <= line.len() && read.client.len() <= line.len());
        }
    }
    judged(logs(), "/var/log/apache2/access.log", data);
}

/// The first byte says which log.
pub(super) fn asterisk_log(data: &[u8]) {
    const PLACES: [&str; 8] = [
        "/var/log/asterisk/full",
        "/var/log/asterisk/security",
        "/var/log/asterisk/queue_log",
        "/var/log/asterisk/freepbx.log",
        "/var/log/asterisk/freepbx_security.log",
        "/var/log/apache2/error.log",
        "/var/log/auth.log",
        "/var/log/cron",
    ];
    let Some((&first, bytes)) = data.split_first() else { return };
    for line in bytes.split(|byte| *byte == b'\n') {
        let _ = AsteriskLine::parse(line).map(|line| line.security());
        let _ = (QueueLine::parse(line), freepbx_failure(line), freepbx_success(line), ErrorLine::parse(line));
    }
    let place = PLACES[usize::from(first) % PLACES.len()];
    judged(logs(), place, bytes);
    judged(Box::new(FraudDetector::default()), place, bytes);
}

pub(super) fn master_csv(data: &[u8]) {
    let path = EvidencePath::new("/var/log/asterisk/cdr-csv/Master.csv").expect("a path");
    for line in data.split(|byte| *byte == b'\n') {
        if let Some(call) = CsvCall::parse(line) {
            let record = call.record(&path, 1);
            let text = serde_json::to_string(&record).expect("a record becomes text");
            assert_eq!(
                serde_json::from_str::<triage_core::model::CallRecord>(&text).expect("and is read again"),
                record
            );
        }
    }
    judged(Box::new(FraudDetector::default()), "/var/log/asterisk/cdr-csv/Master.csv", data);
}

/// What compiling takes grows with the rules; a source longer than this proves nothing more.
const LONGEST_RULE: usize = 16 << 10;

/// Rules are compiled and then asked of lines.
pub(super) fn sigma(data: &[u8]) {
    const LINES: &[u8] = b"192.0.2.7 - eve [23/Nov/2026:08:17:01 +0100] \"GET /a.php?b=%2527c\\x22 HTTP/1.1\" 200 1 \"-\" \"x \\\"y\\\"\"\nnothing\n";
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.len() > LONGEST_RULE {
        return;
    }
    let (rules, _) = SigmaSet::compile(&[RuleSource { name: "x.yml".to_owned(), text: text.to_owned() }]);
    judged(Box::new(LogDetector::new(rules)), "/var/log/apache2/access.log", LINES);
}
