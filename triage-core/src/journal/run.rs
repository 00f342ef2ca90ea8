//! One run, read back from its folder.

use super::chain::{self, Chain, Line};
use super::event::{Event, Holds, Intent, LiveIntent, RunId, RunStarted, StepOutcome, StepResult};
use super::runs::{JOURNAL, PLAN, open_vault};
use super::{JournalError, Vault};
use crate::action::State;
use crate::model::{Digest, FileMeta, escape};
use crate::plan::Plan;
use crate::sys::look;
use rustix::fs::{Mode, OFlags};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// One run, as its folder tells it.
#[derive(Debug)]
pub struct Run {
    started: RunStarted,
    plan: Plan,
    pub(super) chain: Chain,
    vault: Vault,
    is_busy: bool,
    /// Where the last word about each step stands: a run has thousands of steps, and each is asked about several times.
    words: BTreeMap<u32, Words>,
    undone: BTreeSet<u32>,
}

/// The numbers of the lines that tell of a step.
#[derive(Clone, Copy, Debug, Default)]
struct Words {
    intent: Option<usize>,
    prepared: Option<(u64, u64)>,
    outcome: Option<usize>,
    seen_again: Option<usize>,
    is_dangling: bool,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// A process is working on it.
    Running,
    /// It ended without a last line: the process or the machine died. `resume` and `rollback` both work.
    Crashed,
    /// It stopped in good order before its end. `resume` and `rollback` both work.
    Interrupted,
    /// Every step is done, or had nothing to do.
    Applied,
    /// It came to its end, and some steps were refused or failed.
    PartlyApplied,
    /// Some of what it did was undone.
    PartlyRolledBack,
    /// All that it did was undone.
    RolledBack,
}

/// What a run's journal says of one step.
#[derive(Clone, Debug)]
pub struct StepRecord<'a> {
    /// Its number.
    pub number: u32,
    /// Its last intent, for a step on a file.
    pub intent: Option<&'a Intent>,
    /// Its last intent, for a step on the running host.
    pub live: Option<&'a LiveIntent>,
    /// Device and inode of the new object of that intent.
    pub prepared: Option<(u64, u64)>,
    /// Its last outcome.
    pub outcome: Option<&'a StepOutcome>,
    /// The object as the run left it: by the step itself, or by a later step that changed it on the way.
    pub after: Option<&'a State>,
    /// Says that the intent has no outcome yet: only the target itself can tell what holds.
    pub is_dangling: bool,
    /// Says that it was undone by a later run.
    pub is_undone: bool,
}

impl StepRecord<'_> {
    /// Says whether the step changed its object, that change stands, and nobody undid it.
    pub fn is_in_force(&self) -> bool {
        !self.is_dangling
            && !self.is_undone
            && (self.intent.is_some() || self.live.is_some())
            && self.outcome.is_some_and(|o| o.holds != Holds::Before && o.result != StepResult::NoOp)
    }
}

impl Run {
    /// Reads a run folder: what `dir` is open on, called `what`.
    pub(super) fn read(dir: &OwnedFd, what: &str, is_busy: bool) -> Result<Self, JournalError> {
        let journal_path = format!("{what}/journal.jsonl");
        let bytes = read_file(dir, JOURNAL).map_err(JournalError::io("reading", &*journal_path))?;
        let chain = chain::read(&journal_path, &bytes)?;
        let damaged = |what: &str, detail: String| JournalError::Damaged { what: what.to_owned(), detail };
        let Some(Line { event: Event::RunStarted(started), .. }) = chain.lines.first() else {
            return Err(damaged(&journal_path, "it does not begin with `run_started`".to_owned()));
        };
        let plan_path = format!("{what}/plan.json");
        let json = read_file(dir, PLAN).map_err(JournalError::io("reading", &*plan_path))?;
        let found = Digest::of(&json);
        if found != started.plan {
            let detail = format!("its digest is {found}, and the journal says {}", started.plan);
            return Err(damaged(&plan_path, detail));
        }
        let plan = serde_json::from_slice(&json).map_err(|error| damaged(&plan_path, error.to_string()))?;
        let started = (**started).clone();
        let (words, undone) = last_words(&chain);
        Ok(Self { started, plan, chain, vault: open_vault(dir, what)?, is_busy, words, undone })
    }

