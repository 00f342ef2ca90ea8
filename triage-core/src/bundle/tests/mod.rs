//! Bundles from the outside: written, attacked, verified.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::cast_possible_truncation
)]

mod attack;
mod case;
mod fixture;
mod lookup;
mod reading;
mod resume;
mod round_trip;
mod seal;

use super::*;
use crate::model::{
    Account, AuthorizedKey, CronEntry, Digest, EvidencePath, FileKind, FileMeta, FileRecord, Gap, GapReason,
    HostIdentity, Mode, Record, Timestamp,
};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(super) const FORMATS: [BundleFormat; 4] =
    [BundleFormat::TarZst, BundleFormat::TarGz, BundleFormat::Zip, BundleFormat::Dir];

pub(super) fn start() -> Timestamp {
    Timestamp::new(1_767_323_045, 0)
}

pub(super) fn info() -> BundleInfo {
    BundleInfo {
        tool: "triage".into(),
        version: "0.1.0".into(),
        host: HostIdentity { digest: Digest::of(b"host"), marks: vec!["machine-id".into()], hostname: "pbx1".into() },
        root: "/".into(),
        is_live: false,
        evidence: None,
        profile: "linux".into(),
        selection: vec!["/etc/**".into()],
        start: start(),
        clock_note: None,
        time_zone: None,
        case: CaseInfo::default(),
        threads: 2,
    }
}

pub(super) fn path(bytes: impl AsRef<[u8]>) -> EvidencePath {
    EvidencePath::new(bytes).unwrap()
}

pub(super) fn store(writer: &mut BundleWriter, at: &EvidencePath, content: &[u8]) -> Stored {
    let size = content.len() as u64;
    let mut meta = FileMeta::bare(FileKind::File, Mode::new(0o644), size);
    meta.mtime = Some(Timestamp::new(1_700_000_000, 5));
    let stored = writer.payload(at, size, meta.mtime, &mut &*content).unwrap();
    let record = FileRecord {
        sha256: Some(stored.sha256),
        payload: Some(stored.payload.clone()),
        ..FileRecord::new(at.clone(), meta)
    };
    writer.record(&Record::File(record)).unwrap();
    stored
}

pub(super) fn directory(writer: &mut BundleWriter, at: &str) {
    let record = FileRecord::new(path(at), FileMeta::bare(FileKind::Directory, Mode::new(0o755), 4096));
    writer.record(&Record::File(record)).unwrap();
}

pub(super) fn account(name: &str) -> Record {
    Record::Account(Account {
        path: path("/etc/passwd"),
        line: 1,
        name: name.into(),
        uid: 0,
        gid: 0,
        gecos: "".into(),
        home: "/root".into(),
        shell: "/bin/bash".into(),
        password: "shadowed".into(),
    })
}

/// A bundle of a few files with odd names, an account and a gap.
pub(super) fn sample(sink: BundleSink) -> Sealed {
    let mut writer = BundleWriter::create(sink, info()).unwrap();
    directory(&mut writer, "/etc");
    store(&mut writer, &path("/etc/passwd"), b"root:x:0:0:root:/root:/bin/bash\n");
    store(&mut writer, &path("/var/www/html/index.php"), b"<?php exit; // inert\n");
    store(&mut writer, &path(b"/var/www/html/new\nline\\\xff.php"), b"<?php exit;\n");
    store(&mut writer, &path(format!("/srv/{}", "é".repeat(120))), b"a name that needs an extended header");
    store(&mut writer, &path([b"/tmp/".as_slice(), &[0xfe; 200]].concat()), b"a name that is stored by its digest");
    store(&mut writer, &path("/empty"), b"");
    writer.record(&account("root")).unwrap();
    writer.gap(Gap::new(path("/run/fifo"), GapReason::NotRegular, "a FIFO")).unwrap();
    writer.finish(Ending::Complete, Timestamp::new(1_767_323_100, 0)).unwrap()
}

pub(super) fn sample_at(dir: &TempDir, format: BundleFormat) -> PathBuf {
    let at = dir.path().join(format!("bundle.{}", format.as_str()));
    sample(BundleSink::path(&at, format));
    at
}

pub(super) fn check(at: &Path) -> Verification {
    verify(at, &mut |_| (), &|| false).unwrap()
}

pub(super) const NONE: [&str; 0] = [];

/// The failures as lines, for a readable assertion.
pub(super) fn failures(at: &Path) -> Vec<String> {
    let result = check(at);
    let mut lines: Vec<String> = result.failures.iter().map(|f| format!("{}: {}", f.what, f.why)).collect();
    lines.extend(result.truncated.map(|t| format!("truncated: {}", t.detail)));
    lines
}
