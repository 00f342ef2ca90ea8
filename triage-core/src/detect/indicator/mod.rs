//! Published indicators: places, digests, words, accounts. All of them are data in `rules/indicators`; adding one needs no code.

mod foreign;
mod import;

pub use foreign::ForeignDetector;
pub use import::{Foreign, Import, ImportError, ImportProblem, Sought, import};

use super::{Detector, Inside, Report};
use crate::model::{
    Category, Digest, Evidence, EvidencePath, Finding, Pattern, PatternError, RawText, Severity, Subject,
};
use crate::parse::Format;
use crate::sweep::Swept;
use md5::Digest as _;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use thiserror::Error;

/// The largest PHP file whose MD5 is looked up; web shells are smaller.
const LARGEST_PHP: usize = 512 * 1024;

/// The indicator files that are built in: name and text.
const BUILTIN: [(&str, &str); 4] = [
    ("freepbx-paths.yaml", include_str!("../../../rules/indicators/freepbx-paths.yaml")),
    ("freepbx-hashes.yaml", include_str!("../../../rules/indicators/freepbx-hashes.yaml")),
    ("freepbx-text.yaml", include_str!("../../../rules/indicators/freepbx-text.yaml")),
    ("freepbx-accounts.yaml", include_str!("../../../rules/indicators/freepbx-accounts.yaml")),
];

/// Why an indicator file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IndicatorError {
    /// It is not YAML of the known shape.
    #[error("indicator file `{file}` is not valid")]
    Syntax {
        /// The file.
        file: String,
        /// Where and why.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// One of its path patterns is none.
    #[error("indicator file `{file}` has a wrong pattern")]
    Pattern {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: PatternError,
    },
    /// One of its indicators cannot mean what it says.
    #[error("indicator `{id}` in `{file}`: {detail}")]
    Indicator {
        /// The file.
        file: String,
        /// The indicator.
        id: String,
        /// What is wrong.
        detail: &'static str,
    },
    /// A later version of this program wrote it.
    #[error("indicator file `{file}` is of format version {version}, and this program reads version 1")]
    Version {
        /// The file.
        file: String,
        /// Its version.
        version: u32,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format_version: u32,
    #[serde(default)]
    places: Vec<String>,
    indicators: Vec<Indicator>,
}

/// One indicator: what to look for, and what it means where it is found.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Indicator {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) category: Category,
    pub(super) severity: Severity,
    pub(super) confidence: u8,
    #[serde(default)]
    attack: Vec<String>,
    source: String,
    date: String,
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default)]
    sha256: Vec<Digest>,
    #[serde(default)]
    md5: Vec<String>,
    #[serde(default)]
    texts: Vec<String>,
    #[serde(default)]
    uid_0_names: Vec<String>,
    #[serde(default)]
    password_hashes: Vec<String>,
    #[serde(default)]
    unsigned_modules: Vec<String>,
}

impl Indicator {
    pub(super) fn finding(&self, subject: Subject, evidence: Vec<Evidence>) -> Finding {
        Finding::new(&self.id, &self.title, (self.category, self.severity, self.confidence), subject, evidence)
            .with_attack(&self.attack)
            .with_references([format!("{} ({})", self.source, self.date)])
    }
}

/// All indicators, arranged by what they are looked for in.
#[derive(Clone, Debug, Default)]
pub struct Indicators {
    paths: Vec<(Pattern, Arc<Indicator>)>,
    hashes: HashMap<Digest, Arc<Indicator>>,
    md5: HashMap<[u8; 16], Arc<Indicator>>,
    texts: Vec<(Vec<u8>, Arc<Indicator>)>,
    places: Vec<Pattern>,
    uid_0_names: HashMap<Vec<u8>, Arc<Indicator>>,
    password_hashes: Vec<(Vec<u8>, Arc<Indicator>)>,
    unsigned_modules: HashMap<Vec<u8>, Arc<Indicator>>,
}

impl Indicators {
    /// The indicators that are built in.
    ///
    /// # Errors
    /// Never in a build whose tests have passed.
    pub fn builtin() -> Result<Self, IndicatorError> {
        let mut all = Self::default();
        for (file, text) in BUILTIN {
            all.add(file, text)?;
        }
        Ok(all)
    }