    /// Reads a run folder that lies anywhere, outside of a state folder: a copy, an exhibit.
    ///
    /// # Errors
    /// As [`Runs::run`](crate::journal::Runs::run).
    pub fn at(folder: &Path) -> Result<Self, JournalError> {
        let what = escape(folder.as_os_str().as_bytes());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(folder, flags, Mode::empty())
            .map_err(|error| JournalError::io("opening", &*what)(error.into()))?;
        Self::read(&dir, &what, false)
    }

    /// Its name.
    pub fn id(&self) -> &RunId {
        &self.started.run
    }

    /// Its first line.
    pub fn started(&self) -> &RunStarted {
        &self.started
    }

    /// The plan as it was applied.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Every line of its journal.
    pub fn lines(&self) -> &[Line] {
        &self.chain.lines
    }

    /// Half a line that a crash left at the end.
    pub fn torn(&self) -> Option<&chain::Torn> {
        self.chain.torn.as_ref()
    }

    /// The digest of the last line.
    pub fn head(&self) -> Digest {
        self.chain.head
    }

    /// The originals that it kept.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// What the journal says of every step of the plan, in the plan's order.
    pub fn steps(&self) -> Vec<StepRecord<'_>> {
        self.plan.steps.iter().map(|step| self.step(step.number)).collect()
    }

    /// What the journal says of one step.
    pub fn step(&self, number: u32) -> StepRecord<'_> {
        let words = self.words.get(&number).copied().unwrap_or_default();
        let event = |at: Option<usize>| at.and_then(|at| self.chain.lines.get(at)).map(|line| &line.event);
        let (intent, live) = match event(words.intent) {
            Some(Event::Intent(intent)) => (Some(&**intent), None),
            Some(Event::LiveIntent(live)) => (None, Some(&**live)),
            _ => (None, None),
        };
        let outcome = match event(words.outcome) {
            Some(Event::Outcome(outcome)) => Some(&**outcome),
            _ => None,
        };
        let after = match event(words.seen_again) {
            Some(Event::SeenAgain { after, .. }) => Some(after),
            _ => outcome.and_then(|outcome| outcome.after.as_ref()),
        };
        StepRecord {
            number,
            intent,
            live,
            prepared: words.prepared,
            outcome,
            after,
            is_dangling: words.is_dangling,
            is_undone: self.undone.contains(&number),
        }
    }

    /// The step whose intent has no outcome; at most one can be.
    pub fn dangling(&self) -> Option<StepRecord<'_>> {
        self.steps().into_iter().find(|step| step.is_dangling)
    }

    /// Says whether every step has its last word.
    pub fn is_finished(&self) -> bool {
        self.chain.lines.iter().any(|line| matches!(line.event, Event::RunFinished { .. }))
    }

    /// Where it stands.
    pub fn state(&self) -> RunState {
        let steps = self.steps();
        let undone = steps.iter().filter(|step| step.is_undone).count();
        let in_force = steps.iter().filter(|step| step.is_in_force()).count();
        let mut last = self.chain.lines.iter().rev().map(|line| &line.event);
        let last = last.find(|event| !matches!(event, Event::RolledBack { .. } | Event::Reapplied { .. }));
        if self.is_busy {
            RunState::Running
        } else if undone > 0 && in_force == 0 && !steps.iter().any(|step| step.is_dangling) {
            RunState::RolledBack
        } else if undone > 0 {
            RunState::PartlyRolledBack
        } else {
            match last {
                Some(Event::RunFinished { .. }) => {
                    let is_whole = steps.iter().all(|step| step.outcome.is_some_and(|o| o.result.is_good()));
                    if is_whole { RunState::Applied } else { RunState::PartlyApplied }
                }
                Some(Event::Interrupted { .. }) => RunState::Interrupted,
                _ => RunState::Crashed,
            }
        }
    }

    /// The directory of a step's object as the step found it and as it left it.
    pub(crate) fn parents(&self, number: u32) -> Option<(&FileMeta, &FileMeta)> {
        let record = self.step(number);
        Some((&record.intent?.parent, record.outcome?.parent.as_ref()?))
    }
}

