//! Runs the PHP analyser alone over folders, to measure it: one line a file, `path<TAB>severity<TAB>rules`, and totals on standard error.
//!
//! ```text
//! cargo run --release -p triage-core --example php_scan -- FOLDER…
//! ```
//!
//! It is the harness for recall (a folder of collected shells), for false alarms (a folder of clean software) and for speed. Nothing that it
//! reads is run.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use triage_core::detect::{Detectors, HostContext, PhpDetector, looks_like_php};
use triage_core::model::{EvidencePath, FileKind, FileMeta, Mode, Severity};
use triage_core::sweep::{Swept, Visitor as _};

fn main() -> std::io::Result<()> {
    let mut folders: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let (mut files, mut bytes, mut grave, mut medium) = (0_u32, 0_u64, 0_u32, 0_u32);
    let mut times: Vec<Duration> = Vec::new();
    while let Some(path) = folders.pop() {
        let meta = std::fs::symlink_metadata(&path)?;
        if meta.is_dir() {
            folders.extend(std::fs::read_dir(&path)?.flatten().map(|entry| entry.path()));
            continue;
        }
        if !meta.is_file() {
            continue;
        }
        let content = std::fs::read(&path)?;
        if !looks_like_php(&content) {
            continue;
        }
        let start = Instant::now();
        let (severity, rules) = scan(&content);
        times.push(start.elapsed());
        files += 1;
        bytes += meta.len();
        grave += u32::from(severity >= Some(Severity::High));
        medium += u32::from(severity == Some(Severity::Medium));
        writeln!(out, "{}\t{}\t{rules}", path.display(), severity.map_or("none", Severity::as_str))?;
    }
    out.flush()?;
    times.sort();
    let total: Duration = times.iter().sum();
    let p99 = times.get(times.len().saturating_sub(1) * 99 / 100).copied().unwrap_or_default();
    let longest = times.last().copied().unwrap_or_default();
    eprintln!("{files} files, {bytes} bytes, {grave} at high or above, {medium} at medium");
    eprintln!("{total:?} in all, 99 of 100 files within {p99:?}, the longest {longest:?}");
    Ok(())
}

/// The gravest severity, and the rules that hit at it.
fn scan(content: &[u8]) -> (Option<Severity>, String) {
    let path = EvidencePath::root();
    let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), content.len() as u64);
    let detectors = Detectors::new(vec![Box::new(PhpDetector::default())]);
    detectors.visit(&Swept { path: &path, meta: &meta, sha256: None, content: Some(content) });
    let findings = detectors.conclude(&HostContext { is_host: false, gaps: &[], selects: &|_| true }).value;
    let severity = findings.iter().map(|finding| finding.severity).max();
    let rules =
        findings.iter().filter(|finding| Some(finding.severity) == severity).map(|finding| finding.rule.0.as_str());
    (severity, rules.collect::<Vec<_>>().join(","))
}
