//! The evidence gate: nothing is changed unless what it was is kept in a bundle that verifies.

use super::{Care, CollectError, Collection, Reading, Target, bundle_info, collect};
use crate::action::State;
use crate::bundle::{self, BundleError, BundleSink, BundleSource};
use crate::collect::{Allowance, default_floor};
use crate::journal::Evidence;
use crate::model::{Clock, Digest, EvidencePath, GapReason, escape};
use crate::plan::{Plan, StepStatus};
use crate::source::{Source as _, SourceError};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;
use thiserror::Error;

/// Why a bundle does not count as evidence for a plan.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// It cannot be read as a bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// It could not be collected.
    #[error("collecting evidence of what the plan changes")]
    Collect(#[from] CollectError),
    /// It is no evidence any more.
    #[error("bundle `{bundle}` does not verify: {what}")]
    NotIntact {
        /// Which, escaped.
        bundle: String,
        /// The first thing that is wrong with it.
        what: String,
    },
    /// It is of another host.
    #[error("bundle `{bundle}` is of another host")]
    OtherHost {
        /// Which, escaped.
        bundle: String,
    },
    /// It does not hold an object that the plan changes.
    #[error("bundle `{bundle}` does not hold `{path}` as the plan saw it")]
    Uncovered {
        /// Which, escaped.
        bundle: String,
        /// The object, escaped.
        path: String,
    },
    /// An object in it cannot be looked at.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Makes sure that a bundle verifies, is of the plan's host and holds every object that the plan changes, as the plan saw it.
///
/// # Errors
/// [`EvidenceError`] says what is missing.
pub fn check(path: &Path, plan: &Plan, cancel: &dyn Fn() -> bool) -> Result<Evidence, EvidenceError> {
    let name = escape(path.as_os_str().as_bytes());
    let (bundle, digest) = open_verified(path, cancel)?;
    if bundle.host().digest != plan.host.digest {
        return Err(EvidenceError::OtherHost { bundle: name });
    }
    for (path, expected) in objects(plan) {
        let kept = bundle.open(&path)?;
        let is_covered = match expected {
            Content::None => true,
            Content::NotKnown => kept.is_some(),
            Content::Known(expected) => kept.and_then(|opened| opened.reader.expected()) == Some(expected),
        };
        if !is_covered {
            return Err(EvidenceError::Uncovered { bundle: name, path: path.to_string() });
        }
    }
    Ok(Evidence::Bundle { path: name, sha256: digest, left_out: Vec::new() })
}

/// The most content that is kept before a run, in bytes, and the longest that it may take. The vault of the run keeps every original all the
/// same; this is the copy that is told apart from the run.
const MAX_TOTAL: u64 = 4 << 30;
const MAX_TIME: Duration = Duration::from_mins(10);

/// How much the evidence for a plan may take.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Bytes of content.
    pub total: u64,
    /// Time.
    pub time: Duration,
}

impl Default for Bound {
    fn default() -> Self {
        Self { total: MAX_TOTAL, time: MAX_TIME }
    }
}

