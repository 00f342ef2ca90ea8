//! The host that runs: looked at for plans, and changed by nobody but `apply`.

mod command;
mod process;
mod service;

use crate::action::{LiveAction, LiveState, Living};
use crate::model::{Digest, EvidencePath};
use std::io::{self, Read};
use std::path::PathBuf;

/// Says whether a package of the host has this content at this place.
pub type Vouches = dyn Fn(&EvidencePath, &Digest) -> bool + Send + Sync;

/// The running host that this very process is part of.
pub struct LivingHost {
    proc: PathBuf,
    is_vouched: Box<Vouches>,
}

impl std::fmt::Debug for LivingHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LivingHost").field("proc", &self.proc).finish_non_exhaustive()
    }
}

/// A copy of something that is about to go, by what a person calls it; or why there is none.
pub(super) type Remains = (String, Result<Box<dyn Read>, String>);

impl LivingHost {
    /// This host. What `is_vouched` knows as a package's own is never signalled, unless it is an interpreter, which was convicted for what
    /// it was told to run.
    pub fn here(is_vouched: Box<Vouches>) -> Self {
        Self { proc: PathBuf::from("/proc"), is_vouched }
    }

    /// What is kept of an object before it goes.
    pub(super) fn remains(&self, action: &LiveAction, now: &LiveState) -> Vec<Remains> {
        match (action, now) {
            (LiveAction::KillProcess { .. }, LiveState::Processes { running }) => process::remains(&self.proc, running),
            _ => Vec::new(),
        }
    }

    /// Carries an action out on an object that was `before` a moment ago. Gives what a person should know although it went well.
    pub(super) fn perform(&self, action: &LiveAction, before: &LiveState) -> io::Result<Vec<String>> {
        match (action, before) {
            (LiveAction::FreezeProcess { .. }, LiveState::Processes { running }) => {
                process::freeze(&self.proc, running).map(|()| Vec::new())
            }
            (LiveAction::KillProcess { .. }, LiveState::Processes { running }) => {
                let again = || self.observe(action).map_err(io::Error::other);
                process::kill(&self.proc, running, &again)
            }
            (LiveAction::ThawProcess { .. }, LiveState::Processes { running }) => {
                process::thaw(&self.proc, running).map(|()| Vec::new())
            }
            (LiveAction::ControlService { unit, verb }, _) => service::control(unit, *verb).map(|()| Vec::new()),
            (LiveAction::RunCommand { argv, limit_seconds, .. }, LiveState::Program { sha256, .. }) => {
                command::run(argv, *limit_seconds, sha256)
            }
            _ => Err(io::Error::other("nobody has looked at it")),
        }
    }
}

impl Living for LivingHost {
    fn observe(&self, action: &LiveAction) -> Result<LiveState, String> {
        match action {
            LiveAction::FreezeProcess { which, programs, .. } | LiveAction::KillProcess { which, programs, .. } => {
                process::matching(&self.proc, which, programs, &*self.is_vouched)
            }
            LiveAction::ThawProcess { processes } => process::these(&self.proc, processes),
            LiveAction::ControlService { unit, .. } => service::state(unit).map(LiveState::Service),
            LiveAction::RunCommand { argv, .. } => command::look(argv),
        }
    }
}
