//! What a caller wants, put together from the parts: open a target, scan it, collect it, or both in one pass.

pub mod check;
mod clean_up;
pub mod evidence;
mod living;
mod manners;
pub mod material;
mod named;
mod root;
mod target;
mod volatile;

pub use clean_up::CleanUp;
pub use living::living_host;
pub use manners::{Manners, Priority};
pub use target::{Choice, Opening, Target, TargetError, identify};

use crate::bundle::{BundleError, BundleInfo, BundleSink, BundleWriter, CaseInfo, Ending, Seal, Sealed};
use crate::collect::{Allowance, Budgets, Collector, Coverage, LogWindows, Remaining, Tally};
use crate::detect::{Baseline, BaselinePart, Conclusion, Detectors, HostContext};
use crate::diff::{self, Diff};
use crate::model::{Allowed, Clock, EvidencePath, Finding, Gap, GapReason, Permit, Timestamp, Verdict};
use crate::parse;
use crate::report::CleanedUp;
use crate::source::{Source, SourceKind};
use crate::sweep::{Budget, Known, Large, Options, Progress, Summary, Sweep, SweepError, Visitor};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Under a budget, files larger than that are read last.
const LATE: u64 = 8 << 20;

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
    /// What was found and is allowed: it counts neither for the verdict nor for a plan.
    pub allowed: Vec<Allowed>,
    /// Entries of allow-lists that allowed nothing.
    pub unused: Vec<Permit>,
    /// What was not read or could not be judged.
    pub gaps: Vec<Gap>,
    /// Objects, files and bytes that were read.
    pub summary: Summary,
    /// What was done to the host before; none where nothing is known to stand. [`Scan::after`] fills it in.
    pub clean_up: Option<CleanedUp>,
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
    /// What was covered; it is in the bundle too.
    pub coverage: Coverage,
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
    /// Where the bundle goes, or which one is gone on with.
    pub sink: BundleSink,
    /// Who signs it, and for whom it is encrypted.
    pub seal: Seal,
    /// Leaves the content of secret files out.
    pub omits_secrets: bool,
    /// Looks in the same pass.
    pub detectors: Option<Detectors>,
    /// How much it may take; [`Care::default`] for whatever there is.
    pub care: Care<'a>,
    /// What time it is.
    pub clock: &'a dyn Clock,
}

/// How much a collection may take, and what its coverage statement tells of that.
#[derive(Clone)]
pub struct Care<'a> {
    /// Bytes, time and free space. The output is filled in from the sink.
    pub allowance: Allowance,
    /// How long the run takes already.
    pub elapsed: &'a (dyn Fn() -> Duration + Sync),
    /// How the host is treated ([`Manners`]), for people.
    pub manners: Option<String>,
    /// Further limits that held, for the statement.
    pub limits: BTreeMap<String, String>,
}

impl Default for Care<'_> {
    fn default() -> Self {
        let (allowance, limits) = (Allowance::default(), BTreeMap::new());
        Self { allowance, elapsed: &|| Duration::ZERO, manners: None, limits }
    }
}

/// Reads a target once and says what is wrong with it.
///
/// # Errors
/// When the target as a whole cannot be read.
pub fn scan(target: &Target, detectors: Detectors, reading: Reading<'_>) -> Result<Scan, SweepError> {
    scan_within(target, detectors, reading, Bounds::default())
}

/// What of a target need not be read, and what may not.
#[derive(Clone, Copy)]
pub struct Bounds<'a> {
    /// What was read earlier and had nothing in it. Afterwards it can tell the next scan.
    pub known: Option<&'a Known>,
    /// How much there is of time; `()` for whatever it takes. What it keeps out is a gap.
    pub budget: &'a dyn Budget,
}

impl Default for Bounds<'_> {
    fn default() -> Self {
        Self { known: None, budget: &() }
    }
}

/// As [`scan`], but passes over what is `known` from an earlier look; afterwards `known` can tell the next one.
///
/// # Errors
/// As [`scan`].
pub fn scan_again(
    target: &Target,
    detectors: Detectors,
    reading: Reading<'_>,
    known: Option<&Known>,
) -> Result<Scan, SweepError> {
    scan_within(target, detectors, reading, Bounds { known, ..Bounds::default() })
}

