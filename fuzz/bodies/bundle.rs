//! Our own files, as an intruder may have rewritten them: bundles, their parts, and runs.

use super::archive::read;
use super::make::{self, InMemory, halves};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use triage_core::bundle::{self, BundleSource, Lookup};
use triage_core::collect::Coverage;
use triage_core::journal::Run;
use triage_core::model::{Digest, EvidencePath};
use triage_core::source::{Container, Identities, Limits};

const LIMITS: Limits = Limits { max_entries: 20_000, max_total: 16 << 20, max_ratio: 1000, ratio_free: 16 << 20 };

fn look(path: &Path) {
    let Ok(container) = Container::open(path) else { return };
    if container
        .with_limits(LIMITS)
        .list(&mut |_| ControlFlow::Continue(()))
        .is_err_and(|error| matches!(error, triage_core::source::ContainerError::LimitReached { .. }))
    {
        return;
    }
    let _ = bundle::is_bundle(path);
    if let Ok(source) = BundleSource::open(path) {
        read(&source);
    }
    if let Ok(verification) = bundle::verify(path, &mut |_| {}, &|| false) {
        assert!(verification.failures.len() <= 10_000);
    }
    find(path);
}

/// Says how many of the files that are looked for can be read to their end.
pub(super) fn find(path: &Path) -> usize {
    let Ok(lookup) = Lookup::open(path, &Identities::default()) else { return 0 };
    let mut whole = 0;
    for name in ["/etc/passwd", "/etc/crontab", "/var/www/html/index.php"] {
        if let Ok(Some(mut found)) = lookup.find(&EvidencePath::new(name).expect("a path")) {
            whole += usize::from(io::copy(&mut found.reader, &mut io::sink()).is_ok());
        }
    }
    whole
}

/// A bundle as it lies there, and the same bytes as what was compressed.
pub(super) fn bundle(data: &[u8]) {
    look(&InMemory::new(data).path());
    if data.get(257..262) == Some(b"ustar") {
        look(&InMemory::new(&zstd::bulk::compress(data, 1).expect("compressing")).path());
    }
}

/// An index that a tag manifest vouches for, so that it is believed.
pub(super) fn index(data: &[u8]) {
    let file = InMemory::new(&indexed(data));
    find(&file.path());
    let _ = BundleSource::open(&file.path());
    let _ = bundle::verify(&file.path(), &mut |_| {}, &|| false);
}

/// A bundle of two frames whose index is the first half of the input.
pub(super) fn indexed(data: &[u8]) -> Vec<u8> {
    let (index, content) = halves(data);
    let mut first = Vec::new();
    make::member(&mut first, b"b/bagit.txt", b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");
    make::member(&mut first, b"b/data/files/etc/passwd", content);
    let tags = format!("{}  triage/index.bin\n", Digest::of(index));
    let mut last = Vec::new();
    make::member(&mut last, b"b/triage/index.bin", index);
    make::member(&mut last, b"b/tagmanifest-sha256.txt", tags.as_bytes());
    last.resize(last.len() + 1024, 0);
    make::seekable(&[first, last])
}

/// Every name survives, and no two spellings are one file.
pub(super) fn escape(data: &[u8]) {
    if let Ok(path) = EvidencePath::new(data) {
        let payload = bundle::payload_path(&path);
        assert!(
            payload.len() <= 1024 && payload.split('/').all(|name| name.len() <= 255 && name != ".."),
            "{payload:?}"
        );
        assert!(!payload.contains(['\\', '\n', '\r', '%']) && !payload.chars().any(char::is_control), "{payload:?}");
        if payload.starts_with("data/files/") {
            assert_eq!(bundle::evidence_path(&payload), Some(path));
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        for payload in [text.to_owned(), format!("data/files/{text}")] {
            if let Some(path) = bundle::evidence_path(&payload) {
                assert_eq!(bundle::payload_path(&path), payload);
            }
        }
    }
}

/// The statement of what a collection covers.
pub(super) fn coverage(data: &[u8]) {
    let _ = Coverage::read(data);
}

/// The folder of a run: its journal, and its plan.
pub(super) fn run(data: &[u8]) {
    let (journal, plan) = halves(data);
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("journal.jsonl"), journal).expect("writing");
    fs::write(folder.path().join("plan.json"), plan).expect("writing");
    fs::create_dir(folder.path().join("vault")).expect("a folder");
    if let Ok(run) = Run::at(folder.path()) {
        let _ = (run.id(), run.started(), run.lines().len(), run.state(), run.steps());
    }
}