fn last_words(chain: &Chain) -> (BTreeMap<u32, Words>, BTreeSet<u32>) {
    let mut words: BTreeMap<u32, Words> = BTreeMap::new();
    let mut undone = BTreeSet::new();
    for (at, line) in chain.lines.iter().enumerate() {
        match &line.event {
            Event::Intent(intent) => {
                let word = words.entry(intent.step).or_default();
                (word.intent, word.prepared, word.is_dangling) = (Some(at), None, true);
            }
            Event::LiveIntent(intent) => {
                let word = words.entry(intent.step).or_default();
                (word.intent, word.prepared, word.is_dangling) = (Some(at), None, true);
            }
            Event::SeenAgain { step, .. } => words.entry(*step).or_default().seen_again = Some(at),
            Event::Prepared { step, device, inode } => {
                words.entry(*step).or_default().prepared = Some((*device, *inode));
            }
            Event::Outcome(outcome) => {
                let word = words.entry(outcome.step).or_default();
                (word.outcome, word.seen_again, word.is_dangling) = (Some(at), None, false);
            }
            Event::RolledBack { steps, .. } => undone.extend(steps),
            Event::Reapplied { steps, .. } => undone.retain(|step| !steps.contains(step)),
            _ => {}
        }
    }
    (words, undone)
}

fn read_file(dir: impl AsFd, name: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::from(look::open_file(dir, name)?).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::journal::Line;

    const V1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/runs/v1");

    fn fixture(name: &str) -> Run {
        Run::at(&Path::new(V1).join(name)).unwrap()
    }

    /// Folders of version 1 stay readable for ever: what was done to a host years ago can still be explained and undone. The run was
    /// cut off by a crash between the exchange and the outcome of step 2, resumed, and rolled back.
    #[test]
    fn version_1_is_read_for_ever() {
        let run = fixture("20260102T030405Z-2e6edf");
        assert_eq!(run.head().to_string(), HEAD);
        assert_eq!(run.state(), RunState::RolledBack);
        let results: Vec<&StepResult> = run.steps().iter().map(|step| &step.outcome.unwrap().result).collect();
        assert_eq!(results[..3], [&StepResult::Done, &StepResult::Done, &StepResult::NoOp]);
        assert!(matches!(results[3], StepResult::Stale { why } if why == "the file is gone"));
        assert!(run.steps().iter().take(2).all(|step| step.is_undone && step.intent.is_some()));
        assert_eq!(run.step(2).prepared, Some((65_024, 10_094_922)));
        for step in run.steps().iter().filter_map(|step| step.intent) {
            let crate::action::State::Present(before) = &step.before else { panic!() };
            run.vault().verify(&before.sha256.unwrap()).unwrap();
        }

        let rollback = fixture("20260102T030415Z-b2dce8");
        assert_eq!(rollback.state(), RunState::Applied);
        assert_eq!(rollback.started().rollback_of.as_ref(), Some(run.id()));
    }

    const HEAD: &str = "b1ec3f1560c3a20b4e1973ff9280fc0fc7a446ecda2d91343f64924b0384e992";

    /// The digests of a journal can be checked with `sed -n Np journal.jsonl | sha256sum`, and the lines read with any JSON reader.
    #[test]
    fn version_1_is_written_as_it_was() {
        for name in ["20260102T030405Z-2e6edf", "20260102T030415Z-b2dce8"] {
            let text = std::fs::read_to_string(Path::new(V1).join(name).join("journal.jsonl")).unwrap();
            let mut previous = "0".repeat(64);
            for line in text.split_inclusive('\n') {
                let read: Line = serde_json::from_str(line).unwrap();
                assert_eq!(read.previous.to_string(), previous);
                assert_eq!(format!("{}\n", serde_json::to_string(&read).unwrap()), line);
                previous = Digest::of(line.as_bytes()).to_string();
            }
        }
    }
}
