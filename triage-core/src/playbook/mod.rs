//! Playbooks: what to do about which findings, as data that needs no code.
//!
//! A playbook is a YAML file (`docs/formats/playbook.md`). Everything that can be wrong with it is found when it is loaded and
//! told with line and column: misspelt fields, words and names, expressions that do not compile, steps that would hand an action
//! the wrong kind of object. Playbooks are pure: they select findings by handle and never see the host.
//!
//! The file is read with hard limits and without anchors, aliases, merge keys and repeated keys: what a reviewer reads is what runs.

mod error;
mod expression;
mod load;

pub use crate::model::Mistake;
pub use error::PlaybookError;
pub use expression::Facts;

use crate::builtin::BUILTIN_PLAYBOOKS;
use crate::model::{Subject, escape};
use expression::Expression;
use serde::{Deserialize, Serialize};

/// When a step runs. Within a phase steps run in the order of the playbooks and of their steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Stop what puts things back: watchdogs, beacons.
    Freeze,
    /// Take out what the intruder left.
    Remove,
    /// Put right what the intruder changed.
    Repair,
    /// Change what the intruder knows: locks, passwords, keys.
    Rotate,
    /// See whether it worked.
    Verify,
}

/// What a step could do to the service while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Affects {
    Calls,
    Web,
    Ssh,
    Database,
}

/// How much can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Risk {
    Low,
    Medium,
    High,
}

/// The actions that a playbook can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ActionKind {
    /// For findings about files.
    QuarantineFile,
    /// For findings about lines of crontabs and other text files.
    RemoveLines,
    /// For findings about accounts.
    LockAccount,
}

impl ActionKind {
    /// The word in a playbook.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QuarantineFile => "quarantine_file",
            Self::RemoveLines => "remove_lines",
            Self::LockAccount => "lock_account",
        }
    }

    /// Says whether it can be done to such a subject.
    pub fn takes(self, subject: &Subject) -> bool {
        matches!(
            (self, subject),
            (Self::QuarantineFile, Subject::File { .. })
                | (Self::RemoveLines, Subject::CronEntry { .. } | Subject::Line { .. })
                | (Self::LockAccount, Subject::Account { .. })
        )
    }

    /// The subjects that it takes, as a person reads them.
    pub fn subjects(self) -> &'static str {
        match self {
            Self::QuarantineFile => "file",
            Self::RemoveLines => "cron_entry and line",
            Self::LockAccount => "account",
        }
    }
}

/// A playbook that was loaded and holds together.
#[derive(Debug)]
pub struct Playbook {
    /// Its name, `freepbx/web-shell`.
    pub name: String,
    /// What it is for, in one line.
    pub title: String,
    /// What it does and does not do.
    pub description: String,
    /// Where its knowledge comes from.
    pub references: Vec<String>,
    /// Its steps as written.
    pub steps: Vec<PlaybookStep>,
}

/// One step of a playbook: an action for each finding that it selects.
#[derive(Debug)]
pub struct PlaybookStep {
    /// Its name within the playbook.
    pub id: String,
    /// What it does, with `{path}`, `{name}` and `{count}` for what it is done to.
    pub title: String,
    /// When it runs.
    pub phase: Phase,
    /// What is done.
    pub action: ActionKind,
    /// Steps of this playbook that run before it.
    pub requires: Vec<String>,
    /// How much can go wrong.
    pub risk: Risk,
    /// Which services it can touch.
    pub affects: Vec<Affects>,
    for_each: Expression,
    when: Option<Expression>,
}

impl Playbook {
    /// The indices of the findings that a step of this playbook is done to, ascending; none where its `when` does not hold.
    ///
    /// # Errors
    /// [`PlaybookError::Evaluation`] when an expression fails on these findings.
    pub fn select(&self, step: &PlaybookStep, facts: &Facts) -> Result<Vec<usize>, PlaybookError> {
        let failed = |fault: expression::Fault| PlaybookError::Evaluation {
            name: escape(self.name.as_bytes()),
            step: step.id.clone(),
            detail: fault.detail,
        };
        if let Some(when) = &step.when
            && !when.holds(facts).map_err(failed)?
        {
            return Ok(Vec::new());
        }
        step.for_each.select(facts).map_err(failed)
    }
}

/// Loads a built-in playbook; none where there is no such name.
pub fn builtin(name: &str) -> Option<Result<Playbook, PlaybookError>> {
    builtin_text(name).map(|text| Playbook::load(name, text))
}

/// The names of the built-in playbooks: their paths without the ending.
pub fn builtin_names() -> impl Iterator<Item = &'static str> {
    BUILTIN_PLAYBOOKS.iter().filter_map(|(path, _)| path.strip_suffix(".yaml"))
}

/// The text of a built-in playbook, to be shown or copied.
pub fn builtin_text(name: &str) -> Option<&'static str> {
    BUILTIN_PLAYBOOKS.iter().find(|(path, _)| path.strip_suffix(".yaml") == Some(name)).map(|(_, text)| *text)
}
