//! The plan file: `docs/formats/plan.md` specifies it.

use crate::action::{Action, State};
use crate::model::{Digest, FindingId, HostIdentity, Timestamp};
use crate::playbook::{Affects, Risk};
use serde::{Deserialize, Serialize};
use std::io;

/// What a rollback plan has in place of playbooks, before the name of the run. No playbook's name has a blank.
pub(crate) const ROLLBACK_OF: &str = "rollback of ";

/// What planning learned of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepStatus {
    /// It would change the object.
    WouldChange,
    /// The object already is as it should be.
    NoOp,
    /// It must not be done.
    Blocked {
        /// Why.
        why: String,
    },
    /// What it would do cannot be seen from here.
    CannotKnow {
        /// Why.
        why: String,
    },
    /// A person has to say something first.
    NeedsInput {
        /// What.
        what: String,
    },
}

/// One step: an action on one object, and what was seen of the object when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its number, from 1; steps run in this order. A part of a plan keeps the numbers, so there may be holes.
    pub number: u32,
    /// What it does, for a person: one line.
    pub title: String,
    /// What it does.
    pub action: Action,
    /// What planning learned.
    #[serde(flatten)]
    pub status: StepStatus,
    /// The object when it was planned. For a later step on the same object, what the earlier one leaves there.
    pub before: State,
    /// The object afterwards. Of its times only the modification time of restored objects is promised.
    pub after: State,
    /// The change as a person reads it: a unified diff for text, one sentence for the rest. Secrets are struck out.
    pub preview: String,
    /// How much can go wrong.
    pub risk: Risk,
    /// Which services it can touch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affects: Vec<Affects>,
    /// Which findings it deals with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingId>,
    /// The playbook and its step that asked for it: `freepbx/web-shell#quarantine-shells`.
    pub source: String,
    /// Says that it puts a malicious object back, or lifts containment; only in rollback plans.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restores_malicious: bool,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// 2; a plan of version 1 has the first four actions only.
    pub format_version: u32,
    /// `triage` and its version.
    pub tool: String,
    /// When it was made.
    pub created: Timestamp,
    /// The host it is for.
    pub host: HostIdentity,
    /// What was looked at: the root or bundle, as a person calls it.
    pub target: String,
    /// The playbooks it was made from, in order. A rollback plan has `rollback of RUN`.
    pub playbooks: Vec<String>,
    /// The steps in the order in which they run.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Says whether this version of the library reads the plan's version.
    pub fn is_of_a_known_version(&self) -> bool {
        (1..=super::file::VERSION).contains(&self.format_version)
    }

    /// Says whether it undoes a run.
    pub fn is_rollback(&self) -> bool {
        matches!(self.playbooks.as_slice(), [only] if only.starts_with(ROLLBACK_OF))
    }

    /// The digest that `apply --digest` compares: SHA-256 of the plan file's bytes as [`Plan::to_json`] writes them.
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_json().as_bytes())
    }

    /// The plan file: indented JSON with a newline at the end.
    pub fn to_json(&self) -> String {
        // Only maps with keys that are not text can fail here, and a plan has none.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }

    /// Writes the same bytes as they come: a plan of a hundred thousand steps takes a hundred megabytes.
    pub(super) fn write_json(&self, mut out: impl io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut out, self)?;
        out.write_all(b"\n")
    }
}
