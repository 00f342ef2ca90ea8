//! Every packaged file against what its package's database says it should be.
//!
//! The databases come in the same sweep as the files, in any order. So each object leaves its digests here, and everything is
//! compared after the last one. A database lies on the host: who has root can change a program and its digest with it. Agreement therefore
//! proves nothing, and each finding says where its expectation comes from; a difference is one all the same, because intruders rarely take
//! the trouble.

mod observed;
mod table;

use super::known_good::{Authority, Digests};
use super::{Detector, HostContext, Report};
use crate::model::{Category, Digest, Evidence, EvidencePath, Finding, Gap, GapReason, RawText, Severity, Subject};
use crate::parse::{Format, Limits, dpkg, rpm};
use crate::sweep::Swept;
use observed::{Observed, Seen};
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use table::{Content, Expected, Gathered, PackageAuthority, Role, Table, merged};

/// The most findings of one kind; a host whose every file differs is one fact.
const MOST: usize = 500;

/// The most findings of low severity about the files of one package.
const MOST_SLIGHT: usize = 20;

/// The most paths that are kept to ask about their owner.
const MAX_CANDIDATES: usize = 200_000;

/// What a finding's reader has to know of its source.
const LIMIT: &str =
    "the package database is a file of this host; an intruder with root may have changed it with the file";

/// Compares files with the databases of `dpkg` and `rpm`.
#[derive(Default)]
pub struct PackageDetector {
    gathered: Mutex<Gathered>,
    observed: Observed,
    /// Programs and login modules, to be asked whether a package owns them.
    candidates: Mutex<Vec<EvidencePath>>,
    table: OnceLock<Table>,
}

/// What a file is, so what it means that it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// What lets people in, or what an administrator looks with.
    Sensitive,
    /// Another program or library.
    Program,
    /// Text that an interpreter runs.
    Script,
    /// All else.
    Data,
}

impl PackageDetector {
    /// A detector that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn gather(&self, file: &Swept<'_>, content: &[u8], report: &mut Report) {
        let limits = Limits::default();
        let path = file.path;
        let lock = || self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        match Format::at(path) {
            Some(Format::DpkgStatus) => {
                let outcome = dpkg::status(path, content, &limits);
                report.gaps.extend(outcome.gaps);
                lock().statuses.extend(outcome.value);
            }
            Some(Format::RpmDatabase) => {
                // One package at a time: the files of all together are hundreds of megabytes.
                let mut gathered = lock();
                report.gaps.extend(rpm::each(path, content, &limits, &mut |installed| gathered.rpm(installed)));
            }
            _ => self.dpkg(path, content, &limits, report),
        }
    }

    fn dpkg(&self, path: &EvidencePath, content: &[u8], limits: &Limits, report: &mut Report) {
        let lock = || self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(inside) = path.as_bytes().strip_prefix(b"/var/lib/dpkg/") else { return };
        match inside {
            b"diversions" => {
                let outcome = dpkg::diversions(path, content, limits);
                report.gaps.extend(outcome.gaps);
                lock().diversions = outcome.value;
            }
            b"statoverride" => {
                let outcome = dpkg::stat_overrides(path, content, limits);
                report.gaps.extend(outcome.gaps);
                lock().overrides = outcome.value;
            }
            _ => {
                let Some(name) = inside.strip_prefix(b"info/") else { return };
                if let Some(name) = name.strip_suffix(b".md5sums") {
                    let outcome = dpkg::md5sums(path, content, limits);
                    report.gaps.extend(outcome.gaps);
                    lock().sums.push((name.to_vec(), outcome.value));
                } else if name.ends_with(b".list") {
                    let outcome = dpkg::list(path, content, limits);
                    report.gaps.extend(outcome.gaps);
                    let mut gathered = lock();
                    gathered.has_lists = true;
                    gathered.listed.extend(outcome.value.iter().map(observed::key));
                }
            }
        }
    }

    /// The object that stands at a packaged path, and its real path.
    fn seen(&self, path: &EvidencePath) -> Option<(EvidencePath, Seen)> {
        let at = |path: EvidencePath| self.observed.at(&path).map(|seen| (path, seen));
        at(path.clone()).or_else(|| at(merged(path)))
    }

    fn compare(&self, table: &Table, group: &[&Expected], context: &HostContext, found: &mut Found) {
        let Some(first) = group.first() else { return };
        let Some((path, seen)) = self.seen(&first.path) else {
            missing(table, group, context, found);
            return;
        };
        if !seen.is_file() {
            return;
        }
        let sha256 = seen.sha256().map(Digest::from_bytes);
        let digests = Digests { sha256, md5: seen.md5() };
        let answers: Vec<Option<bool>> = group.iter().map(|file| file.is_met_by(&digests)).collect();
        gained_rights(table, group, &path, &seen, found);
        if answers.contains(&Some(true)) {
            return;
        }
        let Some(file) = group.iter().zip(&answers).find(|(_, answer)| **answer == Some(false)).map(|(file, _)| file)
        else {
            // Hashed as a stream: there is a SHA-256 and the database wants MD5.
            if sha256.is_some() && matches!(first.content, Content::Md5(_)) {
                let detail = "too large to be held in memory, so its MD5 was not compared with its package's: unknown";
                found.gap(&path, detail);
            }
            return;
        };
        let mut finding = altered(table, file, &path, &seen);
        if found.is_prelinked && seen.is_elf() {
            // An intruder can make that file too, so that the finding stays.
            finding.severity = finding.severity.min(Severity::Medium);
            finding.confidence = finding.confidence.min(40);
            finding
                .evidence
                .push(attribute("prelink", "this host has /etc/prelink.cache: prelink(8) rewrites programs"));
        }
        let is_many = finding.severity == Severity::Low && finding.rule.0 == "TR-PACKAGE-0002";
        if is_many && !found.has_room_for(&table.owner(file)) {
            return;
        }
        found.altered(finding);
    }

    fn unowned(&self, table: &Table, found: &mut Found) {
        if !table.knows_all_paths() {
            return;
        }
        let candidates = self.candidates.lock().unwrap_or_else(PoisonError::into_inner);
        for path in candidates.iter().filter(|path| !table.owns(path)) {
            let Some(seen) = self.observed.at(path).filter(Seen::is_file) else { continue };
            let (rule, title, severity, confidence) = if is_login_module(path) {
                ("TR-PACKAGE-0006", "Login module that no package owns", Severity::Medium, 70)
            } else if seen.mode().is_setid() && seen.mode().is_executable() {
                ("TR-PACKAGE-0007", "Program with its owner's rights that no package owns", Severity::Medium, 60)
            } else {
                ("TR-PACKAGE-0008", "Program among the packages' programs that no package owns", Severity::Low, 30)
            };
            let mut evidence = vec![attribute("known_good", "unowned"), attribute("limit", LIMIT)];
            evidence.push(attribute("mode", &seen.mode().to_string()));
            let subject = Subject::File { path: path.clone(), sha256: seen.sha256().map(Digest::from_bytes) };
            let finding = Finding::new(rule, title, (Category::Tampering, severity, confidence), subject, evidence);
            found.unowned(finding.with_attack(["T1554"]));
        }
    }
}