/// As [`scan`], within bounds. A scan that a budget ended says what it found until then, and a gap says where it ended.
///
/// # Errors
/// As [`scan`].
pub fn scan_within(
    target: &Target,
    detectors: Detectors,
    reading: Reading<'_>,
    bounds: Bounds<'_>,
) -> Result<Scan, SweepError> {
    let Bounds { known, budget } = bounds;
    tracing::info!(target = target.source.label(), profile = target.profile.as_deref(), "scanning");
    let unobserved = volatile::observe(target, None, Some(&detectors), reading)?;
    let visitors: Vec<&dyn Visitor> =
        std::iter::once(&detectors as &dyn Visitor).chain(known.map(|known| known as &dyn Visitor)).collect();
    let sweep = Sweep {
        source: target.source.as_ref(),
        selection: &target.scope.selection,
        listed_only: &target.scope.listed_only,
        options: with_large(reading.options),
        visitors: &visitors,
        known,
        store: None,
        budget,
        progress: reading.progress,
        cancel: reading.cancel,
    };
    let mut summary = sweep.run()?;
    drop(visitors);
    summary.gaps.extend(unobserved);
    Ok(conclude(target, detectors, summary))
}

/// Lets parsers have the files that mean nothing in pieces.
fn with_large(options: Options) -> Options {
    let large = Large { cap: parse::LARGEST.min(options.size_cap), selects: parse::wants_large };
    Options { large: options.large.or(Some(large)), ..options }
}

/// Compares two targets, each as far as the other was asked for.
///
/// # Errors
/// When one of them as a whole cannot be read.
pub fn diff(old: &Target, new: &Target, reading: Reading<'_>) -> Result<Diff, SweepError> {
    fn side(target: &Target) -> diff::Side<'_> {
        diff::Side {
            source: target.source.as_ref(),
            selection: &target.scope.selection,
            listed_only: &target.scope.listed_only,
            asked: &target.asked,
        }
    }
    let Reading { options, progress, cancel } = reading;
    let mut diff = diff::compare(&side(old), &side(new), diff::Reading { options, progress, cancel })?;
    for gap in old.gaps().iter().chain(new.gaps()) {
        diff.gaps.push(gap.clone());
    }
    diff.gaps.sort();
    diff.gaps.dedup();
    Ok(diff)
}

/// Reads a target for the digests of its files, to hold another against it.
///
/// # Errors
/// When it as a whole cannot be read.
pub fn baseline(target: Target, reading: Reading<'_>) -> Result<Baseline, SweepError> {
    let Target { source, scope, asked, .. } = target;
    let part = BaselinePart { selection: &scope.selection, listed_only: &scope.listed_only, asked: &asked };
    Baseline::read(source, &part, reading.options, reading.progress, reading.cancel)
}

/// What a bundle of this target says of itself.
pub fn bundle_info(target: &Target, version: &str, start: Timestamp, threads: usize) -> BundleInfo {
    BundleInfo {
        tool: "triage".to_owned(),
        version: version.to_owned(),
        host: target.host.clone(),
        root: target.source.label(),
        is_live: target.source.kind() == SourceKind::Live,
        evidence: target.evidence.clone(),
        profile: target.profile.clone().unwrap_or_else(|| "tree".to_owned()),
        selection: target.scope.selection.texts(),
        start,
        clock_note: None,
        time_zone: crate::collect::time_zone(target.source.as_ref()),
        case: CaseInfo::default(),
        threads,
    }
}

