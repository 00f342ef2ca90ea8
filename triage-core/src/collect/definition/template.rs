//! Paths of a definition: patterns with places that only the host can say.

use crate::model::{EvidencePath, Pattern, PatternError};
use serde::{Serialize, Serializer};
use std::collections::BTreeSet;
use thiserror::Error;

const HOMES: &str = "%%users.homedir%%";
const WEB_ROOTS: &str = "%%webroots%%";
const SSHD: &str = "%%sshd.files%%";
const USER: &str = "%%users.username%%";

/// What the host says of itself, so far as paths depend on it.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Home folders.
    pub homes: BTreeSet<EvidencePath>,
    /// Web roots.
    pub web_roots: BTreeSet<EvidencePath>,
    /// Names of accounts that can stand in a path.
    pub users: BTreeSet<String>,
    /// Files that sshd's settings name.
    pub sshd: Vec<Pattern>,
}

/// A path pattern that may begin with `%%users.homedir%%` or `%%webroots%%`, and may have `%%users.username%%` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    start: Start,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Root,
    Homes,
    WebRoots,
    Sshd,
}

/// What is wrong with a path.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateError {
    /// A `%%…%%` that nothing on a Linux host stands for.
    #[error("`{0}` stands for nothing here")]
    Variable(String),
    /// A `%%…%%` in the middle that can only be at the beginning.
    #[error("`{0}` can only stand at the beginning")]
    Inside(&'static str),
    /// A `%%…%%` with something behind it that is a whole path.
    #[error("`{0}` can only stand alone")]
    Alone(&'static str),
    /// It is no pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

impl TemplateError {
    /// What can stand there instead.
    pub(super) fn hint(&self) -> Option<String> {
        matches!(self, Self::Variable(_)).then(|| format!("there are `{HOMES}`, `{USER}`, `{WEB_ROOTS}` and `{SSHD}`"))
    }
}

impl Template {
    /// Reads a path.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn new(text: &str) -> Result<Self, TemplateError> {
        let (start, tail) = split(text);
        if start == Start::Sshd && !tail.is_empty() {
            return Err(TemplateError::Alone(SSHD));
        }
        if let Some(name) = [HOMES, WEB_ROOTS, SSHD].into_iter().find(|name| tail.contains(name)) {
            return Err(TemplateError::Inside(name));
        }
        let tail = tail.replace(USER, "user");
        if let Some((_, rest)) = tail.split_once("%%") {
            let name = rest.split_once("%%").map_or(rest, |(name, _)| name);
            return Err(TemplateError::Variable(crate::model::escape(format!("%%{name}%%").as_bytes())));
        }
        if start == Start::Root || !tail.is_empty() {
            Pattern::new(&tail)?;
        }
        Ok(Self { text: text.to_owned(), start })
    }

    /// The path as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The patterns that it comes to on a host.
    pub fn expand(&self, places: &Places) -> Vec<Pattern> {
        let (_, tail) = split(&self.text);
        let tails: Vec<String> = if tail.contains(USER) {
            places.users.iter().map(|user| tail.replace(USER, user)).collect()
        } else {
            vec![tail.to_owned()]
        };
        let mut patterns = Vec::new();
        for tail in tails {
            match self.start {
                Start::Root => patterns.extend(Pattern::new(&tail).ok()),
                Start::Homes => beneath(&tail, &places.homes, &mut patterns),
                Start::WebRoots => beneath(&tail, &places.web_roots, &mut patterns),
                Start::Sshd => patterns.extend(places.sshd.iter().cloned()),
            }
        }
        patterns
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

fn split(text: &str) -> (Start, &str) {
    if let Some(tail) = text.strip_prefix(HOMES) {
        (Start::Homes, tail)
    } else if let Some(tail) = text.strip_prefix(WEB_ROOTS) {
        (Start::WebRoots, tail)
    } else if let Some(tail) = text.strip_prefix(SSHD) {
        (Start::Sshd, tail)
    } else {
        (Start::Root, text)
    }
}

fn beneath(tail: &str, folders: &BTreeSet<EvidencePath>, patterns: &mut Vec<Pattern>) {
    if tail.is_empty() {
        patterns.extend(folders.iter().map(Pattern::exact));
    } else if let Ok(tail) = Pattern::new(tail) {
        patterns.extend(folders.iter().map(|folder| tail.beneath(folder)));
    }
}