    /// Adds the indicators of one YAML file; `file` is its name for messages.
    ///
    /// # Errors
    /// When it is not valid YAML, has a field that is not known, or has an indicator that cannot mean what it says.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), IndicatorError> {
        let parsed: File = serde_saphyr::from_str(text)
            .map_err(|source| IndicatorError::Syntax { file: file.to_owned(), source: Box::new(source) })?;
        if parsed.format_version != 1 {
            return Err(IndicatorError::Version { file: file.to_owned(), version: parsed.format_version });
        }
        let pattern = |text: &String| {
            Pattern::new(text).map_err(|source| IndicatorError::Pattern { file: file.to_owned(), source })
        };
        self.places.extend(parsed.places.iter().map(pattern).collect::<Result<Vec<_>, _>>()?);
        for indicator in parsed.indicators {
            let wrong = |detail| IndicatorError::Indicator { file: file.to_owned(), id: indicator.id.clone(), detail };
            if indicator.confidence > 100 {
                return Err(wrong("a confidence is at most 100"));
            }
            // A short word would be found everywhere.
            if indicator.texts.iter().chain(&indicator.password_hashes).any(|text| text.len() < 6) {
                return Err(wrong("a text has at least six bytes"));
            }
            let Some(digests) = indicator.md5.iter().map(|text| md5_of(text)).collect::<Option<Vec<_>>>() else {
                return Err(wrong("an MD5 has 32 hexadecimal digits"));
            };
            let indicator = Arc::new(indicator);
            let shared = || Arc::clone(&indicator);
            for path in &indicator.paths {
                self.paths.push((pattern(path)?, shared()));
            }
            self.hashes.extend(indicator.sha256.iter().map(|&digest| (digest, shared())));
            self.md5.extend(digests.iter().map(|digest| (*digest, shared())));
            self.texts.extend(indicator.texts.iter().map(|text| (text.clone().into_bytes(), shared())));
            self.uid_0_names.extend(indicator.uid_0_names.iter().map(|name| (name.clone().into_bytes(), shared())));
            self.password_hashes
                .extend(indicator.password_hashes.iter().map(|hash| (hash.clone().into_bytes(), shared())));
            self.unsigned_modules
                .extend(indicator.unsigned_modules.iter().map(|name| (name.clone().into_bytes(), shared())));
        }
        Ok(())
    }

    /// The indicators of a place.
    pub(super) fn at<'a>(&'a self, path: &'a EvidencePath) -> impl Iterator<Item = &'a Indicator> {
        self.paths.iter().filter(move |(pattern, _)| pattern.matches(path)).map(|(_, indicator)| &**indicator)
    }

    /// The indicator of a content.
    pub(super) fn of(&self, digest: &Digest) -> Option<&Indicator> {
        self.hashes.get(digest).map(|indicator| &**indicator)
    }

    /// The indicators whose text stands in a line as a word of its own.
    pub(super) fn in_line<'a>(&'a self, line: &'a [u8]) -> impl Iterator<Item = &'a Indicator> {
        self.texts.iter().filter(move |(text, _)| has_word(line, text)).map(|(_, indicator)| &**indicator)
    }

    /// The texts that are addresses, with the names of their indicators.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (&[u8], &str)> {
        let is_address = |text: &[u8]| text.iter().all(|b| b.is_ascii_digit() || *b == b'.');
        self.texts
            .iter()
            .filter(move |(text, _)| is_address(text))
            .map(|(text, indicator)| (text.as_slice(), indicator.id.as_str()))
    }

    /// The indicator for an account of this name that has user id 0.
    pub(super) fn uid_0_name(&self, name: &[u8]) -> Option<&Indicator> {
        self.uid_0_names.get(name).map(|indicator| &**indicator)
    }

    /// The indicator that `is` says fits, of those for password hashes.
    pub(super) fn password_hash(&self, is: impl Fn(&[u8]) -> bool) -> Option<&Indicator> {
        self.password_hashes.iter().find(|(hash, _)| is(hash)).map(|(_, indicator)| &**indicator)
    }

    /// The indicator for a module folder of this name that has no signature.
    pub(super) fn unsigned_module(&self, name: &[u8]) -> Option<&Indicator> {
        self.unsigned_modules.get(name).map(|indicator| &**indicator)
    }
}

/// Looks for places, digests and words.
pub struct IndicatorDetector {
    indicators: Arc<Indicators>,
}

impl IndicatorDetector {
    /// A detector of these indicators.
    pub fn new(indicators: Arc<Indicators>) -> Self {
        Self { indicators }
    }

    /// Reports that name no better digest: looked for in PHP only, because one more digest of everything would cost a third of the scan.
    fn md5(&self, file: &Swept<'_>, content: &[u8], report: &mut Report) {
        let is_php = content.len() <= LARGEST_PHP && super::looks_like_php(content);
        if self.indicators.md5.is_empty() || !is_php {
            return;
        }
        let digest: [u8; 16] = md5::Md5::digest(content).into();
        if let Some(indicator) = self.indicators.md5.get(&digest) {
            let text = format!("{:032x}", u128::from_be_bytes(digest));
            let evidence = Evidence::Attribute { name: "md5".into(), value: text.as_str().into() };
            let subject = Subject::File { path: file.path.clone(), sha256: file.sha256 };
            report.findings.push(indicator.finding(subject, vec![evidence]));
        }
    }

