//! The core of a `WordPress` against the checksums that its project publishes: altered files, and code where only the core has any.
//!
//! A list is matched with an installation by `wp-includes/version.php`: by its checksum, else by the version in it. The checksums are MD5.
//! Nobody can make another file to a given MD5; who could have made two files of one would have to have been at the release.

mod checksums;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;

pub use checksums::{ChecksumError, CoreChecksums};

use super::known_good::{Authority, Digests, Judgement, Standing};
use super::module_signature::{FileClass, class};
use super::{Detector, HostContext, Report};
use crate::model::{Category, Digest, Evidence, EvidencePath, Finding, Gap, GapReason, RawText, Severity, Subject};
use crate::parse::dpkg::hex;
use crate::sweep::Swept;
use md5::Digest as _;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The most findings of one kind about one installation; one of another version differs in everything.
const MOST: usize = 200;

/// What tells an installation and its version.
const VERSION: &[u8] = b"wp-includes/version.php";

/// Files of a release that administrators take away, and that nothing needs.
const DISPENSABLE: [&[u8]; 3] = [b"readme.html", b"license.txt", b"wp-config-sample.php"];

/// Holds installations against lists of checksums.
pub struct WordPressDetector {
    lists: Vec<CoreChecksums>,
    /// Every path that a list has, and the folders that are the core's alone.
    names: HashSet<Vec<u8>>,
    seen: Mutex<BTreeMap<EvidencePath, Seen>>,
    versions: Mutex<BTreeMap<EvidencePath, Option<String>>>,
    matched: OnceLock<BTreeMap<EvidencePath, usize>>,
}

struct Seen {
    md5: Option<[u8; 16]>,
    sha256: Option<Digest>,
    class: FileClass,
}

impl WordPressDetector {
    /// A detector with these lists.
    pub fn new(lists: Vec<CoreChecksums>) -> Self {
        let names = lists.iter().flat_map(|list| list.files.keys().cloned()).collect();
        Self { lists, names, seen: Mutex::default(), versions: Mutex::default(), matched: OnceLock::new() }
    }

    /// Says whether a path may be a file of the core: its end is that of a list, or it lies where only the core has code.
    fn may_be_core(&self, path: &EvidencePath) -> bool {
        let bytes = path.relative();
        let starts =
            std::iter::once(0).chain(bytes.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at + 1));
        let is_listed = starts.into_iter().any(|at| bytes.get(at..).is_some_and(|end| self.names.contains(end)));
        is_listed
            || path.components().any(|part| matches!(part, b"wp-admin" | b"wp-includes"))
            || path.file_name().starts_with(b"wp-")
    }

    /// The list that fits an installation.
    fn list_for(&self, root: &EvidencePath, seen: &BTreeMap<EvidencePath, Seen>, said: Option<&str>) -> Option<usize> {
        let md5 = below(root, VERSION).and_then(|path| seen.get(&path)?.md5);
        let by_checksum = self.lists.iter().position(|list| md5.is_some() && list.files.get(VERSION) == md5.as_ref());
        by_checksum
            .or_else(|| self.lists.iter().position(|list| said.is_some() && list.version.as_deref() == said))
            // An altered version.php must not make all the rest unknown.
            .or_else(|| self.lists.iter().position(|list| is_mostly(list, root, seen)))
    }
}

fn below(root: &EvidencePath, file: &[u8]) -> Option<EvidencePath> {
    EvidencePath::new([root.as_bytes(), b"/", file].concat()).ok()
}

/// More than half of the files of a list, and of those that are there, are as in it.
fn is_mostly(list: &CoreChecksums, root: &EvidencePath, seen: &BTreeMap<EvidencePath, Seen>) -> bool {
    let fits = list.files.iter().filter(|(file, md5)| {
        below(root, file).and_then(|path| seen.get(&path)?.md5).is_some_and(|found| found == **md5)
    });
    fits.count() * 2 > list.files.len()
}