impl Detector for PackageDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        self.observed.note(file);
        if !file.meta.is_file() {
            return;
        }
        if let Some(content) = file.content {
            self.gather(file, content, report);
        }
        if is_candidate(file) {
            let mut candidates = self.candidates.lock().unwrap_or_else(PoisonError::into_inner);
            if candidates.len() < MAX_CANDIDATES {
                candidates.push(file.path.clone());
            }
        }
    }

    fn inspect_large(&self, file: &Swept<'_>, report: &mut Report) {
        self.inspect(file, report);
    }

    fn conclude(&self, context: &HostContext, report: &mut Report) {
        let gathered = std::mem::take(&mut *self.gathered.lock().unwrap_or_else(PoisonError::into_inner));
        let table = self.table.get_or_init(|| gathered.finish());
        let prelink = EvidencePath::new("/etc/prelink.cache").ok().and_then(|cache| self.observed.at(&cache));
        let mut found = Found { is_prelinked: prelink.is_some(), ..Found::default() };
        for group in table.by_place() {
            self.compare(table, &group, context, &mut found);
        }
        self.unowned(table, &mut found);
        found.report(report);
    }

    fn authorities(&self) -> Vec<Box<dyn Authority + '_>> {
        match self.table.get() {
            Some(table) if !table.is_empty() => vec![Box::new(PackageAuthority { table, observed: &self.observed })],
            _ => Vec::new(),
        }
    }
}

/// Findings by kind, so that many of one do not hide the others.
#[derive(Default)]
struct Found {
    altered: Vec<Finding>,
    missing: Vec<Finding>,
    unowned: Vec<Finding>,
    gaps: Vec<Gap>,
    is_prelinked: bool,
    /// How many files of a package are not as shipped and of little weight. An application that updates itself has thousands.
    slight: BTreeMap<String, usize>,
}

impl Found {
    fn altered(&mut self, finding: Finding) {
        self.altered.push(finding);
    }

    fn missing(&mut self, finding: Finding) {
        self.missing.push(finding);
    }

    fn unowned(&mut self, finding: Finding) {
        self.unowned.push(finding);
    }

    fn has_room_for(&mut self, owner: &str) -> bool {
        let count = self.slight.entry(owner.to_owned()).or_default();
        *count += 1;
        *count <= MOST_SLIGHT
    }

