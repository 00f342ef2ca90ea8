//! Playbooks: what to do about which findings, as data that needs no code.
//!
//! A playbook is a YAML file (`docs/formats/playbook.md`). Everything that can be wrong with it is found when it is loaded and
//! told with line and column: misspelt fields, words and names, expressions that do not compile, steps that would hand an action
//! the wrong kind of object. Playbooks are pure: they select findings by handle and never see the host.
//!
//! The file is read with hard limits and without anchors, aliases, merge keys and repeated keys: what a reviewer reads is what runs.

mod action_kind;
mod error;
mod expression;
mod input;
mod load;
mod predicate;
mod raw;

pub use crate::model::Mistake;
pub use action_kind::ActionKind;
pub use error::PlaybookError;
pub use expression::Facts;
pub use input::{Input, InputKind, InputValue, Inputs, check_inputs};
pub use raw::schema;

use crate::builtin::BUILTIN_PLAYBOOKS;
use crate::model::escape;
use expression::Expression;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// When a step runs. Within a phase steps run in the order of the playbooks and of their steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Affects {
    Calls,
    Web,
    Ssh,
    Database,
}

/// How much can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Risk {
    Low,
    Medium,
    High,
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
    /// What a person says, by name.
    pub inputs: BTreeMap<String, Input>,
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
    /// Says that nothing brings back what it does.
    pub is_irreversible: bool,
    for_each: Expression,
    when: Option<Expression>,
    with: BTreeMap<&'static str, Value>,
}

/// A value of a step: text as it stands, or an expression.
#[derive(Debug)]
enum Value {
    Text(String),
    Expression(Expression),
}

/// The values of a step for one finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Values(BTreeMap<&'static str, String>);

impl Values {
    /// One of them.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl Playbook {
    /// The indices of the findings that a step of this playbook is done to, ascending; none where its `when` does not hold.
    ///
    /// # Errors
    /// [`PlaybookError::Evaluation`] when an expression fails on these findings, [`PlaybookError::MissingInput`] when it needs an input that has
    /// no value: what is to be done at all cannot be left open.
    pub fn select(&self, step: &PlaybookStep, facts: &Facts<'_>, inputs: &Inputs) -> Result<Vec<usize>, PlaybookError> {
        for expression in step.when.iter().chain([&step.for_each]) {
            if let Some((name, input)) = self.missing(expression, inputs).next() {
                return Err(PlaybookError::MissingInput {
                    playbook: self.name.clone(),
                    name: name.to_owned(),
                    description: input.description.clone(),
                });
            }
        }
        let failed = |fault| self.failed(step, fault);
        if let Some(when) = &step.when
            && !when.holds(facts, inputs).map_err(failed)?
        {
            return Ok(Vec::new());
        }
        step.for_each.select(facts, inputs).map_err(failed)
    }

    /// The values of a step for the finding `index`.
    ///
    /// # Errors
    /// [`PlaybookError::Evaluation`].
    pub fn values(
        &self,
        step: &PlaybookStep,
        facts: &Facts<'_>,
        inputs: &Inputs,
        index: usize,
    ) -> Result<Values, PlaybookError> {
        let mut values = BTreeMap::new();
        for (name, value) in &step.with {
            let text = match value {
                Value::Text(text) => text.clone(),
                Value::Expression(expression) if self.missing(expression, inputs).next().is_some() => String::new(),
                Value::Expression(expression) => {
                    expression.text(facts, inputs, index).map_err(|fault| self.failed(step, fault))?
                }
            };
            values.insert(*name, text);
        }
        Ok(Values(values))
    }

    /// What a person has to say before a step can be done: the inputs without a value that its values need.
    pub fn needs(&self, step: &PlaybookStep, inputs: &Inputs) -> Option<String> {
        let mut missing: Vec<String> = step
            .with
            .values()
            .filter_map(|value| match value {
                Value::Expression(expression) => Some(expression),
                Value::Text(_) => None,
            })
            .flat_map(|expression| self.missing(expression, inputs))
            .map(|(name, input)| format!("`--set {name}=…`: {}", input.description))
            .collect();
        missing.sort();
        missing.dedup();
        (!missing.is_empty()).then(|| missing.join("; "))
    }

    fn missing<'a>(
        &'a self,
        expression: &'a Expression,
        inputs: &'a Inputs,
    ) -> impl Iterator<Item = (&'a str, &'a Input)> {
        let wanted = expression.inputs().iter().filter(|name| !inputs.0.contains_key(*name));
        wanted.filter_map(|name| Some((name.as_str(), self.inputs.get(name)?)))
    }

    fn failed(&self, step: &PlaybookStep, fault: expression::Fault) -> PlaybookError {
        PlaybookError::Evaluation { name: escape(self.name.as_bytes()), step: step.id.clone(), detail: fault.detail }
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
