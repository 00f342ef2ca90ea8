//! Definitions: what counts as an artifact, as data that people write and share.
//!
//! Three formats are read: our own, that of `ForensicArtifacts`, and a part of UAC's. Each becomes [`Definition`]s, which name path
//! patterns and kinds of live state and nothing else: a definition can make this program read, never run, write or connect.
//! What a definition asks for and does not get is a [`Notice`]; nothing of it is left out in silence. Definitions may come from
//! anybody: files are limited in size and depth, anchors and aliases are refused. The formats are specified in `docs/formats/definitions.md`.

mod forensic;
mod own;
mod template;
#[cfg(test)]
mod tests;
mod uac;
mod yaml;

pub use template::{Places, Template, TemplateError};

use crate::model::{Mistake, VolatileKind};
use serde::Serialize;
use std::collections::BTreeSet;
use thiserror::Error;

/// The largest definition file, in bytes. The largest of the community's has 170 KB.
pub const MAX_BYTES: usize = 1 << 20;
/// The most paths of one definition.
const MAX_PATHS: usize = 2_000;

/// Who made the format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Format {
    /// Ours.
    Triage,
    /// <https://github.com/ForensicArtifacts/artifacts>.
    ForensicArtifacts,
    /// <https://github.com/tclahr/uac>.
    Uac,
}

impl Format {
    /// Its name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Triage => "triage",
            Self::ForensicArtifacts => "ForensicArtifacts",
            Self::Uac => "UAC",
        }
    }

    /// What the fields of the first document say it is.
    fn of(text: &str) -> Self {
        let mut fields = BTreeSet::new();
        for line in text.lines() {
            if line.starts_with("---") && !fields.is_empty() {
                break;
            }
            if let Some((field, _)) = line.split_once(':')
                && !field.is_empty()
                && field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            {
                fields.insert(field);
            }
        }
        let has = |field| fields.contains(field);
        if has("format_version") {
            Self::Triage
        } else if has("sources") || has("doc") {
            Self::ForensicArtifacts
        } else if has("artifacts") && (has("version") || has("output_directory") || text.contains("collector:")) {
            Self::Uac
        } else {
            Self::Triage
        }
    }
}

/// Where a definition stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The file, escaped.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The format.
    pub format: Format,
    /// Whether it came with this program.
    pub is_builtin: bool,
}

/// What is done with what a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// It is listed and not opened.
    List,
    /// It is read and hashed, and its content is not kept.
    Hash,
    /// It is collected.
    Collect,
}

/// Paths that belong together.
#[derive(Clone, Debug, Serialize)]
pub struct PathRule {
    /// What is named.
    pub paths: Vec<Template>,
    /// What of it is not meant.
    pub except: Vec<Template>,
    /// What is done with it.
    pub treatment: Treatment,
}

/// A command that a definition wants run. None is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Command {
    /// The command as it is written.
    pub text: String,
    /// The live state that is read instead, if any.
    pub served_by: Option<VolatileKind>,
}

/// What a limitation means for the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Something that the definition asks for is not read.
    Less,
    /// More is read than the definition asks for.
    More,
    /// It stands for another definition of the same name.
    Replaces,
}

/// Something that a user of a definition has to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// The definition or profile.
    pub name: String,
    /// The file, escaped.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// What it means for the evidence.
    pub effect: Effect,
    /// What it is.
    pub text: String,
}

/// One artifact: what it is, and where.
#[derive(Clone, Debug, Serialize)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Other names of it.
    pub aliases: Vec<String>,
    /// What it is, in a line.
    pub title: String,
    /// What it is, at length.
    pub description: String,
    /// Where to read more.
    pub urls: Vec<String>,
    /// Where it is defined.
    pub origin: Origin,
    /// Whether it holds secrets.
    pub is_sensitive: bool,
    /// The paths.
    pub rules: Vec<PathRule>,
    /// The live state.
    pub volatile: BTreeSet<VolatileKind>,
    /// Other definitions that belong to it.
    pub members: Vec<Reference>,
    /// Commands that are not run.
    pub commands: Vec<Command>,
    /// What of it is not done as it says.
    pub notices: Vec<Notice>,
}

/// The name of another definition, and what to say where there is none.
#[derive(Clone, Debug)]
pub struct Reference {
    /// The name.
    pub name: String,
    /// The format of the file that has it.
    pub format: Format,
    /// The mistake that it is if there is nothing of that name.
    pub mistake: Box<Mistake>,
}

/// A profile: artifacts under one name.
#[derive(Clone, Debug, Serialize)]
pub struct ProfileDefinition {
    /// Its name.
    pub name: String,
    /// What it is, in a line.
    pub title: String,
    /// What it is, at length.
    pub description: String,
    /// Profiles that belong to it.
    pub includes: Vec<Reference>,
    /// Its artifacts.
    pub artifacts: Vec<Reference>,
    /// Where it is defined.
    pub origin: Origin,
}

/// What a file defines.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Artifacts, in the order of the file.
    pub definitions: Vec<Definition>,
    /// Profiles.
    pub profiles: Vec<ProfileDefinition>,
    /// Names of definitions that are for other systems than Linux.
    pub foreign: Vec<String>,
}

/// Why a file is not used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DefinitionError {
    /// The file is larger than any definition.
    #[error("definition `{name}` has {size_bytes} bytes, and at most {limit_bytes} are read")]
    TooLarge {
        /// The file, escaped.
        name: String,
        /// Its size.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// There are too many.
    #[error("with `{name}` there are more than {limit} definitions")]
    TooMany {
        /// The file, escaped.
        name: String,
        /// The most that are kept.
        limit: usize,
    },
    /// The file is no text.
    #[error("definition `{name}` is no UTF-8 text from byte {offset} on")]
    NotText {
        /// The file, escaped.
        name: String,
        /// Where it stops being text.
        offset: usize,
    },
    /// Something in the file is wrong.
    #[error("{0}")]
    Invalid(Box<Mistake>),
}

/// The name alone: what else there is of it is for messages.
impl Serialize for Reference {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

/// Reads one file of definitions, of whichever format. `name` is what messages call it.
///
/// # Errors
/// [`DefinitionError`], for the first mistake with its place in the file.
pub fn read(name: &str, bytes: &[u8], is_builtin: bool) -> Result<Contents, DefinitionError> {
    let shown = || crate::model::escape(name.as_bytes());
    if bytes.len() > MAX_BYTES {
        return Err(DefinitionError::TooLarge { name: shown(), size_bytes: bytes.len(), limit_bytes: MAX_BYTES });
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| DefinitionError::NotText { name: shown(), offset: error.valid_up_to() })?;
    let format = Format::of(text);
    let file = yaml::File::new(name, text, format, is_builtin);
    match format {
        Format::Triage => own::read(&file),
        Format::ForensicArtifacts => forensic::read(&file),
        Format::Uac => uac::read(&file),
    }
}
