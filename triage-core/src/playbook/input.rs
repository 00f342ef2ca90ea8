//! What a person says when a plan is made.

use super::{Playbook, PlaybookError};
use crate::model::{escape, suggestion};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What kind of value an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
}

/// The value of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputValue {
    /// Text.
    String(String),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
}

impl InputKind {
    /// Reads a value as it stands in a file or on a command line.
    pub(super) fn parse(self, text: &str) -> Result<InputValue, String> {
        let wrong = |wanted| format!("`{}` is not {wanted}", escape(text.as_bytes()));
        match self {
            Self::String => Ok(InputValue::String(text.to_owned())),
            Self::Integer => text.trim().parse().map(InputValue::Integer).map_err(|_| wrong("a whole number")),
            Self::Boolean => text.trim().parse().map(InputValue::Boolean).map_err(|_| wrong("`true` or `false`")),
        }
    }

    /// Something of that kind, to try an expression on.
    pub(super) fn specimen(self) -> InputValue {
        match self {
            Self::String => InputValue::String("specimen".to_owned()),
            Self::Integer => InputValue::Integer(1),
            Self::Boolean => InputValue::Boolean(true),
        }
    }
}

/// An input of a playbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// What kind of value it is.
    pub kind: InputKind,
    /// What it is for.
    pub description: String,
    /// What holds when nobody says anything.
    pub default: Option<InputValue>,
}

/// The values of a playbook's inputs, those without one left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs(pub(super) BTreeMap<String, InputValue>);

impl Playbook {
    /// The values of its inputs: what `given` says, else the defaults. Names in `given` that are another playbook's are passed over.
    ///
    /// # Errors
    /// [`PlaybookError::Input`] for a value of another kind.
    pub fn inputs_with(&self, given: &BTreeMap<String, String>) -> Result<Inputs, PlaybookError> {
        let mut values = BTreeMap::new();
        for (name, input) in &self.inputs {
            let value = match given.get(name) {
                Some(text) => Some(input.kind.parse(text).map_err(|detail| PlaybookError::Input {
                    name: name.clone(),
                    detail,
                    hint: Some(input.description.clone()),
                })?),
                None => input.default.clone(),
            };
            values.extend(value.map(|value| (name.clone(), value)));
        }
        Ok(Inputs(values))
    }
}

/// Makes sure that each name in `given` is an input of one of the playbooks.
///
/// # Errors
/// [`PlaybookError::Input`] for the first that is none, with what was probably meant.
pub fn check_inputs(playbooks: &[Playbook], given: &BTreeMap<String, String>) -> Result<(), PlaybookError> {
    let known: Vec<&str> = playbooks.iter().flat_map(|playbook| playbook.inputs.keys().map(String::as_str)).collect();
    match given.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(PlaybookError::Input {
            name: escape(name.as_bytes()),
            detail: "no playbook of this plan has it".to_owned(),
            hint: suggestion(name, &known),
        }),
        None => Ok(()),
    }
}
