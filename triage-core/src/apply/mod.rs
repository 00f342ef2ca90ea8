//! The only module that changes a host.
//!
//! It carries a plan out, step by step, and a rollback is a plan too. All steps are looked at before the first is done, and
//! nothing is done when one of them cannot be. Then, for each: the object is looked at through an open descriptor, the very function
//! that planning used says what is to change, and
//!
//! 1. a copy of the object goes into the run's vault,
//! 2. the intent goes into the journal,
//! 3. the change is made, on an object that was taken hold of and checked once more,
//! 4. the object is looked at again,
//! 5. the outcome goes into the journal,
//!
//! each on the device before the next begins. So after a crash at any point the journal and the object together tell what holds, and
//! both [`resume`] and a rollback work. The first step that fails stops the run.
//!
//! It must never follow a link, act on an object that it has not checked, or touch anything but the object, its directory's times
//! and flags, and two private names beside it.

mod accounts;
mod hands;
mod live_step;
mod living;
mod perform;
mod preflight;
mod recover;
mod run;
mod step;
mod target;

#[cfg(test)]
mod tests;

pub use living::{LivingHost, Vouches};
pub use target::Target;

use crate::journal::{Consent, Evidence, JournalError, RunId, RunState, Runs, StepOutcome};
use crate::model::{Clock, Digest, EvidencePath, HostIdentity};
use crate::plan::{Plan, Step};
use crate::source::Source;
use hands::NoFaults;
use thiserror::Error;

/// What is to be applied, to what, and on whose word.
pub struct ApplyRequest<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The host. Who calls has made sure with [`check_host`] that it is the plan's.
    pub target: &'a Target,
    /// Where the run is recorded.
    pub runs: &'a Runs,
    /// `triage` and its version.
    pub tool: String,
    /// What keeps the evidence. Who calls has verified it.
    pub evidence: Evidence,
    /// What was agreed to.
    pub consent: Consent,
    /// Where the good copies of files are that are restored; each is held against the digest in the plan.
    pub material: Option<&'a dyn Source>,
    /// The surroundings.
    pub watch: Watch<'a>,
}

/// A run that is to be brought to its end.
pub struct ResumeRequest<'a> {
    /// The run.
    pub run: &'a RunId,
    /// The host.
    pub target: &'a Target,
    /// Where the run is recorded.
    pub runs: &'a Runs,
    /// As [`ApplyRequest::material`], for copies that the run has not taken into its vault yet.
    pub material: Option<&'a dyn Source>,
    /// The surroundings.
    pub watch: Watch<'a>,
}

/// What surrounds a run: the time, the wish to stop, and somebody who looks on.
pub struct Watch<'a> {
    /// Gives the time of each journal line.
    pub clock: &'a dyn Clock,
    /// Asked between steps; true stops the run in good order.
    pub cancel: &'a dyn Fn() -> bool,
    /// Told of each step.
    pub progress: &'a mut dyn FnMut(StepEvent<'_>),
    /// Asked whether a configuration that is about to be put at a path would be accepted by the program that reads it; an error is why not.
    /// The library starts no program itself.
    pub examine: &'a Examine<'a>,
}

/// Says of a path and the content that is about to be put there why it would not be accepted.
pub type Examine<'a> = dyn Fn(&EvidencePath, &[u8]) -> Result<(), String> + 'a;

/// Accepts every configuration: where there is no program to ask.
///
/// # Errors
/// Never.
pub fn accept(_: &EvidencePath, _: &[u8]) -> Result<(), String> {
    Ok(())
}

/// Where a run is.
#[derive(Debug)]
#[non_exhaustive]
pub enum StepEvent<'a> {
    /// A step is looked at before anything is changed.
    Checking(&'a Step),
    /// A step begins.
    Begins(&'a Step),
    /// A step has ended.
    Ends(&'a Step, &'a StepOutcome),
}

/// What became of a run.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The run.
    pub run: RunId,
    /// The digest of the journal's last line: who notes it down elsewhere can tell later whether the journal was cut.
    pub head: Digest,
    /// Where it stands.
    pub state: RunState,
    /// The outcomes of all steps that have one, earlier sessions included, in the plan's order.
    pub outcomes: Vec<StepOutcome>,
    /// Why it stopped before its end.
    pub stopped: Option<Stopped>,
}

/// Why a run stopped before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The step at which it stopped, or that would have been next.
    pub step: u32,
    /// Why.
    pub why: String,
    /// Says that it was asked to stop and nothing went wrong.
    pub is_cancelled: bool,
}

/// A step that is refused before anything is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The step's number.
    pub step: u32,
    /// Its object, as a person reads it.
    pub object: String,
    /// Why.
    pub why: String,
}

