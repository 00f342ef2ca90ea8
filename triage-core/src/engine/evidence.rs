//! The evidence gate: nothing is changed unless what it was is kept in a bundle that verifies.

use super::{Care, CollectError, Collection, Reading, Target, bundle_info, collect};
use crate::action::State;
use crate::bundle::{self, BundleError, BundleSink, BundleSource};
use crate::collect::Scope;
use crate::journal::Evidence;
use crate::model::{Clock, Digest, EvidencePath, escape};
use crate::plan::{Plan, StepStatus};
use crate::source::{Pattern, Selection, Source as _, SourceError};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
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
        let Some(expected) = expected else { continue };
        let kept = bundle.open(&path)?.and_then(|opened| opened.reader.expected());
        if kept != Some(expected) {
            return Err(EvidenceError::Uncovered { bundle: name, path: path.to_string() });
        }
    }
    Ok(Evidence::Bundle { path: name, sha256: digest })
}

/// Collects a bundle of just the objects that a plan changes, as they are now, and verifies it.
///
/// # Errors
/// [`EvidenceError`] when it cannot be written or an object could not be read.
pub fn gather(
    plan: &Plan,
    target: Target,
    path: &Path,
    version: &str,
    clock: &dyn Clock,
    reading: Reading<'_>,
) -> Result<Evidence, EvidenceError> {
    let wanted = objects(plan);
    let patterns = wanted.keys().map(Pattern::exact).collect();
    let target = Target {
        // What a profile only lists or hashes is kept all the same before it is changed.
        scope: Scope {
            selection: Selection::new(patterns, Vec::new()),
            sensitive: target.scope.sensitive,
            gaps: target.scope.gaps,
            ..Scope::default()
        },
        profile: Some("plan".to_owned()),
        ..target
    };
    let info = bundle_info(&target, version, clock.now(), 1);
    let sink = BundleSink::path(path.to_owned(), bundle::BundleFormat::TarZst);
    let seal = bundle::Seal::default();
    let (omits_secrets, detectors, care) = (false, None, Care::default());
    let collection = Collection { target: &target, info, sink, seal, omits_secrets, detectors, care, clock };
    collect(collection, reading)?;
    let name = escape(path.as_os_str().as_bytes());
    let (bundle, digest) = open_verified(path, reading.cancel)?;
    for (path, expected) in wanted {
        // What has changed since the plan is collected as it is; whether it may still be changed is the step's own check.
        if expected.is_some() && target.source.metadata(&path)?.is_some() && bundle.open(&path)?.is_none() {
            return Err(EvidenceError::Uncovered { bundle: name, path: path.to_string() });
        }
    }
    Ok(Evidence::Bundle { path: name, sha256: digest })
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

/// What the plan would change and what it was: the first step on each object saw it as it is on the host.
fn objects(plan: &Plan) -> BTreeMap<EvidencePath, Option<Digest>> {
    let mut objects = BTreeMap::new();
    for step in plan.steps.iter().filter(|step| step.status == StepStatus::WouldChange) {
        let digest = match &step.before {
            State::Present(present) => present.sha256,
            State::Absent => None,
        };
        objects.entry(step.action.path().clone()).or_insert(digest);
    }
    objects
}