/// `$wp_version = '6.8.1';`
fn version(content: &[u8]) -> Option<String> {
    let at = super::find(content, b"$wp_version")?;
    let line = content.get(at..)?.split(|&b| b == b';').next()?;
    let quoted = line.split(|&b| b == b'\'' || b == b'"').nth(1)?;
    let text = std::str::from_utf8(quoted).ok()?;
    (text.len() <= 32 && text.starts_with(|c: char| c.is_ascii_digit())).then(|| text.to_owned())
}

impl Detector for WordPressDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        let _ = report;
        if !file.meta.is_file() || !self.may_be_core(file.path) {
            return;
        }
        if let Some(root) = file.path.as_bytes().strip_suffix(VERSION).and_then(|root| EvidencePath::new(root).ok()) {
            let said = file.content.and_then(version);
            self.versions.lock().unwrap_or_else(PoisonError::into_inner).insert(root, said);
        }
        let seen = Seen {
            md5: file.content.map(|content| md5::Md5::digest(content).into()),
            sha256: file.sha256,
            class: class(file.path, file.content),
        };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(file.path.clone(), seen);
    }

    fn conclude(&self, host: &HostContext, report: &mut Report) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut matched = BTreeMap::new();
        let mut used = BTreeSet::new();
        for (root, said) in versions.iter() {
            let Some(at) = self.list_for(root, &seen, said.as_deref()) else {
                let said = said.as_deref().unwrap_or("of an unknown version");
                let detail = format!("none of the checksums that were given is for this WordPress {said}");
                report.gaps.push(Gap::new(root.clone(), GapReason::Unsupported, detail));
                continue;
            };
            let Some(list) = self.lists.get(at) else { continue };
            used.insert(at);
            matched.insert(root.clone(), at);
            Check { root, list, said: said.as_deref(), seen: &seen, host }.run(report);
        }
        for (_, list) in self.lists.iter().enumerate().filter(|(at, _)| !used.contains(at)) {
            let detail = format!("checksums of `{}` are for no WordPress in the evidence", list.name);
            report.gaps.push(Gap::new(EvidencePath::root(), GapReason::Unsupported, detail));
        }
        // Nobody concludes twice.
        let _ = self.matched.set(matched);
    }

    fn authorities(&self) -> Vec<Box<dyn Authority + '_>> {
        match self.matched.get() {
            Some(matched) if !matched.is_empty() => vec![Box::new(Core { detector: self, matched })],
            _ => Vec::new(),
        }
    }
}

/// One installation and its list.
struct Check<'a> {
    root: &'a EvidencePath,
    list: &'a CoreChecksums,
    said: Option<&'a str>,
    seen: &'a BTreeMap<EvidencePath, Seen>,
    host: &'a HostContext<'a>,
}

