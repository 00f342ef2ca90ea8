//! YAML with hard limits, and mistakes with their place in the file.

use super::{DefinitionError, Effect, Format, MAX_BYTES, MAX_PATHS, Notice, Origin, Reference, Template};
use crate::model::{Mistake, Place, escape, suggestion};
use serde::Deserialize;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Error, Location, Options, Spanned};

const NO_ANCHORS: &str = "anchors, aliases and merge keys are not read: write it out";
/// The longest name.
const MAX_NAME: usize = 128;

/// A file that is being read.
pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    lines: Vec<&'a str>,
    /// Where a letter was put in before the text was parsed: line and column, from 1.
    shifts: Vec<(u64, u64)>,
    pub(super) format: Format,
    pub(super) is_builtin: bool,
}

impl<'a> File<'a> {
    pub(super) fn new(name: &'a str, text: &'a str, format: Format, is_builtin: bool) -> Self {
        Self { name, text, lines: text.lines().collect(), shifts: Vec::new(), format, is_builtin }
    }

    /// The same file, of which a text with more letters is parsed.
    pub(super) fn shifted(&self, shifts: Vec<(u64, u64)>) -> Self {
        Self { shifts, lines: self.lines.clone(), ..*self }
    }
}

impl File<'_> {
    /// Reads every document of `text`, which has the lines and columns of the file.
    pub(super) fn documents<T: for<'de> Deserialize<'de>>(&self, text: &str) -> Result<Vec<T>, DefinitionError> {
        serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| self.unreadable(&error))
    }

    pub(super) fn mistake<T>(
        &self,
        scalar: &Spanned<T>,
        detail: impl Into<String>,
        hint: Option<String>,
    ) -> DefinitionError {
        DefinitionError::Invalid(Box::new(self.mistake_at(scalar.referenced, detail, hint)))
    }

    fn mistake_at(&self, at: Location, detail: impl Into<String>, hint: Option<String>) -> Mistake {
        let (line, column) = (at.line().max(1), at.column().max(1));
        let added = self.shifts.iter().filter(|(at, from)| *at == line && *from < column).count();
        let column = column.saturating_sub(added as u64);
        let source = usize::try_from(line).ok().and_then(|line| self.lines.get(line.checked_sub(1)?).copied());
        let place = Place::in_line(source, line, column);
        Mistake::in_line("definition", self.name, source, place, detail, hint)
    }

    pub(super) fn origin<T>(&self, scalar: &Spanned<T>) -> Origin {
        Origin {
            file: escape(self.name.as_bytes()),
            line: scalar.referenced.line().max(1),
            format: self.format,
            is_builtin: self.is_builtin,
        }
    }

    pub(super) fn notice<T>(&self, name: &str, at: &Spanned<T>, effect: Effect, text: impl Into<String>) -> Notice {
        Notice {
            name: name.to_owned(),
            file: escape(self.name.as_bytes()),
            line: at.referenced.line().max(1),
            effect,
            text: text.into(),
        }
    }

    pub(super) fn reference(&self, what: &str, name: &Spanned<String>) -> Reference {
        let detail = format!("there is no {what} `{}`", escape(name.value.as_bytes()));
        let mistake = Box::new(self.mistake_at(name.referenced, detail, None));
        Reference { name: name.value.clone(), format: self.format, mistake }
    }

    /// A path that has to be right.
    pub(super) fn template(&self, path: &Spanned<String>) -> Result<Template, DefinitionError> {
        Template::new(&path.value).map_err(|error| self.mistake(path, error.to_string(), error.hint()))
    }

    /// A name that people have to type and logs have to show.
    pub(super) fn check_name(&self, name: &Spanned<String>) -> Result<(), DefinitionError> {
        let text = &name.value;
        let is_good = !text.is_empty()
            && text.len() <= MAX_NAME
            && !text.starts_with('-')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./+".contains(&byte));
        if is_good {
            return Ok(());
        }
        let hint = Some("at most 128 letters, digits and `_ - . / +`, a `-` not at the beginning".to_owned());
        Err(self.mistake(name, "this cannot be the name of a definition", hint))
    }

    pub(super) fn check_count<T>(&self, at: &Spanned<T>, paths: usize) -> Result<(), DefinitionError> {
        if paths <= MAX_PATHS {
            return Ok(());
        }
        Err(self.mistake(at, format!("it has {paths} paths, and at most {MAX_PATHS} are read"), None))
    }

    fn unreadable(&self, error: &Error) -> DefinitionError {
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
            Error::MergeKeyNotAllowed { .. } | Error::UnknownAnchor { .. } => (NO_ANCHORS.to_owned(), None),
            Error::Budget { breach: BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. }, .. } => {
                (NO_ANCHORS.to_owned(), None)
            }
            Error::Budget { breach, .. } => (format!("this is more than a definition can have: {breach:?}"), None),
            other => {
                let text = other.to_string();
                (escape(text.lines().next().unwrap_or_default().as_bytes()), None)
            }
        };
        let at = error.location().unwrap_or(Location::UNKNOWN);
        DefinitionError::Invalid(Box::new(self.mistake_at(at, detail, hint)))
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(MAX_BYTES),
            max_events: 400_000,
            max_nodes: 200_000,
            max_depth: 16,
            max_documents: 5_000,
            max_total_scalar_bytes: MAX_BYTES,
            max_aliases: 0,
            max_anchors: 0,
            max_merge_keys: 0,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
    }
}

/// The first sentence or line of a description.
pub(super) fn title_of(description: &str) -> String {
    let line = description.lines().next().unwrap_or_default().trim();
    line.strip_suffix('.').unwrap_or(line).to_owned()
}
