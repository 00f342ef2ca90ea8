//! What a journal line says.

use crate::action::live::Undo;
use crate::action::{LiveAction, LiveState, State};
use crate::model::{Digest, EvidencePath, FileMeta, HostIdentity};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::str::FromStr;

/// The name of a run and of its folder: the time it began, to the second, and six random hexadecimal digits,
/// `20260102T030405Z-1f2e3d`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    pub(crate) fn new(compact_time: &str, random: &str) -> Self {
        Self(format!("{compact_time}-{random}"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = String;

    /// Takes letters, digits and `-`, which is what makes it safe as the name of a folder.
    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = !text.is_empty() && text.len() <= 64 && !text.starts_with('-');
        if is_name && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("`{}` is not the name of a run", crate::model::escape(text.as_bytes())))
        }
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One step of one run, `20260102T030405Z-1f2e3d#4` in text. A rollback plan's step names by it, in its `source`, what it undoes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRef {
    /// The run.
    pub run: RunId,
    /// The step's number in that run's plan.
    pub step: u32,
}

impl StepRef {
    /// The name under which the original of this step is put beside what somebody else has put in its place: `NAME.triage-RUN-STEP`.
    pub(crate) fn beside(&self, path: &EvidencePath) -> EvidencePath {
        let name = [path.file_name(), format!(".triage-{}-{}", self.run, self.step).as_bytes()].concat();
        path.parent().unwrap_or_else(EvidencePath::root).join(&name)
    }
}