impl Check<'_> {
    fn run(&self, report: &mut Report) {
        let mut found: [Vec<Finding>; 3] = Default::default();
        let [altered, missing, unlisted] = &mut found;
        let mut listed = BTreeSet::new();
        for (file, md5) in &self.list.files {
            let Some(path) = below(self.root, file) else { continue };
            // Themes and plug-ins are updated and taken away without the core.
            let is_content = file.starts_with(b"wp-content/");
            match self.seen.get(&path) {
                Some(seen) if !is_content && seen.md5.is_some_and(|found| found != *md5) => {
                    altered.push(self.altered(&path, seen, md5));
                }
                None if !is_content && !DISPENSABLE.contains(&file.as_slice()) && self.host.shows_absence_of(&path) => {
                    let grade = (Category::Tampering, Severity::Low, 30);
                    let title = "File of the WordPress core that is missing";
                    missing.push(self.finding("TR-WORDPRESS-0003", title, grade, &path, None, vec![]));
                }
                _ => {}
            }
            listed.insert(path);
        }
        for (path, seen) in self.seen.iter().filter(|(path, _)| path.starts_with(self.root)) {
            let Some(inside) = path.as_bytes().strip_prefix(self.root.as_bytes()) else { continue };
            let inside = inside.strip_prefix(b"/").unwrap_or(inside);
            let is_in_core = inside.starts_with(b"wp-admin/") || inside.starts_with(b"wp-includes/");
            let takes_a_name = !inside.contains(&b'/') && inside.starts_with(b"wp-") && inside != b"wp-config.php";
            let is_code = !matches!(seen.class, FileClass::Data);
            if is_code && (is_in_core || takes_a_name) && !listed.contains(path) {
                let grade = (Category::WebShell, Severity::High, if is_in_core { 85 } else { 70 });
                let title = "Code among WordPress's own that no release has";
                let class = Evidence::Attribute { name: "class".into(), value: seen.class.as_str().into() };
                unlisted.push(self.finding("TR-WORDPRESS-0002", title, grade, path, seen.sha256, vec![class]));
            }
        }
        if missing.len() == self.list.files.len() {
            missing.clear();
        }
        for (mut findings, what) in found.into_iter().zip(["are altered", "are missing", "are in no release"]) {
            if findings.len() > MOST {
                findings.sort_by(|a, b| a.rank().cmp(&b.rank()));
                let detail = format!("{} files of WordPress {what}; {MOST} of them are findings", findings.len());
                report.gaps.push(Gap::new(self.root.clone(), GapReason::LimitReached, detail));
                findings.truncate(MOST);
            }
            report.findings.append(&mut findings);
        }
    }

    fn altered(&self, path: &EvidencePath, seen: &Seen, expected: &[u8; 16]) -> Finding {
        let is_code = seen.class != FileClass::Data || matches!(path.extension(), Some(b"js"));
        let grade = if is_code { (Severity::High, 80) } else { (Severity::Low, 40) };
        let attribute = |name: &str, value: &str| Evidence::Attribute { name: name.to_owned(), value: value.into() };
        let mut evidence = vec![attribute("md5_expected", &hex(expected))];
        evidence.extend(seen.md5.map(|md5| attribute("md5_actual", &hex(&md5))));
        let title = "File of the WordPress core that is not as it was published";
        let grade = (Category::Tampering, grade.0, grade.1);
        self.finding("TR-WORDPRESS-0001", title, grade, path, seen.sha256, evidence)
    }

    fn finding(
        &self,
        rule: &str,
        title: &str,
        grade: (Category, Severity, u8),
        path: &EvidencePath,
        sha256: Option<Digest>,
        mut evidence: Vec<Evidence>,
    ) -> Finding {
        let version = self.list.version.as_deref().or(self.said).unwrap_or("unknown");
        for (name, value) in [("release", version), ("checksums", self.list.name.as_str())] {
            evidence.push(Evidence::Attribute { name: name.to_owned(), value: RawText::from(value) });
        }
        let subject = Subject::File { path: path.clone(), sha256 };
        Finding::new(rule, title, grade, subject, evidence).with_attack(["T1505.003"])
    }
}

/// The published checksums as an authority.
struct Core<'a> {
    detector: &'a WordPressDetector,
    matched: &'a BTreeMap<EvidencePath, usize>,
}

impl Authority for Core<'_> {
    fn judge(&self, path: &EvidencePath, digests: &Digests) -> Judgement {
        let unowned = || Judgement::new("WordPress checksums", Standing::Unowned);
        let root =
            std::iter::successors(path.parent(), EvidencePath::parent).find(|folder| self.matched.contains_key(folder));
        let Some((root, list)) = root.and_then(|root| {
            let list = self.detector.lists.get(*self.matched.get(&root)?)?;
            Some((root, list))
        }) else {
            return unowned();
        };
        let inside = path.as_bytes().strip_prefix(root.as_bytes()).unwrap_or_default();
        let Some(expected) = list.files.get(inside.strip_prefix(b"/").unwrap_or(inside)) else { return unowned() };
        let seen = self.detector.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // What is asked for is not always what was seen at the place: code that stands inside of it is not the vendor's.
        let known = seen.get(path).filter(|seen| digests.sha256.is_none() || digests.sha256 == seen.sha256);
        let standing = match digests.md5.or_else(|| known.and_then(|seen| seen.md5)) {
            Some(md5) if md5 == *expected => Standing::VendorPristine,
            Some(_) => Standing::VendorModified,
            None => Standing::Unknown,
        };
        Judgement::new(format!("WordPress checksums ({})", list.name), standing)
    }
}
