//! Indicators of others: what can be looked for in a list, a LOKI file, a STIX 2.1 bundle or a MISP event.
//!
//! Bytes in, indicators out. An entry that cannot be used is listed with its place and the reason; it is never passed over in silence, and it never costs the others.

mod misp;
mod stix;
mod table;

use crate::detect::RuleSource;
use crate::model::Digest;
use std::net::IpAddr;
use thiserror::Error;

/// The most entries that are taken from one file; the rest is a problem that says so.
const MOST: usize = 5_000_000;

/// What an indicator looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sought {
    /// Content with this SHA-256.
    Sha256(Digest),
    /// Content with this SHA-1.
    Sha1([u8; 20]),
    /// Content with this MD5.
    Md5([u8; 16]),
    /// A file of exactly this name.
    Name(Vec<u8>),
    /// A file at exactly this path, or below it where it ends with a slash.
    Path(Vec<u8>),
    /// A file at a path that this regular expression finds; `unless` finds the exceptions.
    PathMatch {
        /// The expression, as written.
        regex: String,
        /// What it must not be, as written.
        unless: Option<String>,
    },
    /// This address, in any content.
    Address(IpAddr),
    /// An address of this network, in any content: first address and prefix length.
    Network(IpAddr, u8),
    /// This domain or one below it, in any content, in lower case.
    Domain(String),
    /// These bytes, in any content: a URL, a word.
    Text(Vec<u8>),
}

impl Sought {
    /// The word for the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::Sha1(_) => "sha1",
            Self::Md5(_) => "md5",
            Self::Name(_) => "file_name",
            Self::Path(_) => "path",
            Self::PathMatch { .. } => "path_regex",
            Self::Address(_) => "ip",
            Self::Network(..) => "network",
            Self::Domain(_) => "domain",
            Self::Text(_) => "text",
        }
    }

    /// What is looked for, as a person writes it.
    pub fn value(&self) -> Vec<u8> {
        fn hex(bytes: &[u8]) -> String {
            use std::fmt::Write as _;
            bytes.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
        }
        match self {
            Self::Sha256(digest) => digest.to_string().into_bytes(),
            Self::Sha1(digest) => hex(digest).into_bytes(),
            Self::Md5(digest) => hex(digest).into_bytes(),
            Self::Name(bytes) | Self::Path(bytes) | Self::Text(bytes) => bytes.clone(),
            Self::PathMatch { regex, .. } => regex.clone().into_bytes(),
            Self::Address(address) => address.to_string().into_bytes(),
            Self::Network(address, length) => format!("{address}/{length}").into_bytes(),
            Self::Domain(domain) => domain.clone().into_bytes(),
        }
    }
}

/// One indicator of somebody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// What it looks for.
    pub sought: Sought,
    /// What its author says of it; empty where nothing.
    pub title: String,
    /// How sure its author is, 0–100; none where nothing is said.
    pub score: Option<u8>,
    /// Where it comes from: the file's name, with the author's own reference where there is one.
    pub source: String,
}

/// An entry that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportProblem {
    /// Where it stands: `line 12`, or the id that its author gave it.
    pub place: String,
    /// Why it cannot be used.
    pub reason: String,
}

/// What a file of indicators comes to.
#[derive(Debug, Default)]
pub struct Import {
    /// What can be looked for.
    pub indicators: Vec<Foreign>,
    /// YARA rules that came along.
    pub rules: Vec<RuleSource>,
    /// What cannot be used.
    pub problems: Vec<ImportProblem>,
}

/// Why nothing can be read from a file of indicators.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It is JSON, or looks like it, and is damaged.
    #[error("`{file}` is not JSON")]
    Json {
        /// The file.
        file: String,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// It is JSON of some other kind.
    #[error("`{file}` is JSON, but neither a STIX 2.1 bundle nor a MISP event")]
    Unknown {
        /// The file.
        file: String,
    },
    /// Nothing in it can be used.
    #[error("`{file}` has no indicator that can be used{}", first.as_ref().map_or_else(String::new, |problem| format!("; {}: {}", problem.place, problem.reason)))]
    Empty {
        /// The file.
        file: String,
        /// The first entry that cannot be used.
        first: Option<ImportProblem>,
    },
}

/// Reads a file of indicators, whatever of the known formats it has:
///
/// - STIX 2.1 bundle: `indicator` objects with patterns of type `stix` and `yara`;
/// - MISP event, or a list of events: attributes with `to_ids`, of the event and of its objects;
/// - LOKI's files: `HASH;COMMENT`, `REGEX;SCORE[;EXCEPTION]`, one address or domain a line;
/// - CSV with a header that names `type` and `value` (or `indicator`), and perhaps `description`, `score`, `source`;
/// - a list with one hash, address, network, domain, URL or absolute path a line.
///
/// # Errors
/// When it is none of these, or nothing in it can be used.
pub fn import(file: &str, bytes: &[u8]) -> Result<Import, ImportError> {
    let mut found = Import::default();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) {
        let json: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|source| ImportError::Json { file: file.to_owned(), source })?;
        if !stix::read(file, &json, &mut found) && !misp::read(file, &json, &mut found) {
            return Err(ImportError::Unknown { file: file.to_owned() });
        }
    } else {
        table::read(file, bytes, &mut found);
    }
    if found.indicators.is_empty() && found.rules.is_empty() {
        return Err(ImportError::Empty { file: file.to_owned(), first: found.problems.into_iter().next() });
    }
    Ok(found)
}

