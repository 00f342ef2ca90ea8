//! What files of definitions of every format have in common: hard limits, and mistakes with their place in the file.

use super::{DefinitionError, Effect, Format, MAX_BYTES, MAX_PATHS, Notice, Origin, Reference, Template};
use crate::model::{Mistake, YamlFile, YamlLimits, escape};
use serde::Deserialize;
use serde_saphyr::Spanned;

const LIMITS: YamlLimits = YamlLimits { bytes: MAX_BYTES, nodes: 200_000, documents: 5_000 };
/// The longest name.
const MAX_NAME: usize = 128;

/// A file that is being read.
pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    yaml: YamlFile<'a>,
    pub(super) format: Format,
    pub(super) is_builtin: bool,
}

impl<'a> File<'a> {
    pub(super) fn new(name: &'a str, text: &'a str, format: Format, is_builtin: bool) -> Self {
        Self { name, text, yaml: YamlFile::new("definition", name, text, LIMITS), format, is_builtin }
    }

    /// The same file, of which a text with more letters is parsed.
    pub(super) fn shifted(&self, shifts: Vec<(u64, u64)>) -> Self {
        Self { yaml: self.yaml.shifted(shifts), ..*self }
    }
}

impl File<'_> {
    /// Reads every document of `text`, which has the lines and columns of the file.
    pub(super) fn documents<T: for<'de> Deserialize<'de>>(&self, text: &str) -> Result<Vec<T>, DefinitionError> {
        self.yaml.documents(text).map_err(DefinitionError::Invalid)
    }

    pub(super) fn mistake<T>(
        &self,
        scalar: &Spanned<T>,
        detail: impl Into<String>,
        hint: Option<String>,
    ) -> DefinitionError {
        DefinitionError::Invalid(self.mistake_at(scalar, detail, hint))
    }

    fn mistake_at<T>(&self, scalar: &Spanned<T>, detail: impl Into<String>, hint: Option<String>) -> Box<Mistake> {
        self.yaml.mistake(scalar, detail, hint)
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
        let mistake = self.mistake_at(name, detail, None);
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
}

/// The first sentence or line of a description.
pub(super) fn title_of(description: &str) -> String {
    let line = description.lines().next().unwrap_or_default().trim();
    line.strip_suffix('.').unwrap_or(line).to_owned()
}
