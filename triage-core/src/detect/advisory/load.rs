//! Reading advisories, and finding everything that is wrong with a file of them before any is used.

use super::version;
use crate::model::{Mistake, YamlFile, YamlLimits, escape};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;
use std::collections::BTreeSet;
use thiserror::Error;

/// The largest file, in bytes.
const MAX_BYTES: usize = 1 << 20;
const LIMITS: YamlLimits = YamlLimits { bytes: MAX_BYTES, nodes: 100_000, documents: 1 };
/// The version that this library reads.
const VERSION: u32 = 1;

/// Why a file of advisories is not used. Nothing of it is.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdvisoryError {
    /// It is larger than any such file.
    #[error("advisories `{name}` have {size_bytes} bytes, and at most {limit_bytes} are read")]
    TooLarge {
        /// The file, escaped.
        name: String,
        /// Its size.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The file is no text.
    #[error("advisories `{name}` are no UTF-8 text from byte {offset} on")]
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

/// Which versions of which modules have a known flaw.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Advisories of triage, version 1", rename = "Advisories")]
struct RawFile {
    /// 1.
    #[serde(rename = "format_version")]
    #[schemars(range(min = 1, max = 1))]
    _format_version: u32,
    /// One for each flaw in each module.
    #[schemars(with = "Vec<RawAdvisory>")]
    advisories: Vec<Spanned<RawAdvisory>>,
}

/// A flaw in a module.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Advisory")]
struct RawAdvisory {
    /// `CVE-2025-57819`, `GHSA-m42g-xg4c-5f3h`: capital letters, digits, `-`; together with the module it is there once.
    #[schemars(with = "String", regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9-]{2,60}$"))]
    id: Spanned<String>,
    /// What the flaw is, in one line.
    title: String,
    /// The raw name of the module, which is that of its folder; `framework` stands for `FreePBX` itself.
    #[schemars(with = "String", regex(pattern = r"^[a-z0-9_]{1,60}$"))]
    module: Spanned<String>,
    /// The versions that have it; one of the ranges has to hold.
    #[schemars(with = "Vec<Range>", length(min = 1))]
    affected: Vec<Spanned<Range>>,
    /// Whether it is known to have been used in attacks.
    exploited: bool,
    /// What an attacker needs to have first, where the source says so.
    #[serde(default)]
    access: Access,
    /// What to do, where updating the module is not all.
    #[serde(default)]
    advice: String,
    /// Where this is from.
    #[schemars(with = "String", length(min = 1))]
    source: Spanned<String>,
    /// The day on which the source was published, or where it does not say, read.
    #[schemars(with = "String", regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    date: Spanned<String>,
    /// Whether the source is the vendor, the finder or a record of them, or somebody who tells of them.
    #[serde(default)]
    grade: SourceGrade,
}

/// Versions with a flaw: all conditions that are given hold. Versions are in the order of PHP's `version_compare`, as `FreePBX` compares them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The first number of the version: the release of `FreePBX` that the module is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<u64>,
    /// The first version that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The first version that does not have it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
    /// The last version that has it, where no fixed one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
    /// Exactly these versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
}

impl Range {
    /// Says whether a version lies in it.
    pub fn holds(&self, version: &str) -> bool {
        let order = |other: &String| version::compare(version, other);
        self.stream.is_none_or(|stream| version::stream(version) == Some(stream))
            && self.from.as_ref().is_none_or(|from| order(from).is_ge())
            && self.fixed.as_ref().is_none_or(|fixed| order(fixed).is_lt())
            && self.through.as_ref().is_none_or(|through| order(through).is_le())
            && (self.versions.is_empty() || self.versions.iter().any(|other| order(other).is_eq()))
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.stream.map(|stream| format!("release {stream}")));
        parts.extend(self.from.as_ref().map(|from| format!("from {from}")));
        parts.extend(self.fixed.as_ref().map(|fixed| format!("before {fixed}")));
        parts.extend(self.through.as_ref().map(|through| format!("up to {through}")));
        if !self.versions.is_empty() {
            parts.push(self.versions.join(", "));
        }
        f.write_str(&parts.join(", "))
    }
}

/// What an attacker needs to have first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Access {
    /// The source does not say.
    #[default]
    Unknown,
    /// Nothing but a way to the host.
    None,
    /// Nothing, where a setting is not as it comes.
    NoneWithSetting,
    /// An account of any kind.
    Login,
    /// An administrator's session.
    Administrator,
    /// A shell on the host.
    Local,
}

impl Access {
    /// The word in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::None => "none",
            Self::NoneWithSetting => "none_with_setting",
            Self::Login => "login",
            Self::Administrator => "administrator",
            Self::Local => "local",
        }
    }
}

