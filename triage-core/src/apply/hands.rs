//! Where a change is made, and where it can be made to fail.
//!
//! Every call that alters a target or a run folder passes here, so that a test can cut the power before and after each.

use crate::journal::{Event, Journal, JournalError};
use crate::model::Clock;
use std::io;

/// Asked before and after each altering call.
pub(super) trait Faults {
    /// Answers whether to go on. [`Cut`] unwinds without another altering call, as a crash would.
    fn at(&self, moment: Moment, doing: &'static str) -> Result<(), Cut>;

    /// The error that a call gives instead of being made.
    fn error(&self, _doing: &'static str) -> Option<io::Error> {
        None
    }
}

/// On which side of an altering call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Before,
    After,
}

/// A crash that a test asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut;

/// No faults but the world's own.
pub(super) struct NoFaults;

impl Faults for NoFaults {
    fn at(&self, _: Moment, _: &'static str) -> Result<(), Cut> {
        Ok(())
    }
}

/// Why a step was not brought to its end.
#[derive(Debug)]
pub(super) enum Halt {
    /// A test cut the power: nothing more may be altered, on the way out either.
    Cut,
    /// The operating system refused or failed.
    Io { doing: &'static str, source: io::Error },
    /// The journal or vault failed: without them nothing is done.
    Journal(JournalError),
}

impl From<Cut> for Halt {
    fn from(_: Cut) -> Self {
        Self::Cut
    }
}

impl From<JournalError> for Halt {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// For reading calls: `.map_err(failed("looking at it"))`.
pub(super) fn failed(doing: &'static str) -> impl FnOnce(io::Error) -> Halt {
    move |source| Halt::Io { doing, source }
}

/// The altering calls of one run.
pub(super) struct Hands<'a> {
    pub(super) journal: Journal,
    clock: &'a dyn Clock,
    faults: &'a dyn Faults,
    /// Device and inode of the new object of the intent that is being carried out.
    pub(super) prepared: Option<(u64, u64)>,
}

impl<'a> Hands<'a> {
    pub(super) fn new(journal: Journal, clock: &'a dyn Clock, faults: &'a dyn Faults) -> Self {
        Self { journal, clock, faults, prepared: None }
    }

    /// Makes one altering call on the target.
    pub(super) fn act<T>(&self, doing: &'static str, call: impl FnOnce() -> io::Result<T>) -> Result<T, Halt> {
        self.faults.at(Moment::Before, doing)?;
        let done = match self.faults.error(doing) {
            Some(error) => Err(error),
            None => call(),
        };
        self.faults.at(Moment::After, doing)?;
        done.map_err(failed(doing))
    }

    /// Writes a journal line; it is on the device when this returns.
    pub(super) fn note(&mut self, event: Event) -> Result<(), Halt> {
        match &event {
            Event::Intent(_) => self.prepared = None,
            Event::Prepared { device, inode, .. } => self.prepared = Some((*device, *inode)),
            _ => {}
        }
        self.faults.at(Moment::Before, "writing to the journal")?;
        let done = match self.faults.error("writing to the journal") {
            Some(source) => Err(JournalError::Io { doing: "writing", what: "the journal".to_owned(), source }),
            None => self.journal.append(self.clock.now(), event),
        };
        self.faults.at(Moment::After, "writing to the journal")?;
        Ok(done?)
    }

    /// Writes a line to the journal of another run.
    pub(super) fn note_elsewhere(&self, journal: &mut Journal, event: Event) -> Result<(), Halt> {
        self.faults.at(Moment::Before, "writing to the other journal")?;
        let done = journal.append(self.clock.now(), event);
        self.faults.at(Moment::After, "writing to the other journal")?;
        Ok(done?)
    }

    /// Does something with the vault.
    pub(super) fn keep<T>(&self, call: impl FnOnce(&Journal) -> Result<T, JournalError>) -> Result<T, Halt> {
        self.faults.at(Moment::Before, "writing to the vault")?;
        let done = match self.faults.error("writing to the vault") {
            Some(source) => Err(JournalError::Io { doing: "writing to", what: "the vault".to_owned(), source }),
            None => call(&self.journal),
        };
        self.faults.at(Moment::After, "writing to the vault")?;
        Ok(done?)
    }
}
