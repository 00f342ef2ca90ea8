//! What stands inside files: archives of every kind in each other, phars, and the descriptions in a backup of `FreePBX`.

use super::parser::path;
use triage_core::detect::{BackupDetector, Detector as _, InsideLimits, Report, archive_members};
use triage_core::model::{FileKind, FileMeta, Mode};
use triage_core::sweep::Swept;

/// What one input may cost.
const LIMITS: InsideLimits = InsideLimits {
    max_total: 8 << 20,
    max_ratio: 50,
    ratio_free: 4 << 20,
    max_member: 1 << 20,
    max_members: 500,
    max_depth: 4,
    max_headers: 64 << 10,
    max_time: std::time::Duration::from_mins(1),
};

/// Goes through the input as an archive, under two names because one of them is looked at, and judges it as each part of a backup.
pub(super) fn inside(data: &[u8]) {
    for name in ["/tmp/upload", "/tmp/upload.phar"] {
        let (mut members, mut total) = (0, 0);
        let gaps = archive_members(data, &path(name), &LIMITS, &mut |member, content| {
            members += 1;
            total += content.map_or(0, <[u8]>::len);
            assert!(member.path.components().all(|part| part != b".." && part != b"."), "{}", member.path);
            if let Some(content) = content {
                assert_eq!(member.meta.size, content.len() as u64);
                judge(member.path.as_bytes(), content);
            }
        });
        assert!(members <= LIMITS.max_members && gaps.len() <= 25, "{members} members, {} gaps", gaps.len());
        // A tar gives its bytes again at each depth.
        assert!(total as u64 <= (LIMITS.max_total + data.len() as u64) * 6, "{total}");
    }
    for name in [&b"/metadata.json"[..], b"/modulejson/Core.json", b"/manifest", b"/astdb"] {
        judge(name, data);
    }
}

fn judge(name: &[u8], content: &[u8]) {
    let Ok(path) = triage_core::model::EvidencePath::new(name) else { return };
    let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), content.len() as u64);
    let mut report = Report::default();
    BackupDetector.inspect(&Swept { path: &path, meta: &meta, sha256: None, content: Some(content) }, &mut report);
    assert!(report.findings.len() <= 6, "one finding a rule");
}