/// Why a plan was not applied.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// Objects are not what the plan expects. Nothing was changed.
    #[error("{} no longer what the plan saw, and nothing was changed: {}", objects_are(.steps), first(.steps))]
    Stale {
        /// Which.
        steps: Vec<Refusal>,
    },
    /// Rules forbid steps. Nothing was changed.
    #[error("{} must not be changed, and nothing was: {}", objects(.steps), first(.steps))]
    Blocked {
        /// Which.
        steps: Vec<Refusal>,
    },
    /// Malicious objects would come back, and nobody agreed to that. Nothing was changed.
    #[error("the plan puts {count} malicious objects back, and nothing was changed")]
    RestoresMalicious {
        /// How many.
        count: usize,
    },
    /// Nothing undoes some steps, and nobody agreed to that. Nothing was changed.
    #[error("nothing undoes {}, and nothing was changed: {}", these(.steps), first(.steps))]
    Irreversible {
        /// Which.
        steps: Vec<Refusal>,
    },
    /// Some steps can cut calls off, and nobody agreed to that. Nothing was changed.
    #[error("{} can cut calls off, and nothing was changed: {}", these(.steps), first(.steps))]
    AffectsCalls {
        /// Which.
        steps: Vec<Refusal>,
    },
    /// The plan is for another host.
    #[error("the plan is for host `{planned}`, and this is `{here}`")]
    WrongHost {
        /// The plan's host: name and digest.
        planned: String,
        /// The host at hand.
        here: String,
    },
    /// The plan is of a later version.
    #[error("the plan has format version {0}, which this version of the tool does not know")]
    UnsupportedPlan(u32),
    /// The plan contradicts itself or its journal.
    #[error("the plan cannot be applied: {0}")]
    BadPlan(String),
    /// The journal or vault cannot be written or read. What was begun can be resumed.
    #[error("the run cannot be recorded")]
    Journal(#[from] JournalError),
    /// The target cannot be brought in order after a step that failed. The run can be resumed.
    #[error("{doing} failed while the object was put in order")]
    Io {
        /// What we were doing.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A test ended the run as a crash would.
    #[doc(hidden)]
    #[error("the run was cut off")]
    Cut,
}

fn objects(steps: &[Refusal]) -> String {
    match steps.len() {
        1 => "1 object".to_owned(),
        count => format!("{count} objects"),
    }
}

fn these(steps: &[Refusal]) -> String {
    match steps.len() {
        1 => "1 step".to_owned(),
        count => format!("{count} steps"),
    }
}

fn objects_are(steps: &[Refusal]) -> String {
    format!("{} {}", objects(steps), if steps.len() == 1 { "is" } else { "are" })
}

fn first(steps: &[Refusal]) -> String {
    let Some(Refusal { step, object, why }) = steps.first() else { return String::new() };
    format!("step {step}, `{object}`: {why}")
}

/// Holds the host of a plan against the host at hand.
///
/// # Errors
/// [`ApplyError::WrongHost`].
pub fn check_host(plan: &Plan, here: &HostIdentity) -> Result<(), ApplyError> {
    if plan.host.digest == here.digest {
        return Ok(());
    }
    let name = |host: &HostIdentity| format!("{} ({})", host.hostname, host.digest.short());
    Err(ApplyError::WrongHost { planned: name(&plan.host), here: name(here) })
}

/// Says whether a plan can be applied with what was agreed to, before anything is looked at.
///
/// # Errors
/// [`ApplyError::Irreversible`], [`ApplyError::AffectsCalls`], [`ApplyError::RestoresMalicious`] and those of a plan that cannot be applied at all.
pub fn check_consent(plan: &Plan, consent: Consent) -> Result<(), ApplyError> {
    run::check_plan(plan, consent)
}

/// Applies a plan as a new run.
///
/// Steps that the plan itself marks as blocked or in need of an answer are left out and recorded as such; so are, with
/// [`Consent::skip_stale`], stale ones and every later step on the same object.
///
/// # Errors
/// When nothing was changed because something stands against it, or when the run cannot be recorded. A step that fails is no
/// error: see [`RunReport::stopped`].
pub fn apply(request: ApplyRequest<'_>) -> Result<RunReport, ApplyError> {
    run::apply(request, &NoFaults)
}

/// Brings a run to its end that stopped or crashed; a run that is at its end is only reported.
///
/// # Errors
/// As [`apply`]. The run can still be resumed or rolled back.
pub fn resume(request: ResumeRequest<'_>) -> Result<RunReport, ApplyError> {
    run::resume(request, &NoFaults)
}

/// Puts a crashed run in order without going on: the step that was cut short is brought to one of its two ends. What a
/// rollback needs first.
///
/// # Errors
/// When the target or the journal cannot be brought in order.
pub fn settle(request: ResumeRequest<'_>) -> Result<RunReport, ApplyError> {
    run::settle(request, &NoFaults)
}
