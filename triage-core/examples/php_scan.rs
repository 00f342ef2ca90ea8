//! Runs the detectors that judge a content by itself over folders of PHP and measures them: one line a file,
//! `path<TAB>severity<TAB>rules`, and totals on standard error.
//!
//! ```text
//! cargo run --release -p triage-core --example php_scan -- [--engines all|php|yara] [--rules FILE]… [--threads N] FOLDER…
//! ```
//!
//! It is the harness for recall (a folder of collected shells), for false alarms (a folder of clean software) and for the time of each
//! file; `benches/detection` measures the program itself. `all` is what a scan runs on a file, `php` the analyser alone, `yara` the rules alone.
//! Each file is hashed, as a scan does. Nothing that is read is run. One thread is the default: then the time of a file is its own.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use triage_core::detect::{
    Detector, Detectors, HostContext, PhpDetector, RuleSet, RuleSource, YaraDetector, YaraOptions, looks_like_php,
};
use triage_core::model::{Digest, EvidencePath, FileKind, FileMeta, Mode, Severity};
use triage_core::sweep::{Swept, Visitor as _};

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut folders: Vec<PathBuf> = Vec::new();
    let (mut engines, mut rules) = ("all".to_owned(), Vec::new());
    let mut threads = 1;
    let mut args = std::env::args_os().skip(1);
    let start = Instant::now();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--engines") => engines = args.next().unwrap_or_default().to_string_lossy().into_owned(),
            Some("--threads") => threads = args.next().unwrap_or_default().to_string_lossy().parse()?,
            Some("--rules") => rules.push(PathBuf::from(args.next().unwrap_or_default())),
            _ => folders.push(arg.into()),
        }
    }
    let detectors = detectors(&engines, &rules)?;
    let ready = Instant::now();
    let files = files_below(folders)?;
    let next = AtomicUsize::new(0);
    let scanned: Vec<Scanned> = std::thread::scope(|scope| {
        let scan = || {
            std::iter::from_fn(|| files.get(next.fetch_add(1, Ordering::Relaxed)))
                .filter_map(|path| scan_file(&detectors, path).transpose())
                .collect::<Result<Vec<_>, _>>()
        };
        let threads: Vec<_> = (1..threads).map(|_| scope.spawn(scan)).collect();
        let own = scan();
        let others = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread failed".into())));
        std::iter::once(own).chain(others).collect::<Result<Vec<_>, _>>().map(|all| all.concat())
    })?;
    let elapsed = ready.elapsed();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let bytes: u64 = scanned.iter().map(|file| file.bytes).sum();
    let mut times: Vec<(Duration, EvidencePath)> = scanned.into_iter().map(|file| (file.time, file.name)).collect();
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
    eprintln!("{:?} until the rules were ready, then {elapsed:?} with {threads} threads", ready - start);
    Ok(())
}

/// A file of PHP that was looked at.
#[derive(Clone)]
struct Scanned {
    name: EvidencePath,
    bytes: u64,
    time: Duration,
}

fn files_below(mut folders: Vec<PathBuf>) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    while let Some(path) = folders.pop() {
        let kind = std::fs::symlink_metadata(&path)?.file_type();
        if kind.is_file() {
            files.push(path);
        } else if kind.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    files.push(entry.path());
                }
            }
        }
    }
    Ok(files)
}

/// Shows a file to the detectors, if it is PHP.
fn scan_file(detectors: &Detectors, path: &Path) -> Result<Option<Scanned>, Box<dyn std::error::Error + Send + Sync>> {
    let content = std::fs::read(path)?;
    if !looks_like_php(&content) {
        return Ok(None);
    }
    let name = EvidencePath::root().join(path.as_os_str().as_encoded_bytes());
    let bytes = content.len() as u64;
    let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), bytes);
    let start = Instant::now();
    let sha256 = Some(Digest::of(&content));
    detectors.visit(&Swept { path: &name, meta: &meta, sha256, content: Some(&content) });
    Ok(Some(Scanned { time: start.elapsed(), name, bytes }))
}

/// The detectors that were asked for.
fn detectors(engines: &str, rules: &[PathBuf]) -> Result<Detectors, Box<dyn std::error::Error + Send + Sync>> {
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
