//! What is done to a host that runs: its processes, its services, its programs.
//!
//! The same five parts as for a file. What such an object is now, only the living host can say; so observing is a [`Living`], which
//! `apply` has, and which a plan of an image or of a bundle lacks. Everything else is pure.

mod command;
mod process;
mod service;

pub use command::Argv;
pub use process::{ProcessId, ProcessSelector, RunningProcess};
pub use service::{ServiceState, ServiceVerb};

use super::Obstacle;
use crate::model::{Digest, RawText};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// One thing to do to a living object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LiveAction {
    /// Stops processes where they are (`SIGSTOP`), so that they put nothing back while the rest is removed.
    FreezeProcess {
        /// Which.
        #[serde(flatten)]
        which: ProcessSelector,
        /// SHA-256 of the programs that were seen to run; a process that runs another one is not touched. Empty where nobody could look.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        programs: BTreeSet<Digest>,
        /// The most processes that may be meant.
        max: u64,
    },
    /// Ends processes (`SIGKILL`), once a copy of what they run and their memory maps are in the vault.
    KillProcess {
        /// Which.
        #[serde(flatten)]
        which: ProcessSelector,
        /// As in `freeze_process`.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        programs: BTreeSet<Digest>,
        /// The most processes that may be meant.
        max: u64,
    },
    /// Lets frozen processes go on (`SIGCONT`). Only rollback plans have it.
    ThawProcess {
        /// Which: these and no others.
        processes: Vec<ProcessId>,
    },
    /// Asks the service manager of the host to do something with a service.
    ControlService {
        /// Its name as the service manager knows it: `apache2.service`.
        unit: RawText,
        /// What.
        verb: ServiceVerb,
    },
    /// Runs a program of the host, with arguments as they stand and never through a shell.
    RunCommand {
        /// The program, from the root, and its arguments.
        argv: Argv,
        /// How long it may take, in seconds.
        limit_seconds: u64,
        /// What undoes it; none where nothing does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undo: Option<Argv>,
    },
}

/// What a living object is, as far as it matters to the actions on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "living", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LiveState {
    /// Nobody could look: a plan that was made elsewhere.
    Unseen,
    /// The processes that are meant.
    Processes {
        /// In the order of their numbers.
        running: Vec<RunningProcess>,
    },
    /// A service, as its manager tells.
    Service(ServiceState),
    /// A program that can be run.
    Program {
        /// SHA-256 of its file.
        sha256: Digest,
        /// Says that it was run by the step.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        has_run: bool,
    },
}

/// Whether something is to be done, for the object as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveChange {
    /// The object already is as the action wants it.
    Nothing,
    /// The action is to be carried out.
    Perform,
}

/// What becomes of a live action when its run is rolled back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "snake_case")]
pub enum Undo {
    /// This action brings back what was.
    By {
        /// It.
        #[serde(rename = "with")]
        action: Box<LiveAction>,
    },
    /// Nothing is brought back; but once everything else of the run is, this makes it hold: a service reads its files again.
    Afterwards {
        /// It.
        #[serde(rename = "with")]
        action: Box<LiveAction>,
    },
    /// Nothing brings it back.
    Impossible {
        /// What of it is kept, and what is not.
        why: String,
    },
}

/// A host that runs, as a plan sees it. It changes nothing.
pub trait Living {
    /// What the object of an action is now.
    ///
    /// # Errors
    /// Why it cannot be looked at, for a person: no service manager, no right, no such program.
    fn observe(&self, action: &LiveAction) -> Result<LiveState, String>;
}

/// What a live action is about: the key by which steps on one object are brought together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LiveObject {
    /// Processes, by what they run and how they were called.
    Processes(ProcessSelector),
    /// Processes by their numbers.
    Process(Vec<ProcessId>),
    /// A service.
    Service(RawText),
    /// A program with its arguments.
    Command(Argv),
}

impl fmt::Display for LiveObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processes(which) => write!(f, "{which}"),
            Self::Process(ids) => {
                let pids: Vec<String> = ids.iter().map(|id| id.pid.to_string()).collect();
                write!(f, "process {}", pids.join(", "))
            }
            Self::Service(unit) => write!(f, "service {unit}"),
            Self::Command(argv) => write!(f, "`{argv}`"),
        }
    }
}

impl LiveAction {
    /// What it is about.
    pub fn object(&self) -> LiveObject {
        match self {
            Self::FreezeProcess { which, .. } | Self::KillProcess { which, .. } => LiveObject::Processes(which.clone()),
            Self::ThawProcess { processes } => LiveObject::Process(processes.clone()),
            Self::ControlService { unit, .. } => LiveObject::Service(unit.clone()),
            Self::RunCommand { argv, .. } => LiveObject::Command(argv.clone()),
        }
    }