/// Whose word it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SourceGrade {
    /// The vendor's, the finder's, or that of a record that they wrote.
    #[default]
    FirstHand,
    /// Somebody's who tells of them.
    SecondHand,
}

/// A flaw in a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advisory {
    /// `CVE-2025-57819`.
    pub id: String,
    /// What the flaw is, in one line.
    pub title: String,
    /// The raw name of the module.
    pub module: String,
    /// The versions that have it.
    pub affected: Vec<Range>,
    /// Says that it is known to have been used in attacks.
    pub is_exploited: bool,
    /// What an attacker needs to have first.
    pub access: Access,
    /// What to do, where updating the module is not all.
    pub advice: String,
    /// Where this is from.
    pub source: String,
    /// The day of the source, `2025-08-28`.
    pub date: String,
    /// Whose word it is.
    pub grade: SourceGrade,
}

pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Vec<Advisory>, AdvisoryError> {
    let shown = || escape(name.as_bytes());
    if bytes.len() > MAX_BYTES {
        return Err(AdvisoryError::TooLarge { name: shown(), size_bytes: bytes.len(), limit_bytes: MAX_BYTES });
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| AdvisoryError::NotText { name: shown(), offset: error.valid_up_to() })?;
    let yaml = YamlFile::new("file of advisories", name, text, LIMITS);
    all(&yaml).map_err(AdvisoryError::Invalid)
}

fn all(yaml: &YamlFile<'_>) -> Result<Vec<Advisory>, Box<Mistake>> {
    let Versioned { format_version } = yaml.document()?;
    if format_version.value != VERSION {
        let detail = format!("format version {} is not known", format_version.value);
        let hint = Some(format!("this version of triage reads format version {VERSION}"));
        return Err(yaml.mistake(&format_version, detail, hint));
    }
    let raw: RawFile = yaml.document()?;
    let mut seen = BTreeSet::new();
    raw.advisories
        .into_iter()
        .map(|advisory| {
            let advisory = one(yaml, advisory.value)?;
            if !seen.insert((advisory.value.id.clone(), advisory.value.module.clone())) {
                let detail = format!("`{}` for `{}` stands here twice", advisory.value.id, advisory.value.module);
                return Err(yaml.mistake(&advisory.id, detail, None));
            }
            Ok(advisory.value)
        })
        .collect()
}

struct Read {
    id: Spanned<String>,
    value: Advisory,
}

fn one(yaml: &YamlFile<'_>, raw: RawAdvisory) -> Result<Read, Box<Mistake>> {
    let is_word = |text: &str, more: &[u8]| {
        !text.is_empty() && text.len() <= 60 && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    if !is_word(&raw.id.value, b"-") {
        return Err(yaml.mistake(&raw.id, "an id has letters, digits and `-`", None));
    }
    if !is_word(&raw.module.value, b"_") {
        return Err(yaml.mistake(&raw.module, "a module's raw name has letters, digits and `_`", None));
    }
    if raw.source.value.trim().is_empty() {
        return Err(yaml.mistake(&raw.source, "an advisory names its source", None));
    }
    if raw.date.value.parse::<Date>().is_err() {
        return Err(yaml.mistake(&raw.date, "the date is not one of the form 2025-08-28", None));
    }
    if raw.affected.is_empty() {
        return Err(yaml.mistake(&raw.id, "an advisory names the versions that are affected", None));
    }
    for range in &raw.affected {
        let Range { from, fixed, through, versions, .. } = &range.value;
        let all = [from, fixed, through].into_iter().flatten().chain(versions);
        if all.clone().next().is_none() {
            let hint = Some("give `from`, `fixed`, `through` or `versions`".to_owned());
            return Err(yaml.mistake(range, "a range without a version holds for all", hint));
        }
        if let Some(wrong) = all.clone().find(|version| version::stream(version).is_none()) {
            let detail = format!("`{}` is no version: it begins with no number", escape(wrong.as_bytes()));
            return Err(yaml.mistake(range, detail, None));
        }
        if let (Some(from), Some(end)) = (from, fixed.as_ref().or(through.as_ref()))
            && version::compare(from, end).is_gt()
        {
            return Err(yaml.mistake(range, "the range ends before it begins", None));
        }
    }
    let value = Advisory {
        id: raw.id.value.clone(),
        title: raw.title,
        module: raw.module.value,
        affected: raw.affected.into_iter().map(|range| range.value).collect(),
        is_exploited: raw.exploited,
        access: raw.access,
        advice: raw.advice,
        source: raw.source.value,
        date: raw.date.value,
        grade: raw.grade,
    };
    Ok(Read { id: raw.id, value })
}

/// The JSON Schema of a file of advisories, indented, with a newline at the end.
pub fn schema() -> String {
    let schema = schemars::schema_for!(RawFile);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
