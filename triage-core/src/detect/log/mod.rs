//! What logs tell: attacks and whether they were answered, what followed, logins that were guessed, and what is missing from the logs.
//!
//! Each file is read line by line, whole or in parts, and what is remembered of it is bounded. The conclusion puts the rotations of a log
//! together in the order of time: one finding a rule and log, however many lines it is about. Rules are Sigma's; what they cannot say (what
//! an address did next, which found file was used, what is missing) is here. It never judges a file by its name in a log alone, and it
//! believes no line more than the server that wrote it.

mod feed;
mod gone;
mod hits;
mod last;
mod login;
mod panel;
mod rhythm;
mod scan;
mod script_use;
mod session;
mod tell;
mod used;

pub(super) use feed::{Feeds, LineSink};

use super::fraud::Offsets;
use super::sigma::SigmaSet;
use super::{Detector, HostContext, Report};
use crate::model::{
    Category, Evidence, EvidencePath, Finding, Gap, GapReason, LoginKind, Severity, Subject, Timestamp,
};
use crate::parse::log_kind::{LogKind, family};
use crate::parse::{Format, Limits, journal, utmp};
use crate::sweep::{Swept, Window};
use gone::Seen;
use scan::{Facts, Scan};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use tell::{Log, attribute};

/// The most log files that are met by name.
const FILES: usize = 50_000;
/// Programs of all access logs that are held against other findings.
const PROGRAMS: usize = 200_000;

/// Judges logs.
pub struct LogDetector {
    rules: SigmaSet,
    feeds: Feeds<Scan>,
    state: Mutex<State>,
    /// Who wants to know how far the host's clock is ahead of UTC.
    offsets: Offsets,
}

#[derive(Default)]
struct State {
    files: BTreeMap<EvidencePath, Facts>,
    seen: BTreeMap<EvidencePath, Seen>,
    /// Who logged in last, by two files that have to agree.
    last: last::Last,
    /// Configuration of what writes logs.
    writers: BTreeSet<&'static str>,
}

/// What writes a log, by its configuration, and the logs of which one has to be there.
const WRITERS: [(&str, [&str; 2]); 4] = [
    ("/etc/rsyslog.conf", ["/var/log/auth.log", "/var/log/secure"]),
    ("/etc/apache2/apache2.conf", ["/var/log/apache2/access.log", "/var/log/apache2/other_vhosts_access.log"]),
    ("/etc/httpd/conf/httpd.conf", ["/var/log/httpd/access_log", "/var/log/httpd/ssl_access_log"]),
    ("/etc/asterisk/logger.conf", ["/var/log/asterisk/full", "/var/log/asterisk/messages"]),
];

impl LogDetector {
    /// A detector with these rules.
    pub fn new(rules: SigmaSet) -> Self {
        Self { rules, feeds: Feeds::default(), state: Mutex::default(), offsets: Offsets::default() }
    }

    /// The same, and what it learns of the host's clock is told there.
    pub(super) fn telling(self, offsets: Offsets) -> Self {
        Self { offsets, ..self }
    }