    /// The word in JSON's `action`, and the name of its page in `docs/actions/` with `-` for `_`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::FreezeProcess { .. } => "freeze_process",
            Self::KillProcess { .. } => "kill_process",
            Self::ThawProcess { .. } => "thaw_process",
            Self::ControlService { .. } => "control_service",
            Self::RunCommand { .. } => "run_command",
        }
    }

    /// Whether anything is to be done for an object that is `now`. Pure, as [`super::Action::change`] is.
    ///
    /// # Errors
    /// [`Obstacle::Stale`] when the object is not what the action expects, [`Obstacle::Blocked`] when it must not be done.
    pub fn change(&self, now: &LiveState) -> Result<LiveChange, Obstacle> {
        match (self, now) {
            (Self::FreezeProcess { programs, max, .. }, LiveState::Processes { running }) => {
                process::change(running, programs, *max, |process| !process.is_frozen)
            }
            (Self::KillProcess { programs, max, .. }, LiveState::Processes { running }) => {
                process::change(running, programs, *max, |_| true)
            }
            (Self::ThawProcess { .. }, LiveState::Processes { running }) => Ok(process::thaw(running)),
            (Self::ControlService { unit, verb }, LiveState::Service(state)) => service::change(unit, *verb, state),
            (Self::RunCommand { .. }, LiveState::Program { has_run, .. }) => {
                Ok(if *has_run { LiveChange::Nothing } else { LiveChange::Perform })
            }
            _ => Err(Obstacle::Blocked("it could not be looked at".to_owned())),
        }
    }

    /// The object after the action was carried out, as far as it can be known before.
    pub fn predict(&self, now: &LiveState) -> LiveState {
        match (self, now) {
            (Self::FreezeProcess { .. }, LiveState::Processes { running }) => process::all(running, true),
            (Self::ThawProcess { .. }, LiveState::Processes { running }) => process::all(running, false),
            (Self::KillProcess { .. }, LiveState::Processes { .. }) => LiveState::Processes { running: Vec::new() },
            (Self::ControlService { verb, .. }, LiveState::Service(state)) => LiveState::Service(verb.after(state)),
            (Self::RunCommand { .. }, LiveState::Program { sha256, .. }) => {
                LiveState::Program { sha256: *sha256, has_run: true }
            }
            _ => now.clone(),
        }
    }

    /// What undoes it, for an object that was `before`.
    pub fn undo(&self, before: &LiveState) -> Undo {
        let by = |action| Undo::By { action: Box::new(action) };
        match (self, before) {
            (Self::FreezeProcess { .. }, LiveState::Processes { running }) => {
                let moving = running.iter().filter(|process| !process.is_frozen);
                by(Self::ThawProcess { processes: moving.map(|process| process.id).collect() })
            }
            (Self::KillProcess { .. }, _) => Undo::Impossible {
                why: "a process that was ended is not started again; what it ran and its memory maps are in the vault"
                    .to_owned(),
            },
            (Self::ThawProcess { .. }, _) => Undo::Impossible { why: "what was let go on has gone on".to_owned() },
            (Self::ControlService { unit, verb }, LiveState::Service(state)) => match verb.undone_by(state) {
                Some(verb) => by(Self::ControlService { unit: unit.clone(), verb }),
                // What it read when it was started may be put back by then.
                None => Undo::Afterwards {
                    action: Box::new(Self::ControlService { unit: unit.clone(), verb: verb.again() }),
                },
            },
            (Self::RunCommand { limit_seconds, undo: Some(undo), argv }, _) => {
                by(Self::RunCommand { argv: undo.clone(), limit_seconds: *limit_seconds, undo: Some(argv.clone()) })
            }
            (Self::RunCommand { undo: None, .. }, _) => {
                Undo::Impossible { why: "the playbook names no command that undoes it".to_owned() }
            }
            _ => Undo::Impossible { why: "nobody saw what it was before".to_owned() },
        }
    }

    /// Says whether a rollback brings back what it changes.
    pub fn is_reversible(&self) -> bool {
        match self {
            Self::FreezeProcess { .. } | Self::ControlService { .. } => true,
            Self::KillProcess { .. } | Self::ThawProcess { .. } => false,
            Self::RunCommand { undo, .. } => undo.is_some(),
        }
    }

    /// Says whether one may do it again when nobody knows whether it was done: what it is to bring about can be seen.
    pub fn is_repeatable(&self) -> bool {
        !matches!(self, Self::RunCommand { .. })
    }

    /// Says whether it may change files on the way, which it does not name.
    pub fn is_opaque(&self) -> bool {
        matches!(self, Self::RunCommand { .. } | Self::ControlService { .. })
    }

    /// The change as a person reads it, one line for each thing that it does. Names are escaped.
    pub fn preview(&self, now: &LiveState, change: LiveChange) -> String {
        let object = self.object();
        if change == LiveChange::Nothing {
            return format!("leaves {object} as it is\n");
        }
        match (self, now) {
            (Self::FreezeProcess { .. }, LiveState::Processes { running }) => process::told("freezes", running),
            (Self::KillProcess { .. }, LiveState::Processes { running }) => process::told("ends", running),
            (Self::ThawProcess { .. }, LiveState::Processes { running }) => process::told("lets go on", running),
            (Self::ControlService { verb, unit }, LiveState::Service(state)) => {
                format!("{verb}s {unit}, which is {state}\n")
            }
            (Self::RunCommand { argv, limit_seconds, undo }, _) => {
                let undo = undo.as_ref().map_or("nothing undoes it".to_owned(), |undo| format!("undone by `{undo}`"));
                format!("runs `{argv}` for at most {limit_seconds} s; {undo}\n")
            }
            _ => format!("{} {object}; what it is now can only be seen on the host\n", self.kind().replace('_', " ")),
        }
    }
}

impl LiveState {
    /// The names of what differs in a way that matters to a rollback.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let (a, b) = match (self, other) {
            (Self::Unseen, _) | (_, Self::Unseen) => return Vec::new(),
            (Self::Service(a), Self::Service(b)) => return a.differences(b),
            (a, b) => (a, b),
        };
        if a == b { Vec::new() } else { vec!["what runs".to_owned()] }
    }
}
