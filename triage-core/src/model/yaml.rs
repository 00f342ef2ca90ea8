//! YAML that people wrote, read with hard limits; what is wrong with it becomes a [`Mistake`] with its place in the file.
//!
//! Playbooks, definitions and allow-lists are reviewed before they are used. So anchors, aliases, merge keys and repeated keys are refused:
//! what a reviewer reads is what is meant.

use super::mistake::{Mistake, Place, suggestion};
use super::text::escape;
use serde::Deserialize;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Error, Location, Options, Spanned};

/// What a use of anchors and their like is told.
pub(crate) const NO_ANCHORS: &str = "anchors, aliases and merge keys are not read: write it out";

/// How large a file may be. The depth is 16 for all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct YamlLimits {
    pub(crate) bytes: usize,
    pub(crate) nodes: usize,
    pub(crate) documents: usize,
}

/// A file that is being read.
#[derive(Clone)]
pub(crate) struct YamlFile<'a> {
    /// What it is: a playbook, a definition.
    what: &'static str,
    name: &'a str,
    text: &'a str,
    lines: Vec<&'a str>,
    /// Where a letter was put in before the text was parsed: line and column, from 1.
    shifts: Vec<(u64, u64)>,
    limits: YamlLimits,
}

impl<'a> YamlFile<'a> {
    /// The file `name`, which is a `what` and holds `text`.
    pub(crate) fn new(what: &'static str, name: &'a str, text: &'a str, limits: YamlLimits) -> Self {
        Self { what, name, text, lines: text.lines().collect(), shifts: Vec::new(), limits }
    }

    /// The same file, of which a text with more letters is parsed.
    pub(crate) fn shifted(&self, shifts: Vec<(u64, u64)>) -> Self {
        Self { shifts, ..self.clone() }
    }

    /// Reads its one document.
    pub(crate) fn document<T: for<'de> Deserialize<'de>>(&self) -> Result<T, Box<Mistake>> {
        serde_saphyr::from_str_with_options(self.text, self.options()).map_err(|error| self.unreadable(&error))
    }

    /// Reads every document of `text`, which has the lines and columns of the file.
    pub(crate) fn documents<T: for<'de> Deserialize<'de>>(&self, text: &str) -> Result<Vec<T>, Box<Mistake>> {
        serde_saphyr::from_multiple_with_options(text, self.options()).map_err(|error| self.unreadable(&error))
    }

    /// A mistake at something that was read.
    pub(crate) fn mistake<T>(
        &self,
        scalar: &Spanned<T>,
        detail: impl Into<String>,
        hint: Option<String>,
    ) -> Box<Mistake> {
        self.mistake_in(self.place(scalar.referenced), detail, hint)
    }

    /// A mistake at a place of the file.
    pub(crate) fn mistake_in(&self, place: Place, detail: impl Into<String>, hint: Option<String>) -> Box<Mistake> {
        Box::new(Mistake::in_line(self.what, self.name, self.line(place.line), place, detail, hint))
    }

    /// The place in the file of the word that the parser saw there.
    pub(crate) fn place(&self, at: Location) -> Place {
        let (line, column) = (at.line().max(1), at.column().max(1));
        let added = self.shifts.iter().filter(|(at, from)| *at == line && *from < column).count();
        self.word(line, column.saturating_sub(added as u64))
    }

    /// The place of the word that begins there.
    pub(crate) fn word(&self, line: u64, column: u64) -> Place {
        Place::in_line(self.line(line), line, column)
    }

    /// A line of the file, counted from 1.
    pub(crate) fn line(&self, number: u64) -> Option<&'a str> {
        usize::try_from(number).ok().and_then(|number| self.lines.get(number.checked_sub(1)?).copied())
    }

    fn unreadable(&self, error: &Error) -> Box<Mistake> {
        let error = error.without_snippet();
        let (detail, hint) = match error {
            Error::SerdeUnknownField { field, expected, .. } => {
                (format!("there is no field `{}`", escape(field.as_bytes())), suggestion(field, expected))
            }
            Error::SerdeUnknownVariant { variant, expected, .. } => (
                format!("`{}` is none of the words that can stand here", escape(variant.as_bytes())),
                suggestion(variant, expected),
            ),
            Error::SerdeMissingField { field, .. } => (format!("the field `{field}` is missing"), None),
            Error::DuplicateMappingKey { key, .. } => {
                let key = key.as_deref().unwrap_or_default();
                (format!("the field `{}` stands here twice", escape(key.as_bytes())), None)
            }
            Error::MergeKeyNotAllowed { .. }
            | Error::UnknownAnchor { .. }
            | Error::Budget { breach: BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. }, .. } => {
                (NO_ANCHORS.to_owned(), None)
            }
            Error::Budget { breach, .. } => (format!("this is more than one {} can have: {breach:?}", self.what), None),
            other => {
                let text = other.to_string();
                (escape(text.lines().next().unwrap_or_default().as_bytes()), None)
            }
        };
        self.mistake_in(self.place(error.location().unwrap_or(Location::UNKNOWN)), detail, hint)
    }

    fn options(&self) -> Options {
        let YamlLimits { bytes, nodes, documents } = self.limits;
        serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_reader_input_bytes: Some(bytes),
                max_events: nodes * 2,
                max_nodes: nodes,
                max_depth: 16,
                max_documents: documents,
                max_total_scalar_bytes: bytes,
                max_aliases: 0,
                max_anchors: 0,
                max_merge_keys: 0,
            },
            duplicate_keys: DuplicateKeyPolicy::Error,
            merge_keys: MergeKeyPolicy::Error,
        }
    }
}
