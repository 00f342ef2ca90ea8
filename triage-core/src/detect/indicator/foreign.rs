//! Looks for indicators of others: digests, names, paths, and addresses, domains and words in any content.

use super::import::{Foreign, Sought};
use crate::detect::tampering::is_startup_script;
use crate::detect::{Detector, Inside, Report};
use crate::model::{Category, Digest, Evidence, EvidencePath, Finding, Gap, GapReason, RawText, Severity, Subject};
use crate::parse::Format;
use crate::sweep::{Swept, Window};
use aho_corasick::AhoCorasick;
use md5::Digest as _;
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// Lines that a finding shows.
const SHOWN: usize = 5;
/// Bytes of a line that a finding shows.
const SHOWN_BYTES: usize = 300;
/// Different indicators that one content may have; a list of bad addresses has thousands, and one finding too many says no more.
const MOST_IN_A_FILE: usize = 100;
/// Bytes that compiled expressions may take, all of them together.
const REGEX_BYTES: usize = 256 << 20;

/// Looks for a set of indicators of others.
pub struct ForeignDetector {
    all: Vec<Foreign>,
    sha256: HashMap<Digest, usize>,
    sha1: HashMap<[u8; 20], usize>,
    md5: HashMap<[u8; 16], usize>,
    names: HashMap<Vec<u8>, usize>,
    paths: HashMap<Vec<u8>, usize>,
    folders: Vec<(Vec<u8>, usize)>,
    matches: RegexSet,
    /// In the order of `matches`: the indicator, and its exception.
    matched: Vec<(usize, Option<Regex>)>,
    addresses: HashMap<IpAddr, usize>,
    networks: Vec<(IpAddr, u8, usize)>,
    words: Option<AhoCorasick>,
    worded: Vec<usize>,
}

impl ForeignDetector {
    /// A detector of these indicators. Where two look for the same, the first speaks.
    ///
    /// # Errors
    /// When the expressions or words together are too many for memory; the text says which.
    pub fn new(all: Vec<Foreign>) -> Result<Self, String> {
        let mut this = Self {
            all: Vec::new(),
            sha256: HashMap::new(),
            sha1: HashMap::new(),
            md5: HashMap::new(),
            names: HashMap::new(),
            paths: HashMap::new(),
            folders: Vec::new(),
            matches: RegexSet::empty(),
            matched: Vec::new(),
            addresses: HashMap::new(),
            networks: Vec::new(),
            words: None,
            worded: Vec::new(),
        };
        let (mut expressions, mut words) = (Vec::new(), Vec::new());
        for (at, foreign) in all.iter().enumerate() {
            match &foreign.sought {
                Sought::Sha256(digest) => _ = this.sha256.entry(*digest).or_insert(at),
                Sought::Sha1(digest) => _ = this.sha1.entry(*digest).or_insert(at),
                Sought::Md5(digest) => _ = this.md5.entry(*digest).or_insert(at),
                Sought::Name(name) => _ = this.names.entry(name.clone()).or_insert(at),
                Sought::Path(path) if path.ends_with(b"/") => this.folders.push((path.clone(), at)),
                Sought::Path(path) => _ = this.paths.entry(path.clone()).or_insert(at),
                Sought::PathMatch { regex, unless } => {
                    let unless = unless.as_deref().map(|text| RegexBuilder::new(text).unicode(false).build());
                    expressions.push(regex.as_str());
                    this.matched.push((at, unless.transpose().map_err(|error| error.to_string())?));
                }
                Sought::Address(address) => _ = this.addresses.entry(*address).or_insert(at),
                Sought::Network(address, length) => this.networks.push((*address, *length, at)),
                Sought::Domain(domain) => {
                    words.push(domain.as_bytes());
                    this.worded.push(at);
                }
                Sought::Text(text) => {
                    words.push(text.as_slice());
                    this.worded.push(at);
                }
            }
        }
        this.matches = RegexSetBuilder::new(&expressions)
            .unicode(false)
            .size_limit(REGEX_BYTES)
            .build()
            .map_err(|error| format!("the expressions for paths: {error}"))?;
        if !words.is_empty() {
            let words = AhoCorasick::builder().ascii_case_insensitive(true).build(&words);
            this.words = Some(words.map_err(|error| format!("the domains and texts: {error}"))?);
        }
        this.all = all;
        Ok(this)
    }