    fn texts(&self, file: &Swept<'_>, content: &[u8], report: &mut Report) {
        if !self.indicators.places.iter().any(|place| place.matches(file.path)) {
            return;
        }
        let is_crontab =
            matches!(Format::at(file.path), Some(Format::SystemCrontab | Format::UserCrontab | Format::Anacrontab));
        let is_php = content.trim_ascii_start().starts_with(b"<?");
        for (line, number) in content.strip_suffix(b"\n").unwrap_or(content).split(|&b| b == b'\n').zip(1..) {
            for (text, indicator) in &self.indicators.texts {
                if !has_word(line, text) {
                    continue;
                }
                let (path, whole) = (file.path.clone(), RawText::from(line));
                let subject = if is_crontab {
                    Subject::CronEntry { path, line: number, text: whole.clone() }
                } else {
                    Subject::Line { path, line: number, text: whole.clone() }
                };
                let evidence = vec![
                    Evidence::Line { line: number, text: whole },
                    Evidence::Attribute { name: "indicator".into(), value: RawText::from(text.as_slice()) },
                ];
                let mut finding = indicator.finding(subject, evidence);
                if let Some(why) = excuse(line, is_php) {
                    finding.severity = Severity::Low;
                    finding.confidence = 30;
                    finding.title = format!("{} ({why})", finding.title);
                }
                report.findings.push(finding);
            }
        }
    }
}

impl Detector for IndicatorDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        let subject = || Subject::File { path: file.path.clone(), sha256: file.sha256 };
        for indicator in self.indicators.at(file.path) {
            let evidence = Evidence::Attribute { name: "path".into(), value: RawText::from(file.path.as_bytes()) };
            report.findings.push(indicator.finding(subject(), vec![evidence]));
        }
        if let Some((indicator, digest)) =
            file.sha256.and_then(|digest| self.indicators.hashes.get(&digest).map(|indicator| (indicator, digest)))
        {
            let evidence = Evidence::Attribute { name: "sha256".into(), value: digest.to_string().as_str().into() };
            report.findings.push(indicator.finding(subject(), vec![evidence]));
        }
        if let Some(content) = file.content.filter(|_| file.meta.is_file()) {
            self.md5(file, content, report);
            self.texts(file, content, report);
        }
    }

    fn looks_inside(&self, _: Inside) -> bool {
        true
    }
}

/// The bytes of an MD5 in hexadecimal digits.
fn md5_of(text: &str) -> Option<[u8; 16]> {
    let is_plain = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    u128::from_str_radix(text, 16).ok().filter(|_| is_plain).map(u128::to_be_bytes)
}

/// Says whether `word` stands in the line and is not a part of a longer address, name or number.
pub(super) fn has_word(line: &[u8], word: &[u8]) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let mut from = 0;
    while let Some(found) = super::find(line.get(from..).unwrap_or_default(), word) {
        let (start, end) = (from + found, from + found + word.len());
        let before = start.checked_sub(1).and_then(|at| line.get(at));
        let (after, next) = (line.get(end), line.get(end + 1));
        // `45.95.147.178.` may end a sentence; `45.95.147.178.5` is something else. A key's beginning is followed by its rest.
        let is_address = word.iter().all(|b| b.is_ascii_digit() || *b == b'.');
        let is_longer = is_address
            && (is_part(before)
                || before == Some(&b'.')
                || is_part(after)
                || (after == Some(&b'.') && next.is_some_and(u8::is_ascii_digit)));
        if !is_longer {
            return true;
        }
        from = start + 1;
    }
    false
}