    fn gap(&mut self, path: &EvidencePath, detail: &str) {
        self.gaps.push(Gap::new(path.clone(), GapReason::LimitReached, detail));
    }

    fn report(self, report: &mut Report) {
        let kinds = [("were altered", self.altered), ("are missing", self.missing), ("have no package", self.unowned)];
        for (what, mut findings) in kinds {
            if findings.len() > MOST {
                // The worst stay, in an order that does not depend on that of the visits.
                findings.sort_by(|a, b| a.rank().cmp(&b.rank()));
                let detail = format!("{} files {what}; the worst {MOST} are findings", findings.len());
                report.gaps.push(Gap::new(EvidencePath::root(), GapReason::LimitReached, detail));
                findings.truncate(MOST);
            }
            report.findings.append(&mut findings);
        }
        for (owner, count) in self.slight.into_iter().filter(|(_, count)| *count > MOST_SLIGHT) {
            let detail = format!("{count} files of {owner} are not as shipped; {MOST_SLIGHT} of them are findings");
            report.gaps.push(Gap::new(EvidencePath::root(), GapReason::LimitReached, detail));
        }
        report.gaps.extend(self.gaps.into_iter().take(MOST));
    }
}

fn altered(table: &Table, file: &Expected, path: &EvidencePath, seen: &Seen) -> Finding {
    let class = class(path, seen);
    let is_in_usr = !path.as_bytes().starts_with(b"/var/") && !path.as_bytes().starts_with(b"/srv/");
    let (rule, title, severity, confidence) = match (file.role, class) {
        (Role::Configuration, _) => {
            ("TR-PACKAGE-0003", "Configuration file that is not as its package ships it", Severity::Low, 30)
        }
        (_, Class::Sensitive) => (
            "TR-PACKAGE-0001",
            "Program that guards or shows logins and processes, and is not its package's",
            Severity::High,
            90,
        ),
        (_, Class::Program) => ("TR-PACKAGE-0001", "Program or library that is not its package's", Severity::High, 80),
        // Applications under /var/www update themselves; what is in /usr does not.
        (_, Class::Script) if is_in_usr => {
            ("TR-PACKAGE-0002", "Script that is not its package's", Severity::Medium, 65)
        }
        _ => ("TR-PACKAGE-0002", "File that is not as its package ships it", Severity::Low, 40),
    };
    let mut evidence = vec![attribute("package", &table.owner(file))];
    let sha256 = seen.sha256().map(Digest::from_bytes);
    match file.content {
        Content::Sha256(expected) => evidence.push(Evidence::Hash {
            authority: "rpm database".to_owned(),
            expected: Some(expected),
            actual: sha256,
        }),
        Content::Md5(expected) => {
            evidence.push(attribute("md5_expected", &dpkg::hex(&expected)));
            evidence.extend(seen.md5().map(|actual| attribute("md5_actual", &dpkg::hex(&actual))));
        }
        Content::Untold => {}
    }
    evidence.push(attribute("known_good", "vendor_modified"));
    evidence.push(attribute("limit", LIMIT));
    let subject = Subject::File { path: path.clone(), sha256 };
    Finding::new(rule, title, (Category::Tampering, severity, confidence), subject, evidence).with_attack(["T1554"])
}

/// A packaged program that is gone. Documentation and translations are left out of many images, and mean nothing.
fn missing(table: &Table, group: &[&Expected], context: &HostContext, found: &mut Found) {
    let Some(file) = group.iter().find(|file| file.role == Role::Part) else { return };
    let path = merged(&file.path);
    let is_program = is_in_program_folder(&path) || is_login_module(&path);
    if !is_program || !context.shows_absence_of(&path) || !context.shows_absence_of(&file.path) {
        return;
    }
    let evidence = vec![attribute("package", &table.owner(file)), attribute("limit", LIMIT)];
    let subject = Subject::File { path: file.path.clone(), sha256: None };
    let grade = (Category::Tampering, Severity::Low, 40);
    found.missing(
        Finding::new("TR-PACKAGE-0004", "Program of a package that is missing", grade, subject, evidence)
            .with_attack(["T1070.004"]),
    );
}