    fn finding(&self, at: usize, subject: Subject, evidence: Vec<Evidence>, weight: (Severity, u8)) -> Option<Finding> {
        let foreign = self.all.get(at)?;
        let value = foreign.sought.value();
        let (kind, short) = (foreign.sought.kind(), Digest::of(&value).short());
        let said = if foreign.title.is_empty() { String::new() } else { format!(": {}", foreign.title) };
        let title = match foreign.sought {
            Sought::Sha256(_) | Sought::Sha1(_) | Sought::Md5(_) => {
                format!("Content that a list of indicators names{said}")
            }
            Sought::Name(_) | Sought::Path(_) | Sought::PathMatch { .. } => {
                format!("Name or place that a list of indicators names{said}")
            }
            _ => format!("Address or text that a list of indicators names{said}"),
        };
        let category =
            if matches!(foreign.sought, Sought::Address(_) | Sought::Network(..) | Sought::Domain(_) | Sought::Text(_))
            {
                Category::Exploitation
            } else {
                Category::WebShell
            };
        let indicator =
            Evidence::Attribute { name: format!("indicator_{kind}"), value: RawText::from(value.as_slice()) };
        let evidence = std::iter::once(indicator).chain(evidence).collect();
        // The author's own weight, where there is one, is worth more than a rule of thumb.
        let (severity, confidence) = foreign.score.map_or(weight, |score| {
            let severity = match score {
                80.. => Severity::High,
                60.. => Severity::Medium,
                40.. => Severity::Low,
                _ => Severity::Info,
            };
            (severity.min(weight.0.max(Severity::Medium)), score)
        });
        let finding =
            Finding::new(format!("IOC-{kind}-{short}"), title, (category, severity, confidence), subject, evidence);
        Some(finding.with_references([foreign.source.clone()]))
    }

