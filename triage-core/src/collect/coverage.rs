//! The coverage statement: what was asked for, what came of it, what was passed by and why, and which time the logs tell of.
//!
//! It is data, `triage/coverage.json` in every bundle, specified in `docs/formats/bundle.md`. Its size does not grow with the evidence.

use super::window::{Hole, Window};
use crate::model::EvidencePath;
use crate::source::MountNote;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// The version of the format.
pub const COVERAGE_VERSION: u32 = 1;
/// The largest statement that is read, in bytes.
const MAX_BYTES: usize = 16 << 20;
/// Rotation numbers beyond that are somebody's joke.
const ROTATIONS: u32 = 10_000;
/// Missing numbers of one log that are listed.
const MISSING: usize = 32;

/// What a collection covered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// 1.
    pub format_version: u32,
    /// The limits that held, as they are given on the command line, with their values.
    pub limits: BTreeMap<String, String>,
    /// How the collection treated the host: priority, threads, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manners: Option<String>,
    /// What ended it before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// Each artifact of the profile. An object that several of them name counts for each.
    pub artifacts: Vec<ArtifactCoverage>,
    /// The whole: each object counts once.
    pub total: Counts,
    /// Why objects or their content are not in the bundle, by reason, with the first of them.
    pub skipped: BTreeMap<String, Skipped>,
    /// Every mount in the evidence, and why those that were not gone into were not.
    pub mounts: Vec<MountNote>,
    /// The time that each log tells of; at most 2,000.
    pub logs: Vec<LogCoverage>,
    /// Logs of which there were more.
    pub more_logs: u64,
    /// What is missing between the rotated parts of one log.
    pub rotations: Vec<Rotation>,
    /// Files that changed while they were read: what is stored is a mixture. At most 1,000.
    pub changed: Vec<EvidencePath>,
    /// Files that changed, beyond those.
    pub more_changed: u64,
    /// Files and folders of this tool that were left out, by device and inode.
    pub left_out: Vec<Ours>,
    /// Files and folders whose access time may have moved, because the kernel refused to read them without.
    pub access_times_moved: u64,
}

/// One artifact of the profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactCoverage {
    /// Its name in the profile.
    pub name: String,
    /// What came of it.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What came of a set of objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Objects of every kind that were met.
    pub matched: u64,
    /// Regular files whose content is in the bundle.
    pub collected: u64,
    /// Their bytes.
    pub collected_bytes: u64,
    /// Regular files that are listed and not read, as the profile says.
    pub listed_only: u64,
    /// What is not in the bundle, or not with its content, by reason; the reasons are those of gaps.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, u64>,
}

/// What is not in the bundle for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// How many objects.
    pub count: u64,
    /// The first of them.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// The particulars of the first: which limit, which message of the kernel.
    pub detail: String,
}

/// One log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogCoverage {
    /// The file.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Its time; absent where nothing in it is one, or it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// What is missing between the parts of one rotated log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// The log without a number.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Numbers that are not there although a higher one is; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<u32>,
    /// Times between the end of one part and the beginning of the next that are longer than usual.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holes: Vec<Hole>,
}

/// An object of this tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ours {
    /// Where it was met.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Its device.
    pub device: u64,
    /// Its inode number.
    pub inode: u64,
}

/// Why a coverage statement cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CoverageError {
    /// It is no such statement.
    #[error("the coverage statement cannot be read")]
    Syntax(#[from] serde_json::Error),
    /// It is of a version that is not known.
    #[error("the coverage statement has format version {0}, this version reads {COVERAGE_VERSION}")]
    Version(u32),
    /// It is too large to be one.
    #[error("the coverage statement has {0} bytes")]
    TooLarge(usize),
}

impl Coverage {
    /// Where it lies in a bag.
    pub const PATH: &'static str = crate::bundle::COVERAGE_PATH;

    /// Reads a statement.
    ///
    /// # Errors
    /// [`CoverageError`] says what it is instead.
    pub fn read(bytes: &[u8]) -> Result<Self, CoverageError> {
        if bytes.len() > MAX_BYTES {
            return Err(CoverageError::TooLarge(bytes.len()));
        }
        let coverage: Self = serde_json::from_slice(bytes)?;
        if coverage.format_version != COVERAGE_VERSION {
            return Err(CoverageError::Version(coverage.format_version));
        }
        Ok(coverage)
    }