    fn sink(&self, path: &EvidencePath, kind: LogKind) -> Scan {
        Scan::new(self.rules.clone(), path.clone(), kind)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A journal, of which the entries of programs that matter are read as lines of syslog; their numbers are those of the entries.
    fn journal(&self, file: &Swept<'_>, report: &mut Report) {
        let Some(content) = file.content else { return };
        let read = journal::parse(file.path, content, &Limits::default());
        report.gaps.extend(read.gaps);
        let mut scan = self.sink(file.path, LogKind::Syslog);
        let mut line = Vec::new();
        for entry in read.value.entries {
            line.clear();
            let pid = entry.pid.map_or_else(String::new, |pid| format!("[{pid}]"));
            line.extend_from_slice(entry.time.to_string().as_bytes());
            let host = if entry.hostname.is_empty() { b"-" } else { entry.hostname.as_bytes() };
            for part in [&b" "[..], host, b" ", entry.identifier.as_bytes(), pid.as_bytes(), b": "] {
                line.extend_from_slice(part);
            }
            line.extend(entry.message.as_bytes().iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
            scan.line(entry.sequence, &line);
        }
        self.state().files.insert(file.path.clone(), scan.facts);
    }
}

/// Says whether a file is a log that is read here; it is read in every scan, because others are judged by it.
pub(super) fn judges_by(path: &EvidencePath) -> bool {
    LogKind::at(path).is_some() || Format::at(path) == Some(Format::Journal)
}

/// The log that a file is a rotation of, and what puts its files into the order of time. A journal that was rotated has the time of its
/// first entry in its name: `system@id-number-microseconds.journal`.
fn log_of(path: &EvidencePath) -> (EvidencePath, (u8, u64)) {
    let name = path.file_name();
    let archived = name.strip_suffix(b".journal").and_then(|name| {
        let (log, rest) = name.split_at_checked(memchr::memchr(b'@', name)?)?;
        let time = rest.rsplit(|byte| *byte == b'-').next().and_then(|time| std::str::from_utf8(time).ok())?;
        Some((log, u64::from_str_radix(time, 16).ok()?))
    });
    if let Some((log, time)) = archived {
        let folder = path.parent().unwrap_or_else(EvidencePath::root);
        return (folder.join(&[log, b".journal"].concat()), (0, time));
    }
    let (log, rotation) = family(path);
    (log, rotation.age())
}

impl Detector for LogDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        if !file.meta.is_file() {
            return;
        }
        if let Some((name, _)) = WRITERS.iter().find(|(name, _)| name.as_bytes() == file.path.as_bytes()) {
            self.state().writers.insert(name);
        }
        match Format::at(file.path) {
            Some(Format::Utmp) => {
                zeroed(file, report);
                self.state().last.wtmp(file);
            }
            Some(Format::Lastlog) => self.state().last.lastlog(file),
            Some(Format::Passwd) => self.state().last.passwd(file),
            Some(Format::Journal) => self.journal(file, report),
            _ => {}
        }
        let Some(kind) = LogKind::at(file.path).filter(|kind| *kind != LogKind::Calls) else { return };
        let seen = Seen { size: file.meta.size, modified: file.meta.mtime.map_or(0, Timestamp::seconds), kind };
        {
            let mut state = self.state();
            if state.seen.len() < FILES {
                state.seen.insert(file.path.clone(), seen);
            }
        }
        if let Some(scan) = self.feeds.file(file, || self.sink(file.path, kind), &mut report.gaps) {
            self.state().files.insert(file.path.clone(), scan.facts);
        }
    }

    fn inspect_large(&self, file: &Swept<'_>, report: &mut Report) {
        if file.meta.is_file() && Format::at(file.path) == Some(Format::Journal) {
            self.journal(file, report);
        } else {
            self.inspect(&Swept { content: None, ..*file }, report);
        }
    }

    fn inspect_window(&self, window: &Window<'_>, _: &mut Report) {
        if let Some(kind) = LogKind::at(window.file.path).filter(|kind| *kind != LogKind::Calls) {
            self.feeds.part(window, || self.sink(window.file.path, kind));
        }
    }

    fn conclude(&self, host: &HostContext, report: &mut Report) {
        let state = std::mem::take(&mut *self.state());
        let mut families: BTreeMap<EvidencePath, Vec<(&EvidencePath, &Facts)>> = BTreeMap::new();
        for (path, facts) in &state.files {
            families.entry(log_of(path).0).or_default().push((path, facts));
        }
        for path in state.seen.keys() {
            families.entry(log_of(path).0).or_default();
        }
        let mut found = Vec::new();
        for (name, mut files) in families {
            files.sort_by_key(|(path, _)| log_of(path).1);
            let log = Log { path: &name, files };
            found.extend(log.findings(&self.rules));
            found.extend(gone::times(&log));
            found.extend(gone::files(&log, &state.seen, latest(&state.seen, &name)));
            found.extend(logins(&log));
            found.extend(panel::findings(&log));
            report.gaps.extend(unread(&log));
        }
        found.extend(absent(&state, host));
        found.extend(state.last.findings());
        let offsets = state.files.values().flat_map(|facts| &facts.offsets).copied();
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner).extend(offsets);
        let mut used = BTreeMap::new();
        for (path, facts) in state.files {
            for (program, one) in facts.programs.into_sorted() {
                if used.len() >= PROGRAMS && !used.contains_key(&program) {
                    continue;
                }
                let known = used.entry(program).or_insert_with(|| (script_use::Use::default(), path.clone()));
                known.0.join(one);
            }
        }
        found.extend(used::findings(&report.findings, &used));
        report.findings.append(&mut found);
    }
}

/// The latest change of a log in the folder of this one.
fn latest(seen: &BTreeMap<EvidencePath, Seen>, log: &EvidencePath) -> i64 {
    let folder = log.parent();
    let beside = seen.iter().filter(|(path, seen)| path.parent() == folder && seen.size > 0);
    beside.map(|(_, seen)| seen.modified).max().unwrap_or(0)
}

/// A log in which hardly a line is of a known format.
fn unread(log: &Log<'_>) -> Vec<Gap> {
    let unread = log.files.iter().filter(|(_, facts)| facts.unread >= 20 && facts.unread * 2 > facts.lines);
    unread
        .map(|(path, facts)| {
            let detail = format!("{} of {} lines are of no known format of access logs", facts.unread, facts.lines);
            Gap::new((*path).clone(), GapReason::Unsupported, detail)
        })
        .collect()
}