impl FromStr for StepRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` does not name a step of a run", crate::model::escape(text.as_bytes()));
        let (run, step) = text.split_once('#').ok_or_else(wrong)?;
        Ok(Self { run: run.parse()?, step: step.parse().map_err(|_| wrong())? })
    }
}

impl fmt::Display for StepRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.run, self.step)
    }
}

/// What happened; in JSON `kind` is the variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The first line of every journal.
    RunStarted(Box<RunStarted>),
    /// A step is about to be done. On the device before the first change.
    Intent(Box<Intent>),
    /// A step on the running host is about to be done. On the device before it is. Since version 2.
    LiveIntent(Box<LiveIntent>),
    /// An object of an earlier step as a later one of the same run left it: a command, a service that was started again. Since version 2.
    SeenAgain {
        /// The earlier step.
        step: u32,
        /// Its object.
        after: State,
    },
    /// The new object is complete under its private name; from here on the old one may be exchanged for it.
    Prepared {
        /// The step.
        step: u32,
        /// Device and inode number of the new object: what tells it from anything that somebody else puts at that name.
        device: u64,
        /// See `device`.
        inode: u64,
    },
    /// How a step ended. On the device after the change is.
    Outcome(Box<StepOutcome>),
    /// The run stopped in good order before the end and can be resumed.
    Interrupted {
        /// The step that would have been next.
        next: u32,
        /// Why.
        why: String,
    },
    /// The run goes on after a stop or a crash.
    Resumed {
        /// SHA-256 of half a line that a crash had left at the end and that was set aside.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        torn: Option<Digest>,
    },
    /// Every step has an outcome.
    RunFinished {
        /// Steps that changed their object.
        done: u32,
        /// Steps that had nothing to do.
        no_op: u32,
        /// Steps that were refused.
        refused: u32,
    },
    /// Another run has undone steps of this one.
    RolledBack {
        /// That run.
        by: RunId,
        /// The numbers of the steps that are undone.
        steps: Vec<u32>,
    },
    /// The run that had undone steps of this one was itself undone: they hold again.
    Reapplied {
        /// The run that brought them back.
        by: RunId,
        /// The numbers of the steps that hold again.
        steps: Vec<u32>,
    },
}

/// What was to be done, for whom, and on what grounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStarted {
    /// 2; a run of version 1 has no `alter` and none of the later actions.
    pub format_version: u32,
    /// This run.
    pub run: RunId,
    /// `triage` and its version.
    pub tool: String,
    /// SHA-256 of `plan.json` beside the journal, which is what `apply --digest` compares.
    pub plan: Digest,
    /// The host that the plan is for.
    pub host: HostIdentity,
    /// The root of the target on this machine, escaped.
    pub root: String,
    /// What keeps the evidence.
    pub evidence: Evidence,
    /// What the person at the keyboard agreed to.
    pub consent: Consent,
    /// For a rollback, the run that it undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_of: Option<RunId>,
    /// Random hexadecimal digits, part of every private name of the run.
    pub token: String,
}

/// What keeps the evidence of the objects that a run changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A bundle that was verified before anything was changed.
    Bundle {
        /// Where it lay, escaped.
        path: String,
        /// Its digest.
        sha256: Digest,
        /// Objects that did not fit within its bounds; the run's own vault keeps them all the same.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left_out: Vec<EvidencePath>,
    },
    /// None: somebody said that they can do without.
    Waived,
    /// None is needed, because only what the vault of an earlier run holds is put back.
    Rollback,
}

/// What needs saying before it is done.
#[expect(clippy::struct_excessive_bools, reason = "each is a word of its own that somebody has said or not")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Steps whose object has changed since the plan are left out, with all later steps on the same object.
    #[serde(default)]
    pub skip_stale: bool,
    /// Malicious objects may be put back.
    #[serde(default)]
    pub restore_malicious: bool,
    /// Steps may be done that nothing undoes. Since version 2.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub irreversible: bool,
    /// Steps may be done that can cut calls off. Since version 2.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub call_impact: bool,
}

/// How a step changes its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The object is renamed to a private name, checked, and unlinked.
    Remove,
    /// A new object is made under a private name and exchanged for the old one, which is checked and unlinked.
    Exchange,
    /// A new object is made under a private name and renamed to a name that nothing has.
    Place,
    /// The object keeps its place, inode and content, and gets other metadata. Since version 2.
    Alter,
}

/// The names in the object's own directory that a step may use for a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateNames {
    /// Where the old object is held while it is checked.
    pub old: String,
    /// Where the new one is made; after an exchange, where the old one is checked.
    pub new: String,
}

/// What a step is about to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The step's number in the plan.
    pub step: u32,
    /// The object.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// How.
    pub method: Method,
    /// What is there. Its content, if it has one, is in the vault under its digest, unless the method is to alter.
    pub before: State,
    /// What will be there.
    pub after: State,
    /// Private names.
    pub names: PrivateNames,
    /// The object's directory before the step: its times and flags are put back by a rollback.
    pub parent: FileMeta,
}

/// What a step is about to do to the running host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveIntent {
    /// The step's number in the plan.
    pub step: u32,
    /// What it does, as in the plan.
    pub what: LiveAction,
    /// What is there.
    pub before: LiveState,
    /// What will be there.
    pub after: LiveState,
    /// What a rollback does.
    pub undo: Undo,
    /// What of it is in the vault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Kept>,
}

/// Something of a living object that was copied into the vault before it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What it is: `/proc/612/exe`, `/proc/612/maps`.
    pub what: String,
    /// Its SHA-256, and thereby its name in the vault.
    pub sha256: Digest,
}

/// Which of the two states of an intent is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// The object is as the step found it.
    Before,
    /// The object is as the step was to leave it.
    After,
    /// The object is something else, which somebody else made.
    Neither,
    /// Nobody can tell: a command that may or may not have done what it does. Since version 2.
    Unknown,
}

/// How a step ended; in JSON `result` is the variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepResult {
    /// The object was changed, and looking at it again confirmed that.
    Done,
    /// The object was already as it should be.
    NoOp,
    /// The object was not what the step expects; it was left alone.
    Stale {
        /// How it differs.
        why: String,
    },
    /// A rule forbids the step; the object was left alone.
    Blocked {
        /// Which.
        why: String,
    },
    /// The change went wrong. What could be put back was.
    Failed {
        /// What went wrong.
        why: String,
    },
}

impl StepResult {
    /// Says whether the step did what the plan says.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Done | Self::NoOp)
    }

    /// Says whether the object was left alone because a check said so.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Stale { .. } | Self::Blocked { .. })
    }
}

/// How a step ended, and what is there now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepOutcome {
    /// The step's number in the plan.
    pub step: u32,
    /// How it ended.
    #[serde(flatten)]
    pub result: StepResult,
    /// Which state of the intent is there; `before` where there was no intent.
    pub holds: Holds,
    /// The object as it is now; none where it was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<State>,
    /// Its directory as the step leaves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<FileMeta>,
    /// What a person should know although the step succeeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}