/// Why a line with an address of the intruder's may be a responder's.
fn excuse(line: &[u8], is_php: bool) -> Option<&'static str> {
    const BLOCKS: [&[u8]; 8] =
        [b" drop", b" reject", b"blackhole", b"unreachable", b" deny", b"prohibit", b"banip", b"ipset add"];
    let line = line.trim_ascii_start().to_ascii_lowercase();
    // What comes behind the end of a script's own language is not in its remark any more.
    let has_end = is_php && super::find(&line, b"?>").is_some();
    let begins: &[&[u8]] = if is_php { &[b"#", b"//", b";"] } else { &[b"#", b";"] };
    if begins.iter().any(|begin| line.starts_with(begin)) && !has_end {
        Some("in a remark")
    } else if BLOCKS.iter().any(|word| super::find(&line, word).is_some()) {
        Some("in a rule that blocks it")
    } else {
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn add(text: &str) -> Result<(), IndicatorError> {
        Indicators::default().add("x.yaml", text)
    }

    const GOOD: &str = "format_version: 1\nindicators:\n  - {id: X-1, title: t, category: account, severity: high, confidence: 50, \
                        source: s, date: 2026-01-01, texts: [abcdef]}\n";

    #[test]
    fn the_built_in_files_are_valid_and_their_ids_are_unique() {
        Indicators::builtin().unwrap();
        let mut ids = std::collections::BTreeSet::new();
        for (file, text) in BUILTIN {
            let parsed: File = serde_saphyr::from_str(text).unwrap();
            for indicator in parsed.indicators {
                assert!(ids.insert(indicator.id.clone()), "{file}: {} twice", indicator.id);
            }
        }
    }

    #[test]
    fn a_wrong_file_is_refused_with_what_is_wrong() {
        add(GOOD).unwrap();
        assert!(matches!(add(&GOOD.replace("title", "tilte")), Err(IndicatorError::Syntax { .. })));
        assert!(matches!(
            add(&GOOD.replace("version: 1", "version: 2")),
            Err(IndicatorError::Version { version: 2, .. })
        ));
        assert!(matches!(add(&GOOD.replace("50", "101")), Err(IndicatorError::Indicator { .. })));
        assert!(matches!(add(&GOOD.replace("abcdef", "abc")), Err(IndicatorError::Indicator { .. })));
        assert!(matches!(add(&GOOD.replace("texts: [abcdef]", "paths: [etc/x]")), Err(IndicatorError::Pattern { .. })));
    }

    #[test]
    fn php_is_looked_up_by_md5_too() {
        use super::super::testing::{Scene, ids};
        let content = "<?php exit; // inert\n";
        let digest = format!("{:032x}", u128::from_be_bytes(md5::Md5::digest(content).into()));
        let mut indicators = Indicators::default();
        indicators.add("x.yaml", &GOOD.replace("texts: [abcdef]", &format!("md5: ['{digest}']"))).unwrap();
        let detector = || IndicatorDetector::new(Arc::new(indicators.clone()));
        let scene = Scene::new().file("/var/www/html/a.php", content).file("/var/www/html/b.php", "<?php exit;\n");
        assert_eq!(ids(&scene.judge(detector()).value), ["X-1 high"]);
        assert!(matches!(add(&GOOD.replace("texts: [abcdef]", "md5: [abc]")), Err(IndicatorError::Indicator { .. })));
    }

    #[test]
    fn an_address_in_a_remark_is_low_in_every_language_that_has_such_remarks() {
        use super::super::testing::{Scene, ids};
        let told = |path: &str, text: &str| {
            ids(&Scene::new()
                .file(path, text)
                .judge(IndicatorDetector::new(Arc::new(Indicators::builtin().unwrap())))
                .value)
        };
        let low = ["TR-IOC-0101 low"];
        assert_eq!(told("/etc/freepbx.conf", "<?php\n// was 45.95.147.178\n"), low);
        assert_eq!(told("/etc/freepbx.conf", "<?php\n  # was 45.95.147.178\n"), low);
        assert_eq!(told("/etc/asterisk/sip_custom.conf", "; was 45.95.147.178\n"), low);
        for (path, text) in [
            ("/etc/freepbx.conf", "<?php\n$x = 'http://45.95.147.178/x'; // y\n"),
            // A remark of PHP ends where PHP does, and elsewhere two slashes begin none.
            ("/etc/freepbx.conf", "<?php\n// ?><?php f('http://45.95.147.178/x');\n"),
            ("/etc/freepbx.conf", "<?php\n# ?><?php f('http://45.95.147.178/x');\n"),
            ("/etc/asterisk/sip_custom.conf", "//45.95.147.178\n"),
        ] {
            assert_eq!(told(path, text), ["TR-IOC-0101 critical"], "{text}");
        }
    }

    #[test]
    fn words_are_whole_addresses_and_keys_may_go_on() {
        assert!(has_word(b"x http://192.0.2.7/a", b"192.0.2.7"));
        assert!(has_word(b"1192.0.2.7 and 192.0.2.7.", b"192.0.2.7"));
        assert!(!has_word(b"192.0.2.78 192.0.2.7.1 1192.0.2.7 1.192.0.2.7", b"192.0.2.7"));
        assert!(has_word(b"ssh-rsa AAAAB3Nzadgoes/on x", b"AAAAB3Nzad"));
    }
}
