//! Why there is no plan, or why a plan is not used.

use crate::playbook::PlaybookError;
use std::io;
use thiserror::Error;

/// Why there is no plan, or why a plan is not used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// An expression of a playbook failed on the findings.
    #[error("selecting what to do")]
    Playbook(#[source] PlaybookError),
    /// A playbook step selected something that its action cannot take.
    #[error("step `{step}` selects finding {finding}, a {kind}, which `{action}` cannot take")]
    Subject {
        /// Playbook and step.
        step: String,
        /// The finding's id.
        finding: String,
        /// What kind of subject it has.
        kind: &'static str,
        /// The action.
        action: &'static str,
    },
    /// A value of a playbook step came to something that its action cannot read.
    #[error("step `{step}`: {detail}")]
    Value {
        /// Playbook and step.
        step: String,
        /// What it came to.
        detail: String,
    },
    /// The plan is larger than any plan of ours.
    #[error("the plan has {size_bytes} bytes, and at most {limit_bytes} are read")]
    TooLarge {
        /// Its size.
        size_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// Not a plan, or a damaged one.
    #[error("the plan cannot be read: it is no plan file or it is damaged")]
    Malformed(#[source] serde_json::Error),
    /// A plan of another version.
    #[error(
        "the plan has format version {found}, and this triage reads versions up to {known}: make the plan again with this triage"
    )]
    Version {
        /// Its version.
        found: u64,
        /// Ours.
        known: u32,
    },
    /// A plan whose parts contradict each other; none that we wrote.
    #[error("the plan contradicts itself at step {step}: {detail}")]
    Inconsistent {
        /// The step.
        step: u32,
        /// How.
        detail: String,
    },
    /// A step that was named and is not there.
    #[error("the plan has no step {number}")]
    NoSuchStep {
        /// The number.
        number: u32,
    },
    /// A step that was to be left out and that another builds upon.
    #[error("step {step} cannot be left out: step {dependent} changes the same object after it; leave out both")]
    Needed {
        /// The step.
        step: u32,
        /// The one that builds upon it.
        dependent: u32,
    },
    /// The operating system refused or failed.
    #[error("{doing} plan `{what}`")]
    Io {
        /// What we were doing.
        doing: &'static str,
        /// To which file, escaped.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}
