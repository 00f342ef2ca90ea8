//! What a caller wants, put together from the parts: open a target, scan it, collect it, or both in one pass.

pub mod evidence;
mod target;

pub use target::{Opening, Target, TargetError, identify};

use crate::bundle::{BundleError, BundleInfo, BundleSink, BundleWriter, Ending, Sealed};
use crate::collect::Collector;
use crate::detect::{Detectors, HostContext};
use crate::model::{Clock, EvidencePath, Finding, Gap, GapReason, Timestamp, Verdict};
use crate::source::SourceKind;
use crate::sweep::{Options, Progress, Summary, Sweep, SweepError, Visitor};
use std::os::unix::fs::MetadataExt as _;
use thiserror::Error;

/// How a target is read.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// Threads and sizes.
    pub options: Options,
    /// Who hears how far it is.
    pub progress: &'a dyn Progress,
    /// Says, when asked, that it should stop.
    pub cancel: &'a (dyn Fn() -> bool + Sync),
}

/// What a scan found.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The answer in one word.
    pub verdict: Verdict,
    /// What was found, worst and surest first.
    pub findings: Vec<Finding>,
    /// What was not read or could not be judged.
    pub gaps: Vec<Gap>,
    /// Objects, files and bytes that were read.
    pub summary: Summary,
}

/// What a collection made.
#[derive(Clone, Debug)]
pub struct Collected {
    /// The bundle.
    pub sealed: Sealed,
    /// Objects, files and bytes that were read, and the gaps.
    pub summary: Summary,
    /// What the detectors found in the same pass, if any were given.
    pub scan: Option<Scan>,
}

/// Why a collection ended without a bundle.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CollectError {
    /// Reading or storing failed.
    #[error(transparent)]
    Sweep(#[from] SweepError),
    /// The bundle could not be begun or ended.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// What to collect, and where to.
pub struct Collection<'a> {
    /// The evidence.
    pub target: &'a Target,
    /// What the bundle says of itself: see [`bundle_info`].
    pub info: BundleInfo,
    /// Where the bundle goes.
    pub sink: BundleSink,
    /// Leaves the content of secret files out.
    pub omits_secrets: bool,
    /// Looks in the same pass.
    pub detectors: Option<Detectors>,
    /// What time it is.
    pub clock: &'a dyn Clock,
}

/// Reads a target once and says what is wrong with it.
///
/// # Errors
/// When the target as a whole cannot be read.
pub fn scan(target: &Target, detectors: Detectors, reading: Reading<'_>) -> Result<Scan, SweepError> {
    tracing::info!(target = target.source.label(), profile = target.profile.as_deref(), "scanning");
    let sweep = Sweep {
        source: target.source.as_ref(),
        selection: &target.scope.selection,
        listed_only: &target.scope.listed_only,
        options: reading.options,
        visitors: &[&detectors],
        store: None,
        progress: reading.progress,
        cancel: reading.cancel,
    };
    let summary = sweep.run()?;
    Ok(conclude(target, detectors, summary))
}

/// What a bundle of this target says of itself.
pub fn bundle_info(target: &Target, version: &str, start: Timestamp, threads: usize) -> BundleInfo {
    BundleInfo {
        tool: "triage".to_owned(),
        version: version.to_owned(),
        host: target.host.clone(),
        root: target.source.label(),
        is_live: target.source.kind() == SourceKind::Live,
        profile: target.profile.clone().unwrap_or_else(|| "tree".to_owned()),
        selection: target.scope.selection.included().iter().map(|pattern| pattern.as_str().to_owned()).collect(),
        start,
        clock_note: None,
        threads,
    }
}

/// Reads a target once into a bundle, and says what is wrong with it if detectors are given. When stopped by the caller it ends
/// the bundle all the same; the bundle says that it was interrupted.
///
/// # Errors
/// When the target as a whole cannot be read or the bundle cannot be written; then nothing has the bundle's final name.
pub fn collect(collection: Collection<'_>, reading: Reading<'_>) -> Result<Collected, CollectError> {
    let Collection { target, info, sink, omits_secrets, detectors, clock } = collection;
    let partial = sink.partial_path();
    let mut writer = BundleWriter::create(sink, info)?;
    // The bundle may be written into a folder that is collected.
    if let Some(found) = partial.and_then(|partial| std::fs::metadata(partial).ok()) {
        target.source.leave_out((found.dev(), found.ino()));
    }
    for gap in target.gaps() {
        writer.gap(gap.clone())?;
    }
    let mut collector = Collector::new(writer, target.scope.sensitive.clone(), omits_secrets);
    let visitors: Vec<&dyn Visitor> = detectors.iter().map(|detectors| detectors as &dyn Visitor).collect();
    let sweep = Sweep {
        source: target.source.as_ref(),
        selection: &target.scope.selection,
        listed_only: &target.scope.listed_only,
        options: reading.options,
        visitors: &visitors,
        store: Some(&mut collector),
        progress: reading.progress,
        cancel: reading.cancel,
    };
    let summary = sweep.run()?;
    drop(visitors);
    let ending = if summary.is_interrupted {
        Ending::Interrupted { why: "stopped by the user".to_owned() }
    } else {
        Ending::Complete
    };
    let sealed = collector.into_writer().finish(ending, clock.now())?;
    let scan = detectors.map(|detectors| conclude(target, detectors, summary.clone()));
    Ok(Collected { sealed, summary, scan })
}

fn conclude(target: &Target, detectors: Detectors, mut summary: Summary) -> Scan {
    let mut gaps: Vec<Gap> = target.gaps().to_vec();
    gaps.append(&mut summary.gaps);
    let found = detectors.conclude(&HostContext {
        is_host: target.is_host(),
        gaps: &gaps,
        selects: &|path: &EvidencePath| target.asked.selects(path),
    });
    gaps.extend(found.gaps);
    gaps.sort();
    gaps.dedup();
    let verdict = Verdict::of(&found.value, is_blind(&summary, &gaps));
    Scan { verdict, findings: found.value, gaps, summary }
}

/// Says whether so much was not read that silence means nothing: the run was stopped, nothing was read, or more than one object in
/// twenty was kept from us (by permission, damage or a failing disk; what is too large or no regular file does not count).
fn is_blind(summary: &Summary, gaps: &[Gap]) -> bool {
    let hidden = gaps.iter().filter(|gap| {
        matches!(
            gap.reason,
            GapReason::PermissionDenied
                | GapReason::ReadFailed
                | GapReason::Damaged
                | GapReason::Interrupted
                | GapReason::Unsupported
        )
    });
    summary.is_interrupted || summary.files == 0 || hidden.count() as u64 * 20 > summary.objects
}