/// Collects a bundle of just the objects that a plan changes, as they are now, and verifies it. What does not fit within `bound` is left out
/// and named in the answer.
///
/// # Errors
/// [`EvidenceError`] when it cannot be written, or an object could not be read for another reason than its size.
pub fn gather(
    plan: &Plan,
    target: Target,
    path: &Path,
    (version, bound): (&str, Bound),
    clock: &dyn Clock,
    reading: Reading<'_>,
) -> Result<Evidence, EvidenceError> {
    let wanted = objects(plan);
    let target = Target { profile: Some("plan".to_owned()), ..target.only(wanted.keys().cloned()) };
    let start = clock.now();
    let info = bundle_info(&target, version, start, 1);
    let sink = BundleSink::path(path.to_owned(), bundle::BundleFormat::TarZst);
    let elapsed = || Duration::from_secs(u64::try_from(clock.now().seconds() - start.seconds()).unwrap_or_default());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let allowance = Allowance {
        max_total: Some(bound.total),
        max_time: Some(bound.time),
        min_free: Some(default_floor(folder)),
        output: None,
    };
    let care = Care { allowance, elapsed: &elapsed, ..Care::default() };
    let seal = bundle::Seal::default();
    let (omits_secrets, detectors) = (false, None);
    let collection = Collection { target: &target, info, sink, seal, omits_secrets, detectors, care, clock };
    let collected = collect(collection, reading)?;
    let mut spent = BTreeSet::new();
    for gap in &collected.summary.gaps {
        if matches!(gap.reason, GapReason::BudgetSpent | GapReason::LimitReached) {
            spent.insert(gap.path.clone());
        }
    }
    let is_ended = collected.summary.ended_by.is_some();
    let name = escape(path.as_os_str().as_bytes());
    let (bundle, digest) = if is_ended {
        // It says itself that it was ended early; as far as it goes it still has to verify.
        open_as_far_as_it_goes(path, reading.cancel)?
    } else {
        open_verified(path, reading.cancel)?
    };
    let mut left_out = Vec::new();
    for (path, expected) in wanted {
        // What has changed since the plan is collected as it is; whether it may still be changed is the step's own check.
        if expected == Content::None || target.source.metadata(&path)?.is_none() || bundle.open(&path)?.is_some() {
            continue;
        }
        if !(spent.contains(&path) || is_ended) {
            return Err(EvidenceError::Uncovered { bundle: name, path: path.to_string() });
        }
        left_out.push(path);
    }
    Ok(Evidence::Bundle { path: name, sha256: digest, left_out })
}

fn open_as_far_as_it_goes(path: &Path, cancel: &dyn Fn() -> bool) -> Result<(BundleSource, Digest), EvidenceError> {
    let verification = bundle::verify(path, &mut |_| {}, cancel)?;
    if let Some(failure) = verification.failures.first() {
        let what = format!("{}: {}", failure.what, failure.why);
        return Err(EvidenceError::NotIntact { bundle: escape(path.as_os_str().as_bytes()), what });
    }
    let digest = verification.bundle_sha256.or(verification.chain_head).unwrap_or_else(|| Digest::of(b""));
    Ok((BundleSource::open(path)?, digest))
}

fn open_verified(path: &Path, cancel: &dyn Fn() -> bool) -> Result<(BundleSource, Digest), EvidenceError> {
    let verification = bundle::verify(path, &mut |_| {}, cancel)?;
    if !verification.is_intact() {
        let what = verification
            .failures
            .first()
            .map_or_else(|| "it is cut short".to_owned(), |failure| format!("{}: {}", failure.what, failure.why));
        return Err(EvidenceError::NotIntact { bundle: escape(path.as_os_str().as_bytes()), what });
    }
    // A folder has no digest of its own; the head of its log stands for it.
    let digest = verification.bundle_sha256.or(verification.chain_head).unwrap_or_else(|| Digest::of(b""));
    Ok((BundleSource::open(path)?, digest))
}

/// What a plan knows of the content of an object that it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// There is none: nothing was there, or something other than a file.
    None,
    /// There is one, and which could not be seen from where it was planned.
    NotKnown,
    Known(Digest),
}

/// What the plan would change and what it was: the first step on each object saw it as it is on the host.
fn objects(plan: &Plan) -> BTreeMap<EvidencePath, Content> {
    let mut objects = BTreeMap::new();
    // What could not be known when it was planned is tried, and may change its object.
    let is_tried = |status: &StepStatus| matches!(status, StepStatus::WouldChange | StepStatus::CannotKnow { .. });
    for step in plan.steps.iter().filter(|step| is_tried(&step.status)) {
        let content = match &step.before {
            State::Present(present) if present.meta.is_file() => {
                present.sha256.map_or(Content::NotKnown, Content::Known)
            }
            State::Present(_) | State::Absent | State::Live(_) => Content::None,
        };
        if let Some(path) = step.action.path() {
            objects.entry(path.clone()).or_insert(content);
        }
    }
    objects
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#[path = "evidence_tests.rs"]
mod tests;
