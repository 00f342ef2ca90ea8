//! Reading an allow-list, and finding everything that is wrong with it before it allows anything.

use super::{AllowList, Entry};
use crate::model::{Digest, Mistake, Pattern, Permit, RawText, RuleId, Timestamp, YamlFile, YamlLimits, escape};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_saphyr::Spanned;
use thiserror::Error;

/// The largest list, in bytes.
const MAX_BYTES: usize = 256 * 1024;
/// The most that are read of it.
const LIMITS: YamlLimits = YamlLimits { bytes: MAX_BYTES, nodes: 40_000, documents: 1 };
/// The version that this library reads.
const VERSION: u32 = 1;
/// Days that an entry may hold, with one for the time zone of whoever wrote it.
const MOST_DAYS: i64 = 366 + 1;
/// The longest reason and the longest name, in characters.
const MAX_WORDS: usize = 500;

/// Why an allow-list is not used. Nothing of it is.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AllowError {
    /// The file is larger than any list.
    #[error("allow-list `{name}` has {size_bytes} bytes, and at most {limit_bytes} are read")]
    TooLarge {
        /// The file, escaped.
        name: String,
        /// Its size.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The file is no text.
    #[error("allow-list `{name}` is no UTF-8 text from byte {offset} on")]
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

/// Only the version, whatever else the file has: a later version may have fields that this one does not know.
#[derive(Deserialize)]
struct Versioned {
    format_version: Spanned<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawList {
    #[serde(rename = "format_version")]
    _format_version: u32,
    allow: Vec<Spanned<RawEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    #[serde(default)]
    rule: Option<Spanned<String>>,
    #[serde(default)]
    path: Option<Spanned<String>>,
    #[serde(default)]
    sha256: Option<Spanned<String>>,
    #[serde(default)]
    text: Option<Spanned<String>>,
    reason: Spanned<String>,
    until: Spanned<String>,
    #[serde(default)]
    author: Option<Spanned<String>>,
}

pub(super) fn read(name: &str, bytes: &[u8], now: Timestamp) -> Result<AllowList, AllowError> {
    let shown = || escape(name.as_bytes());
    if bytes.len() > MAX_BYTES {
        return Err(AllowError::TooLarge { name: shown(), size_bytes: bytes.len(), limit_bytes: MAX_BYTES });
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| AllowError::NotText { name: shown(), offset: error.valid_up_to() })?;
    let file = File { yaml: YamlFile::new("allow-list", name, text, LIMITS), name: shown() };
    file.list(now).map_err(AllowError::Invalid)
}

struct File<'a> {
    yaml: YamlFile<'a>,
    /// Escaped.
    name: String,
}

impl File<'_> {
    fn list(&self, now: Timestamp) -> Result<AllowList, Box<Mistake>> {
        let Versioned { format_version } = self.yaml.document()?;
        if format_version.value != VERSION {
            let detail = format!("format version {} is not known", format_version.value);
            let hint = Some(format!("this version of triage reads format version {VERSION}"));
            return Err(self.yaml.mistake(&format_version, detail, hint));
        }
        let raw: RawList = self.yaml.document()?;
        let mut list = AllowList::default();
        for entry in &raw.allow {
            let (read, end) = self.entry(entry, now)?;
            if now >= end {
                list.expired.push(read.permit);
            } else {
                list.entries.push(read);
            }
        }
        Ok(list)
    }

    /// An entry, and the moment from which on it holds no more.
    fn entry(&self, raw: &Spanned<RawEntry>, now: Timestamp) -> Result<(Entry, Timestamp), Box<Mistake>> {
        let RawEntry { rule, path, sha256, text, reason, until, author } = &raw.value;
        let rule_id = rule.as_ref().map(|rule| self.rule(rule)).transpose()?;
        let pattern = path.as_ref().map(|path| self.path(path)).transpose()?;
        let digest = sha256.as_ref().map(|sha256| self.sha256(sha256)).transpose()?;
        if digest.is_none() {
            match (rule, path) {
                (Some(rule), None) => {
                    let hint = Some("add `path` or `sha256`: which of what it finds is allowed".to_owned());
                    return Err(self.yaml.mistake(rule, "a rule alone would be switched off", hint));
                }
                (None, Some(path)) => {
                    let hint = Some("add `rule` or `sha256`: what may be found there".to_owned());
                    return Err(self.yaml.mistake(path, "a path alone would allow whatever is put there", hint));
                }
                (None, None) => {
                    let hint = Some("add `rule` and `path`, or `sha256`".to_owned());
                    return Err(self.yaml.mistake(raw, "this entry says nothing of what it allows", hint));
                }
                (Some(_), Some(_)) => {}
            }
        }
        let (until, end) = self.until(until, now)?;
        let permit = Permit {
            reason: self.words(reason, "reason")?,
            until,
            author: author.as_ref().map(|author| self.words(author, "author")).transpose()?,
            entry: format!("{}, line {}", self.name, raw.referenced.line().max(1)),
        };
        let text = text.as_ref().map(|text| RawText::from(text.value.as_str()));
        Ok((Entry { rule: rule_id, path: pattern, sha256: digest, text, permit }, end))
    }

    fn rule(&self, rule: &Spanned<String>) -> Result<RuleId, Box<Mistake>> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:".contains(&byte);
        if rule.value.is_empty() || !rule.value.bytes().all(is_name) {
            let hint = Some("name one rule in full, as in the finding: `TR-PLACE-0001`".to_owned());
            return Err(self.yaml.mistake(rule, "this is no rule's name", hint));
        }
        Ok(RuleId(rule.value.clone()))
    }

    fn path(&self, path: &Spanned<String>) -> Result<Pattern, Box<Mistake>> {
        let pattern = Pattern::new(&path.value).map_err(|error| self.yaml.mistake(path, error.to_string(), None))?;
        let first = path.value.split('/').find(|part| !part.is_empty() && *part != ".").unwrap_or_default();
        if first.is_empty() || first.contains(['*', '?', '[']) {
            let hint = Some("begin with the name of a folder: `/var/www/html/app/**`".to_owned());
            return Err(self.yaml.mistake(path, "this would allow the rule everywhere", hint));
        }
        Ok(pattern)
    }

    fn sha256(&self, sha256: &Spanned<String>) -> Result<Digest, Box<Mistake>> {
        sha256.value.to_ascii_lowercase().parse().map_err(|_| {
            let hint = Some("64 hexadecimal digits, as `sha256sum` prints them".to_owned());
            self.yaml.mistake(sha256, "this is no SHA-256", hint)
        })
    }

    /// The day, and the end of it.
    fn until(&self, until: &Spanned<String>, now: Timestamp) -> Result<(String, Timestamp), Box<Mistake>> {
        let day: Option<Date> = until.value.parse().ok().filter(|day: &Date| day.to_string() == until.value);
        let end = day.and_then(|day| day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok());
        let Some(end) = end.map(|end| Timestamp::new(end.timestamp().as_second(), 0)) else {
            let hint = Some("a year, a month and a day: `2027-01-31`".to_owned());
            return Err(self.yaml.mistake(until, "this is no day", hint));
        };
        if end.seconds().saturating_sub(now.seconds()) > MOST_DAYS * 86_400 {
            let hint = Some("look at it again within a year".to_owned());
            return Err(self.yaml.mistake(until, "this is more than a year from now", hint));
        }
        Ok((until.value.clone(), end))
    }

    fn words(&self, words: &Spanned<String>, what: &str) -> Result<String, Box<Mistake>> {
        let text = words.value.trim();
        if text.is_empty() {
            return Err(self.yaml.mistake(words, format!("the {what} says nothing"), None));
        }
        if text.chars().count() > MAX_WORDS {
            let detail = format!("the {what} has more than {MAX_WORDS} characters");
            return Err(self.yaml.mistake(words, detail, None));
        }
        Ok(text.to_owned())
    }
}