/// Logins after many refusals, and accounts that were removed in a row.
fn logins(log: &Log<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let files: Vec<_> = log.files.iter().map(|(path, facts)| (*path, &facts.logins)).collect();
    let guessed = login::guessed(&files);
    let is_foreign = |address: &[u8]| {
        let address: Option<std::net::IpAddr> = std::str::from_utf8(address).ok().and_then(|text| text.parse().ok());
        address.is_none_or(|address| !super::fraud::is_local(address))
    };
    let worst = guessed
        .iter()
        .map(|guess| (is_foreign(&guess.login.address), guess.login.user == b"root", guess.refused))
        .max();
    if let Some((foreign, root, refused)) = worst {
        let weight = match (foreign, refused) {
            (true, 30..) => (Category::Account, Severity::High, if root { 80 } else { 76 }),
            (true, _) => (Category::Account, Severity::Medium, 60),
            (false, _) => (Category::Account, Severity::Low, 40),
        };
        let mut evidence = Vec::new();
        for guess in guessed.iter().take(8) {
            let text = format!(
                "{} as {} after {} refusals; {} more logins",
                crate::model::escape(&guess.login.address),
                crate::model::escape(&guess.login.user),
                guess.refused,
                guess.more
            );
            evidence.push(attribute("login", &text));
            log.show(guess.path, &guess.login.sample, &mut evidence);
        }
        let title = "Login over SSH with a password, after many that were refused";
        found.push(Finding::new("TR-LOG-0611", title, weight, log.subject(), evidence).with_attack(["T1110", "T1078"]));
    }
    let removed: Vec<_> =
        files.iter().flat_map(|(path, logins)| logins.removed.iter().map(|one| (*path, one))).collect();
    let in_a_row = removed.windows(3).find(|three| {
        three.first().zip(three.last()).is_some_and(|((_, first), (_, last))| (0..600).contains(&(last.0 - first.0)))
    });
    if let Some(three) = in_a_row {
        let mut evidence = vec![attribute("removed", &removed.len().to_string())];
        for (path, (_, sample)) in three {
            log.show(path, sample, &mut evidence);
        }
        let title = "Accounts that were removed one after the other";
        let weight = (Category::Account, Severity::Medium, 55);
        let references = ["Cyble on JOMANGY (2026-05-21): `userdel` on every other account"];
        found.push(
            Finding::new("TR-LOG-0612", title, weight, log.subject(), evidence)
                .with_attack(["T1531"])
                .with_references(references),
        );
    }
    found
}

/// Logs that have to be there, and are not, where what writes them is set up and other logs are written.
fn absent(state: &State, host: &HostContext) -> Vec<Finding> {
    let mut found = Vec::new();
    let is_in_use = state.seen.values().any(|seen| seen.size > 0);
    for (writer, logs) in WRITERS.iter().filter(|(writer, _)| is_in_use && state.writers.contains(writer)) {
        let paths: Vec<EvidencePath> = logs.iter().filter_map(|log| EvidencePath::new(log).ok()).collect();
        let is_there = state.seen.keys().any(|path| paths.contains(&family(path).0));
        let is_absent = paths.iter().all(|path| host.shows_absence_of(path));
        let Some(path) = paths.into_iter().next().filter(|_| !is_there && is_absent) else { continue };
        let evidence = vec![attribute("writer", writer), attribute("missing", &logs.join(", "))];
        let weight = (Category::Tampering, Severity::Low, 40);
        let subject = Subject::File { path, sha256: None };
        let title = "Log that has to be there is not there";
        found.push(Finding::new("TR-LOG-0506", title, weight, subject, evidence).with_attack(["T1070.002"]));
    }
    found
}

/// Entries of `wtmp` that were overwritten with zeros in the midst of others.
fn zeroed(file: &Swept<'_>, report: &mut Report) {
    let Some(content) = file.content else { return };
    let entries = utmp::parse(file.path, content, &Limits::default()).value;
    let zeroed: Vec<u64> =
        entries.iter().filter(|login| login.event == LoginKind::Zeroed).map(|login| login.entry).collect();
    let Some(first) = zeroed.first() else { return };
    let evidence: Vec<Evidence> = vec![
        attribute("zeroed_entries", &zeroed.len().to_string()),
        attribute("first", &format!("entry {first} of {}", entries.len())),
    ];
    let subject = Subject::File { path: file.path.clone(), sha256: file.sha256 };
    let title = "Entries of the login database were overwritten with zeros";
    let weight = (Category::Tampering, Severity::Medium, 60);
    report.findings.push(Finding::new("TR-LOG-0507", title, weight, subject, evidence).with_attack(["T1070"]));
}

#[cfg(test)]
mod tests;