/// Reads a target once into a bundle, and says what is wrong with it if detectors are given. When stopped by the caller it ends
/// the bundle all the same; the bundle says that it was interrupted. Where the sink is a bundle that is gone on with, what that has
/// already is not read again, and the detectors do not see it.
///
/// # Errors
/// When the target as a whole cannot be read or the bundle cannot be written; then nothing has the bundle's final name.
pub fn collect(collection: Collection<'_>, reading: Reading<'_>) -> Result<Collected, CollectError> {
    let Collection { target, info, sink, seal, omits_secrets, detectors, mut care, clock } = collection;
    let partial = sink.partial_path();
    let mut writer = BundleWriter::create_sealed(sink, info, seal)?;
    let already = writer.already().map(Arc::clone);
    // The bundle may be written into a folder that is collected.
    if let Some(found) = partial.as_ref().and_then(|partial| std::fs::metadata(partial).ok()) {
        target.source.leave_out((found.dev(), found.ino()));
    }
    care.allowance.output = partial;
    for gap in target.gaps() {
        writer.gap(gap.clone())?;
    }
    let mut options = with_large(reading.options);
    let is_folder = matches!(target.source.kind(), SourceKind::Live | SourceKind::Root | SourceKind::Subtree);
    if is_folder && (care.allowance.max_total.is_some() || care.allowance.max_time.is_some()) {
        options.late_size = Some(LATE);
    }
    let limits = limits(&care, &options, omits_secrets);
    let budgets = Budgets::new(care.allowance, care.elapsed);
    let logs = LogWindows::default();
    let mut collector = Collector::new(writer, target.scope.sensitive.clone(), omits_secrets)
        .hashing_only(target.scope.hashed_only.clone())
        .with_digests(reading.options.extra_digests);
    // ORDER: what is gone first is read first (RFC 3227).
    let unobserved = volatile::observe(target, Some(&mut collector), detectors.as_ref(), reading)?;
    let mut tally = Tally::new(&target.scope, &mut collector, &logs);
    target.gaps().iter().for_each(|gap| tally.known_before(gap));
    let detecting = detectors.iter().map(|detectors| detectors as &dyn Visitor);
    let visitors: Vec<&dyn Visitor> = detecting.chain([&logs as &dyn Visitor]).collect();
    let remaining = already.as_ref().map(|already| Remaining::new(target.source.as_ref(), already));
    let sweep = Sweep {
        source: remaining.as_ref().map_or(target.source.as_ref(), |remaining| remaining as &dyn Source),
        selection: &target.scope.selection,
        listed_only: &target.scope.listed_only,
        options,
        visitors: &visitors,
        known: None,
        store: Some(&mut tally),
        budget: &budgets,
        progress: reading.progress,
        cancel: reading.cancel,
    };
    let mut summary = sweep.run()?;
    summary.gaps.extend(unobserved);
    drop(visitors);
    let mut coverage = tally.finish(target.source.reach());
    (coverage.limits, coverage.manners) = (limits, care.manners);
    coverage.ended_by.clone_from(&summary.ended_by);
    let ending = match &summary.ended_by {
        Some(why) => Ending::Interrupted { why: why.clone() },
        None if summary.is_interrupted => Ending::Interrupted { why: "stopped by the user".to_owned() },
        None => Ending::Complete,
    };
    let mut writer = collector.into_writer();
    let statement =
        coverage.write().map_err(|source| BundleError::Record { what: Coverage::PATH.to_owned(), source })?;
    writer.statement(Coverage::PATH, &statement)?;
    let sealed = writer.finish(ending, clock.now())?;
    let scan = detectors.map(|detectors| conclude(target, detectors, summary.clone()));
    Ok(Collected { sealed, summary, scan, coverage })
}

/// The limits that hold, by the names of the options that set them.
fn limits(care: &Care<'_>, options: &Options, omits_secrets: bool) -> BTreeMap<String, String> {
    let mut limits = care.limits.clone();
    let mut add = |name: &str, value: Option<String>| {
        limits.extend(value.map(|value| (name.to_owned(), value)));
    };
    add("max-file-size", Some(format!("{} bytes", options.size_cap)));
    add("max-total", care.allowance.max_total.map(|bytes| format!("{bytes} bytes")));
    add("max-time", care.allowance.max_time.map(|time| format!("{} s", time.as_secs_f64())));
    add("min-free", care.allowance.min_free.map(|bytes| format!("{bytes} bytes")));
    add("omit-secrets", omits_secrets.then(|| "yes".to_owned()));
    add("read-deadline", Some(format!("{} s on file systems that may hang", options.patience.as_secs_f64())));
    limits
}

fn conclude(target: &Target, detectors: Detectors, mut summary: Summary) -> Scan {
    let mut gaps: Vec<Gap> = target.gaps().to_vec();
    gaps.append(&mut summary.gaps);
    let mut found = detectors.conclude_all(&HostContext {
        is_host: target.is_host(),
        gaps: &gaps,
        selects: &|path: &EvidencePath| target.asked.selects(path),
    });
    gaps.append(&mut found.gaps);
    gaps.sort();
    gaps.dedup();
    let verdict = Verdict::of(&found.findings, is_blind(&summary, &gaps));
    let Conclusion { findings, allowed, unused, .. } = found;
    Scan { verdict, findings, allowed, unused, gaps, summary, clean_up: None }
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
                | GapReason::BudgetSpent
        )
    });
    // Those that a summary counts without naming them.
    let more: u64 = [GapReason::PermissionDenied, GapReason::ReadFailed, GapReason::Damaged, GapReason::Unsupported]
        .iter()
        .filter_map(|reason| summary.more_gaps.get(reason))
        .sum();
    let hidden = hidden.count() as u64 + more + summary.refused;
    summary.is_interrupted || summary.files == 0 || hidden.saturating_mul(20) > summary.objects
}