    /// The statement as it is written into a bag.
    ///
    /// # Errors
    /// None that can happen.
    pub fn write(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Mounts that were not gone into.
    pub fn mounts_passed_by(&self) -> impl Iterator<Item = &MountNote> {
        self.mounts.iter().filter(|mount| !mount.is_visited)
    }

    /// Logs with holes in them.
    pub fn holes(&self) -> usize {
        let inside = self.logs.iter().filter_map(|log| log.window.as_ref()).map(|window| window.holes.len());
        inside.chain(self.rotations.iter().map(|rotation| rotation.holes.len())).sum()
    }
}

/// A log's name without what rotation adds (`.1`, `.2.gz`, `-20261123`), and the number where there is one.
fn rotated(path: &EvidencePath) -> (Vec<u8>, Option<u32>) {
    let mut name = path.as_bytes();
    for packed in [&b".gz"[..], b".xz", b".bz2", b".zst"] {
        name = name.strip_suffix(packed).unwrap_or(name);
    }
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let Some((base, number)) = name.len().checked_sub(digits).and_then(|at| name.split_at_checked(at)) else {
        return (name.to_vec(), None);
    };
    let number = || std::str::from_utf8(number).ok()?.parse().ok();
    match (base.split_last(), digits) {
        (Some((b'.', base)), 1..=4) if !base.ends_with(b"/") => (base.to_vec(), number()),
        // `dateext`: the parts have no numbers that could be missing.
        (Some((b'-', base)), 8) if !base.ends_with(b"/") => (base.to_vec(), None),
        _ => (name.to_vec(), None),
    }
}

/// What is missing between the parts of rotated logs.
pub(super) fn rotations(logs: &[LogCoverage]) -> Vec<Rotation> {
    let mut groups: BTreeMap<Vec<u8>, (BTreeSet<u32>, Vec<&Window>)> = BTreeMap::new();
    for log in logs {
        let (base, number) = rotated(&log.path);
        let (numbers, windows) = groups.entry(base).or_default();
        numbers.extend(number.filter(|number| *number <= ROTATIONS));
        windows.extend(&log.window);
    }
    let mut found = Vec::new();
    for (base, (numbers, mut windows)) in groups {
        let Ok(path) = EvidencePath::new(&base) else { continue };
        let (lowest, highest) = (numbers.first().copied().unwrap_or(0), numbers.last().copied().unwrap_or(0));
        // Asterisk's logger counts from 0, logrotate from 1.
        let missing: Vec<u32> =
            (lowest.min(1)..highest).filter(|number| !numbers.contains(number)).take(MISSING).collect();
        windows.retain(|window| window.span.is_some() && !window.is_cut);
        windows.sort_by_key(|window| window.span);
        let mut holes = Vec::new();
        for pair in windows.windows(2) {
            let [before, after] = pair else { continue };
            let (Some((_, end)), Some((begin, _))) = (before.span, after.span) else { continue };
            if super::window::is_hole(begin - end, before.usual.max(after.usual)) {
                let (from, to) = (before.last.clone(), after.first.clone());
                holes.push(Hole { from, to, seconds: (begin - end).unsigned_abs() });
            }
        }
        if !missing.is_empty() || !holes.is_empty() {
            found.push(Rotation { path, missing, holes });
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::collect::window::WindowFinder;

    fn log(path: &str, text: &str) -> LogCoverage {
        let mut finder = WindowFinder::new(b"log");
        finder.feed(text.as_bytes());
        LogCoverage { path: EvidencePath::new(path).unwrap(), window: finder.finish(false) }
    }

    #[test]
    fn a_rotation_that_was_removed_is_missing() {
        let logs: Vec<_> = [
            "auth.log",
            "auth.log.1",
            "auth.log.2.gz",
            "auth.log.4.gz",
            "full",
            "full.0",
            "full.1",
            "cron-20261101",
            "a.7z",
        ]
        .iter()
        .map(|name| log(&format!("/var/log/{name}"), ""))
        .collect();
        let found = rotations(&logs);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].path.to_string().as_str(), found[0].missing.as_slice()), ("/var/log/auth.log", &[3][..]));
    }

    #[test]
    fn time_between_two_parts_is_a_hole_and_two_parts_that_meet_have_none() {
        let hours = |day: u32, from: u32, to: u32| {
            let lines: Vec<_> = (from..to).map(|hour| format!("2026-11-{day:02} {hour:02}:00:00 x\n")).collect();
            lines.concat()
        };
        let found = rotations(&[
            log("/var/log/a.log", &hours(23, 0, 20)),
            log("/var/log/a.log.1", &hours(22, 0, 24)),
            log("/var/log/a.log.2", &hours(18, 0, 24)),
        ]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].holes.len(), 1, "{found:?}");
        assert_eq!(found[0].holes[0].from, "2026-11-18 23:00:00");
        assert_eq!(found[0].holes[0].to, "2026-11-22 00:00:00");
    }

    #[test]
    fn a_statement_of_another_version_is_refused() {
        let coverage = Coverage { format_version: 2, ..Coverage::default() };
        assert!(matches!(Coverage::read(&coverage.write().unwrap()), Err(CoverageError::Version(2))));
        assert!(matches!(Coverage::read(b"[]"), Err(CoverageError::Syntax(_))));
        let coverage = Coverage { format_version: 1, ..Coverage::default() };
        assert_eq!(Coverage::read(&coverage.write().unwrap()).unwrap(), coverage);
    }
}