impl Import {
    /// Notes an entry, or why it cannot be used.
    fn put(&mut self, place: &dyn Fn() -> String, entry: Result<Foreign, String>) {
        match entry {
            Ok(_) if self.indicators.len() >= MOST => {
                if self.indicators.len() + self.problems.len() == MOST {
                    let reason = format!("only the first {MOST} entries are used");
                    self.problems.push(ImportProblem { place: place(), reason });
                }
            }
            Ok(indicator) => self.indicators.push(indicator),
            Err(reason) => self.problems.push(ImportProblem { place: place(), reason }),
        }
    }
}

/// A hash by the number of its hexadecimal digits.
fn hash(text: &str) -> Option<Sought> {
    fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
        let mut out = [0; N];
        for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(out)
    }
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    match text.len() {
        32 => bytes(text).map(Sought::Md5),
        40 => bytes(text).map(Sought::Sha1),
        64 => bytes(text).map(|digest| Sought::Sha256(Digest::from_bytes(digest))),
        _ => None,
    }
}

/// An address or a network; brackets that keep it from being clicked (`192.0.2[.]1`) are taken off.
fn address(text: &str) -> Option<Sought> {
    let text = refang(text);
    let Some((address, length)) = text.split_once('/') else { return text.parse().ok().map(Sought::Address) };
    let address: IpAddr = address.parse().ok()?;
    let length: u8 = length.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    match length {
        _ if length > most => None,
        _ if length == most => Some(Sought::Address(address)),
        // A network of a quarter of all addresses is a slip of the pen.
        0..8 => None,
        _ => Some(Sought::Network(address, length)),
    }
}

/// A domain with at least one dot and a last label of letters.
fn domain(text: &str) -> Option<Sought> {
    let text = refang(text).trim_end_matches('.').to_ascii_lowercase();
    let labels: Vec<&str> = text.split('.').collect();
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let top = labels.last()?;
    let is_top = top.len() >= 2 && (top.starts_with("xn--") || top.bytes().all(|byte| byte.is_ascii_alphabetic()));
    (labels.len() >= 2 && text.len() <= 253 && is_top && labels.iter().all(is_label)).then_some(Sought::Domain(text))
}

/// A text that is long enough to mean something.
fn text(text: &str) -> Result<Sought, String> {
    if text.len() < 6 {
        Err("a text has at least six bytes".to_owned())
    } else {
        Ok(Sought::Text(text.as_bytes().to_vec()))
    }
}

/// A regular expression that compiles.
fn path_match(regex: &str, unless: Option<&str>) -> Result<Sought, String> {
    for text in std::iter::once(regex).chain(unless) {
        regex::bytes::RegexBuilder::new(text).unicode(false).size_limit(1 << 20).build().map_err(|error| {
            format!("the regular expression does not compile: {}", error.to_string().lines().last().unwrap_or_default())
        })?;
    }
    Ok(Sought::PathMatch { regex: regex.to_owned(), unless: unless.map(str::to_owned) })
}

/// Takes off what keeps an address from being clicked.
fn refang(text: &str) -> String {
    text.trim().replace("[.]", ".").replace("(.)", ".").replace("[:]", ":").replace("hxxp", "http")
}

/// The kind of entry that a name of some format stands for.
fn named(kind: &str, value: &str) -> Result<Sought, String> {
    let value = value.trim();
    let wrong = |what: &str| format!("`{}` is no {what}", crate::model::escape(value.as_bytes()));
    match kind.trim().to_ascii_lowercase().as_str() {
        "md5" | "sha1" | "sha-1" | "sha256" | "sha-256" | "hash" | "filehash-md5" | "filehash-sha1"
        | "filehash-sha256" => hash(value).ok_or_else(|| wrong("MD5, SHA-1 or SHA-256")),
        "ip" | "ip-src" | "ip-dst" | "ipv4" | "ipv6" | "ipv4-addr" | "ipv6-addr" | "ip address" | "cidr"
        | "address" | "network" => address(value).ok_or_else(|| wrong("address or network")),
        "domain" | "hostname" | "domain-name" | "host" | "fqdn" => domain(value).ok_or_else(|| wrong("domain")),
        "url" | "uri" | "link" => text(&refang(value)),
        "text" | "string" | "pattern-in-file" | "keyword" => text(value),
        "filename" | "file_name" | "file" | "name" if value.contains('/') => {
            path(value).ok_or_else(|| wrong("absolute path"))
        }
        "filename" | "file_name" | "file" | "name" if !value.is_empty() => Ok(Sought::Name(value.as_bytes().to_vec())),
        "path" | "filepath" | "file_path" | "directory" => path(value).ok_or_else(|| wrong("absolute path")),
        "regex" | "filename-regex" | "path-regex" | "path_regex" => path_match(value, None),
        other => Err(format!("entries of type `{}` are not looked for", crate::model::escape(other.as_bytes()))),
    }
}

fn path(text: &str) -> Option<Sought> {
    (text.starts_with('/') && text.len() > 1).then(|| Sought::Path(text.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests;