    fn places(&self, path: &EvidencePath) -> Vec<usize> {
        let bytes = path.as_bytes();
        let mut found: Vec<usize> = Vec::new();
        found.extend(self.names.get(path.file_name()));
        found.extend(self.paths.get(bytes));
        found.extend(self.folders.iter().filter(|(folder, _)| bytes.starts_with(folder)).map(|(_, at)| at));
        if !self.matched.is_empty() {
            // LOKI writes the paths of Windows; the same name at the same depth is meant.
            let windows: Vec<u8> = bytes.iter().map(|&byte| if byte == b'/' { b'\\' } else { byte }).collect();
            for whole in [bytes, &windows] {
                for (at, unless) in self.matches.matches(whole).into_iter().filter_map(|set| self.matched.get(set)) {
                    if !unless.as_ref().is_some_and(|unless| unless.is_match(bytes) || unless.is_match(&windows)) {
                        found.push(*at);
                    }
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Which indicators stand in the bytes, and where they begin.
    fn texts(&self, bytes: &[u8]) -> BTreeMap<usize, Vec<usize>> {
        let mut found: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut note = |at: usize, offset: usize| {
            if found.len() < MOST_IN_A_FILE || found.contains_key(&at) {
                let places = found.entry(at).or_default();
                if places.len() < SHOWN {
                    places.push(offset);
                }
            }
        };
        if let Some(words) = &self.words {
            for found in words.find_overlapping_iter(bytes) {
                let Some((&at, foreign)) =
                    self.worded.get(found.pattern().as_usize()).and_then(|at| Some((at, self.all.get(*at)?)))
                else {
                    continue;
                };
                let is_there = match &foreign.sought {
                    Sought::Domain(_) => is_domain(bytes, found.start(), found.end()),
                    Sought::Text(text) => bytes.get(found.range()) == Some(text),
                    _ => false,
                };
                if is_there {
                    note(at, found.start());
                }
            }
        }
        if !self.addresses.is_empty() || !self.networks.is_empty() {
            for (offset, address) in addresses(bytes) {
                if let Some(&at) = self.addresses.get(&address) {
                    note(at, offset);
                }
                for (network, length, at) in &self.networks {
                    if is_in(address, *network, *length) {
                        note(*at, offset);
                    }
                }
            }
        }
        found
    }

    fn contents(&self, file: &Swept<'_>, bytes: &[u8], offset: u64, lines_before: u64, report: &mut Report) {
        let weight = if file.path.as_bytes().starts_with(b"/var/log/") {
            // That somebody from there came by is what every log says.
            (Severity::Low, 50)
        } else if is_startup_script(file.path) || Format::at(file.path).is_some() {
            (Severity::High, 80)
        } else {
            (Severity::Medium, 60)
        };
        for (at, places) in self.texts(bytes) {
            let evidence = places.iter().map(|&place| shown(bytes, place, offset, lines_before)).collect();
            let subject = Subject::File { path: file.path.clone(), sha256: file.sha256 };
            report.findings.extend(self.finding(at, subject, evidence, weight));
        }
    }
}

impl Detector for ForeignDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        let subject = || Subject::File { path: file.path.clone(), sha256: file.sha256 };
        for at in self.places(file.path) {
            report.findings.extend(self.finding(at, subject(), Vec::new(), (Severity::Medium, 60)));
        }
        if !file.meta.is_file() {
            return;
        }
        let mut by_hash: Vec<usize> =
            file.sha256.and_then(|digest| self.sha256.get(&digest)).copied().into_iter().collect();
        match file.content {
            Some(content) => {
                if !self.sha1.is_empty() {
                    by_hash.extend(self.sha1.get(sha1::Sha1::digest(content).as_slice()));
                }
                if !self.md5.is_empty() {
                    by_hash.extend(self.md5.get(md5::Md5::digest(content).as_slice()));
                }
                self.contents(file, content, 0, 0, report);
            }
            None if file.sha256.is_some() && !(self.sha1.is_empty() && self.md5.is_empty()) => {
                let detail =
                    "too large for memory: held against the SHA-256 of the indicators, not against their MD5 and SHA-1";
                report.gaps.push(Gap::new(file.path.clone(), GapReason::LimitReached, detail));
            }
            None => {}
        }
        for at in by_hash {
            report.findings.extend(self.finding(at, subject(), Vec::new(), (Severity::High, 90)));
        }
    }

    fn looks_inside(&self, _: Inside) -> bool {
        true
    }

    fn inspect_window(&self, window: &Window<'_>, report: &mut Report) {
        self.contents(&window.file, window.bytes, window.offset, window.lines_before, report);
    }
}

/// The line around a place, as evidence.
fn shown(bytes: &[u8], place: usize, offset: u64, lines_before: u64) -> Evidence {
    let before = bytes.get(..place).unwrap_or_default();
    let start = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1)
        .max(place.saturating_sub(SHOWN_BYTES / 2));
    let line = bytes.get(start..).unwrap_or_default();
    let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let number = lines_before + before.split(|&byte| byte == b'\n').count() as u64;
    Evidence::Match {
        pattern: "line".to_owned(),
        offset: offset + place as u64,
        line: number,
        // The line is its own context.
        text: RawText::from(line.get(..SHOWN_BYTES).unwrap_or(line)),
        before: RawText::default(),
        after: RawText::default(),
    }
}

/// Says whether what stands there is the domain or one below it, and not the end of another name.
fn is_domain(bytes: &[u8], start: usize, end: usize) -> bool {
    let is_part =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_');
    let (after, next) = (bytes.get(end), bytes.get(end + 1));
    let goes_on = after == Some(&b'.') && next.is_some_and(u8::is_ascii_alphanumeric);
    let is_longer = is_part(start.checked_sub(1).and_then(|at| bytes.get(at))) || is_part(after) || goes_on;
    !is_longer
}

fn is_in(address: IpAddr, network: IpAddr, length: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let shift = 32_u32.saturating_sub(u32::from(length));
            address.to_bits().checked_shr(shift) == network.to_bits().checked_shr(shift)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let shift = 128_u32.saturating_sub(u32::from(length));
            address.to_bits().checked_shr(shift) == network.to_bits().checked_shr(shift)
        }
        _ => false,
    }
}

/// All addresses in a text, with where they begin: runs of the letters that an address is made of, that are one as a whole.
fn addresses(bytes: &[u8]) -> impl Iterator<Item = (usize, IpAddr)> {
    let is_letter = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'.' || *byte == b':';
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = bytes.get(at..)?;
            let start = at + rest.iter().position(is_letter)?;
            let run = bytes.get(start..)?;
            let length = run.iter().position(|byte| !is_letter(byte)).unwrap_or(run.len());
            at = start + length;
            let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
            if !(7..=64).contains(&length)
                || is_part(start.checked_sub(1).and_then(|at| bytes.get(at)))
                || is_part(bytes.get(at))
            {
                continue;
            }
            let Some(text) = run.get(..length).and_then(|run| std::str::from_utf8(run).ok()) else { continue };
            // A port may follow, and the end of a sentence.
            let text = text.trim_end_matches(['.', ':']);
            let port = text.rsplit_once(':').map_or("", |(address, _)| address);
            if let Some(address) = [text, port].into_iter().find_map(|text| text.parse::<IpAddr>().ok()) {
                return Some((start, address));
            }
        }
    })
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, clippy::format_collect)]
mod tests {
    use super::*;
    use crate::detect::indicator::import::import;
    use crate::detect::testing::Scene;