/// Rights that no package gave: set-user-id, or that everybody may write.
fn gained_rights(table: &Table, group: &[&Expected], path: &EvidencePath, seen: &Seen, found: &mut Found) {
    let actual = seen.mode().bits();
    // Every package that has a mode for it has to miss the right.
    let modes: Vec<u32> = group.iter().filter_map(|file| file.mode.map(crate::model::Mode::bits)).collect();
    if modes.is_empty() {
        return;
    }
    let gained = modes.iter().fold(actual, |left, mode| left & !mode);
    let is_setid = gained & 0o6000 != 0 && seen.mode().is_executable();
    let is_open = gained & 0o002 != 0 && matches!(class(path, seen), Class::Sensitive | Class::Program);
    if !is_setid && !is_open {
        return;
    }
    let title = if is_setid {
        "Program that runs with its owner's rights, which its package did not give it"
    } else {
        "Program that everybody may write, which its package did not allow"
    };
    let Some(file) = group.iter().find(|file| file.mode.is_some()) else { return };
    let evidence = vec![
        attribute("package", &table.owner(file)),
        attribute("mode", &seen.mode().to_string()),
        attribute("mode_expected", &file.mode.map(|mode| mode.to_string()).unwrap_or_default()),
        attribute("limit", LIMIT),
    ];
    let subject = Subject::File { path: path.clone(), sha256: seen.sha256().map(Digest::from_bytes) };
    let grade = (Category::Tampering, Severity::High, 80);
    found.altered(Finding::new("TR-PACKAGE-0005", title, grade, subject, evidence).with_attack(["T1548.001"]));
}

fn class(path: &EvidencePath, seen: &Seen) -> Class {
    let is_program = is_in_program_folder(path) || seen.is_elf() || is_library(path) || path.extension() == Some(b"ko");
    if is_login_module(path) || (is_program && is_sensitive_name(path.file_name())) {
        return Class::Sensitive;
    }
    if is_program {
        return Class::Program;
    }
    let is_code = path.extension().is_some_and(|extension| {
        [&b"php"[..], b"inc", b"py", b"pl", b"pm", b"sh", b"js", b"rb", b"lua", b"service", b"timer", b"agi", b"cgi"]
            .contains(&extension)
    });
    // Bytecode is made anew from its source, and then differs.
    let is_code = is_code || (seen.is_script() && path.extension() != Some(b"pyc"));
    if is_code { Class::Script } else { Class::Data }
}

/// Programs that rootkits replace, because they let in or because they would show them.
fn is_sensitive_name(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 36] = [
        b"sshd",
        b"sshd-session",
        b"sshd-auth",
        b"login",
        b"su",
        b"sudo",
        b"passwd",
        b"chsh",
        b"agetty",
        b"ssh",
        b"scp",
        b"systemd",
        b"init",
        b"cron",
        b"crond",
        b"ps",
        b"top",
        b"ls",
        b"find",
        b"netstat",
        b"ss",
        b"lsof",
        b"ifconfig",
        b"ip",
        b"w",
        b"who",
        b"last",
        b"lastb",
        b"pstree",
        b"pidof",
        b"kill",
        b"dpkg",
        b"rpm",
        b"md5sum",
        b"sha256sum",
        b"lsmod",
    ];
    NAMES.contains(&name)
}

fn is_in_program_folder(path: &EvidencePath) -> bool {
    let folders =
        [&b"/bin/"[..], b"/sbin/", b"/usr/bin/", b"/usr/sbin/", b"/usr/libexec/", b"/usr/lib/systemd/systemd"];
    folders.iter().any(|folder| path.as_bytes().starts_with(folder))
}

/// `libx.so`, `libx.so.1.2`.
fn is_library(path: &EvidencePath) -> bool {
    let name = path.file_name();
    name.ends_with(b".so") || super::find(name, b".so.").is_some()
}

/// `pam_*.so` where PAM looks for its modules: `/lib/security`, `/usr/lib64/security`, `/usr/lib/x86_64-linux-gnu/security`.
fn is_login_module(path: &EvidencePath) -> bool {
    let parts: Vec<&[u8]> = path.components().collect();
    matches!(parts.as_slice(), [.., b"security", name] if name.ends_with(b".so"))
        && [&b"/lib"[..], b"/usr/lib"].iter().any(|folder| path.as_bytes().starts_with(folder))
}

/// Says whether it matters that no package owns it.
fn is_candidate(file: &Swept<'_>) -> bool {
    let path = file.path;
    if is_login_module(path) {
        return true;
    }
    let is_setid = file.meta.mode.is_setid() && file.meta.mode.is_executable();
    let folders = [&b"/bin/"[..], b"/sbin/", b"/usr/bin/", b"/usr/sbin/"];
    let is_among = folders.iter().any(|folder| path.as_bytes().starts_with(folder));
    let is_in_system = [&b"/usr/"[..], b"/lib", b"/bin/", b"/sbin/"].iter().any(|f| path.as_bytes().starts_with(f))
        && !path.as_bytes().starts_with(b"/usr/local/");
    (is_among && file.meta.mode.is_executable()) || (is_setid && is_in_system)
}

fn attribute(name: &str, value: &str) -> Evidence {
    Evidence::Attribute { name: name.to_owned(), value: RawText::from(value) }
}

#[cfg(test)]
mod tests;
