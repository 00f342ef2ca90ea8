//! Runs the detectors that judge a content by itself over folders of PHP, one file after the other, and measures them: one line a file,
//! `path<TAB>severity<TAB>rules`, and totals on standard error.
//!
//! ```text
//! cargo run --release -p triage-core --example php_scan -- [--engines all|php|yara] [--rules FILE]… FOLDER…
//! ```
//!
//! It is the harness for recall (a folder of collected shells), for false alarms (a folder of clean software) and for the time of each
//! file; `benches/detection` measures the program itself. `all` is what a scan runs on a file, `php` the analyser alone, `yara` the rules alone.
//! Each file is hashed, as a scan does. Nothing that is read is run.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use triage_core::detect::{
    Detector, Detectors, HostContext, PhpDetector, RuleSet, RuleSource, YaraDetector, YaraOptions, looks_like_php,
};
use triage_core::model::{Digest, EvidencePath, FileKind, FileMeta, Mode, Severity};
use triage_core::sweep::{Swept, Visitor as _};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut folders: Vec<PathBuf> = Vec::new();
    let (mut engines, mut rules) = ("all".to_owned(), Vec::new());
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--engines") => engines = args.next().unwrap_or_default().to_string_lossy().into_owned(),
            Some("--rules") => rules.push(PathBuf::from(args.next().unwrap_or_default())),
            _ => folders.push(arg.into()),
        }
    }
    let detectors = detectors(&engines, &rules)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut bytes = 0_u64;
    let mut times: Vec<(Duration, EvidencePath)> = Vec::new();
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
        let name = EvidencePath::root().join(path.as_os_str().as_encoded_bytes());
        let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), content.len() as u64);
        let start = Instant::now();
        let sha256 = Some(Digest::of(&content));
        detectors.visit(&Swept { path: &name, meta: &meta, sha256, content: Some(&content) });
        times.push((start.elapsed(), name));
        bytes += content.len() as u64;
    }
    let outcome = detectors.conclude(&HostContext { is_host: false, gaps: &[], selects: &|_| true });
    let mut found: BTreeMap<Vec<u8>, (Severity, Vec<String>)> = BTreeMap::new();
    for finding in &outcome.value {
        let slot = found.entry(finding.subject.path().as_bytes().to_vec()).or_insert((Severity::Info, Vec::new()));
        if finding.severity > slot.0 {
            *slot = (finding.severity, Vec::new());
        }
        if finding.severity == slot.0 {
            slot.1.push(finding.rule.0.clone());
        }
    }
    times.sort();
    let (mut grave, mut medium) = (0_u32, 0_u32);
    for (_, name) in &times {
        let (severity, rules) = match found.get(name.as_bytes()) {
            Some((severity, rules)) => (Some(*severity), rules.join(",")),
            None => (None, String::new()),
        };
        grave += u32::from(severity >= Some(Severity::High));
        medium += u32::from(severity == Some(Severity::Medium));
        writeln!(out, "{name}\t{}\t{rules}", severity.map_or("none", Severity::as_str))?;
    }
    out.flush()?;
    let total: Duration = times.iter().map(|(time, _)| *time).sum();
    let p99 = times.get(times.len().saturating_sub(1) * 99 / 100).map_or(Duration::ZERO, |(time, _)| *time);
    let longest = times.last().map_or(Duration::ZERO, |(time, _)| *time);
    eprintln!("{} files, {bytes} bytes, {grave} at high or above, {medium} at medium", times.len());
    eprintln!("{total:?} in all, 99 of 100 files within {p99:?}, the longest {longest:?}, {} gaps", outcome.gaps.len());
    let kilobytes = f64::from(u32::try_from(bytes / 1000)?);
    eprintln!("{:.2} MB/s on one core", kilobytes / 1000.0 / total.as_secs_f64().max(1e-9));
    Ok(())
}

/// The detectors that were asked for.
fn detectors(engines: &str, rules: &[PathBuf]) -> Result<Detectors, Box<dyn std::error::Error>> {
    let mut sources = if rules.is_empty() { RuleSet::builtin_sources() } else { Vec::new() };
    for path in rules {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = String::from_utf8_lossy(&std::fs::read(path)?).into_owned();
        sources.push(RuleSource { name, text });
    }
    let yara =
        || -> Box<dyn Detector> { Box::new(YaraDetector::new(RuleSet::compile(&sources).0, YaraOptions::default())) };
    Ok(match engines {
        "php" => Detectors::new(vec![Box::new(PhpDetector::default())]),
        "yara" => Detectors::new(vec![yara()]),
        "all" => Detectors::builtin(vec![yara()])?,
        other => return Err(format!("`{other}` is none of all, php, yara").into()),
    })
}