    fn found(list: &str, scene: Scene) -> Vec<(String, String, &'static str, u8)> {
        let detector = ForeignDetector::new(import("list", list.as_bytes()).unwrap().indicators).unwrap();
        let outcome = scene.judge(detector);
        outcome
            .value
            .iter()
            .map(|finding| {
                let kind = finding.rule.0.split('-').nth(1).unwrap_or_default().to_owned();
                (finding.subject.path().to_string(), kind, finding.severity.as_str(), finding.confidence)
            })
            .collect()
    }

    #[test]
    fn content_is_known_by_each_of_three_hashes() {
        // Of the three bytes `abc`, as RFC 1321, RFC 3174 and FIPS 180-2 give them.
        for (hash, kind) in [
            ("900150983cd24fb0d6963f7d28e17f72", "md5"),
            ("A9993E364706816ABA3E25717850C26C9CD0D89D", "sha1"),
            ("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "sha256"),
        ] {
            let scene = Scene::new().file("/a", "abc").file("/b", "abd");
            assert_eq!(found(&format!("{hash};sample"), scene), [("/a".to_owned(), kind.to_owned(), "high", 90)]);
        }
    }

    #[test]
    fn an_address_counts_by_where_it_stands() {
        let scene = || {
            Scene::new()
                .file("/etc/cron.d/x", "* * * * * root curl http://192.0.2.7:8080/x\n")
                .file("/var/log/a.log", "192.0.2.7 - -\n1192.0.2.7 192.0.2.78 192.0.2.7.1\n")
                .file("/srv/readme", "see (192.0.2.7).")
                .file("/srv/other", "1192.0.2.7 192.0.2.78 x192.0.2.7 2001:db8::1")
        };
        let kind =
            |kind: &str, path: &str, severity, confidence| (path.to_owned(), kind.to_owned(), severity, confidence);
        let expected = |of: &str| {
            [
                kind(of, "/etc/cron.d/x", "high", 80),
                kind(of, "/srv/readme", "medium", 60),
                kind(of, "/var/log/a.log", "low", 50),
            ]
        };
        assert_eq!(found("192[.]0.2.7", scene()), expected("ip"));
        let wider = found("192.0.2.0/29", scene());
        assert_eq!(wider, expected("network"));
        assert_eq!(found("2001:db8::/32", scene()), [kind("network", "/srv/other", "medium", 60)]);
    }

    #[test]
    fn a_domain_is_found_with_what_is_below_it_and_not_inside_others() {
        let scene = Scene::new()
            .file("/a", "curl https://cdn.Bad.example.org/x")
            .file("/b", "notbad.example.org bad.example.organic bad.example.org.example.net")
            .file("/c", "bad.example.org.");
        let paths: Vec<_> = found("bad.example.org", scene).into_iter().map(|found| found.0).collect();
        assert_eq!(paths, ["/a", "/c"]);
    }

    #[test]
    fn loki_expressions_for_windows_and_for_linux_match_and_heed_their_exceptions() {
        let list = "\\\\sendlog\\.txt;75\n/tmp/\\.x[0-9]+$;90;/tmp/\\.x11";
        let scene = Scene::new().file("/opt/sendlog.txt", "").file("/tmp/.x9", "").file("/tmp/.x11", "");
        let mut all = found(list, scene);
        all.sort();
        assert_eq!(
            all,
            [
                ("/opt/sendlog.txt".into(), "path_regex".into(), "medium", 75),
                ("/tmp/.x9".into(), "path_regex".into(), "medium", 90)
            ]
        );
    }

    #[test]
    fn a_list_of_addresses_that_holds_them_all_makes_no_flood() {
        let list: String = (0..2000).map(|n| format!("198.51.{}.{}\n", n / 250, n % 250)).collect();
        let all = found(&list, Scene::new().file("/srv/blocklist", &list));
        assert_eq!(all.len(), MOST_IN_A_FILE);
    }

    #[test]
    fn names_and_places_are_exact() {
        let scene = Scene::new().file("/srv/evil.php", "").file("/srv/not-evil.php", "").file("/opt/x/y", "");
        let all = found("type,value,description\nfilename,evil.php,a door\npath,/opt/x/,\n", scene);
        let paths: Vec<_> = all.iter().map(|found| found.0.as_str()).collect();
        assert_eq!(paths, ["/opt/x/y", "/srv/evil.php"]);
    }
}
