//! Scripts that are not as those beside them: another owner, other rights, another time.
//!
//! What an installer or a package lays down is alike: one owner, one mode, times close to each other. What comes later through the web server is not. Nothing here convicts
//! by itself; the signs are added up with others (`docs/severity.md`).
//!
//! A script is compared with those of its folder or, where these are few, with those of the folders above. Statistics are robust: the middle eighty of a
//! hundred say what is usual, so that no single file, however forged its times are, moves the border. Only metadata that a bundle records too is used, so a host and its
//! bundle give the same answer; an archive that has no change times gives fewer signs, never other ones.

use super::placement::{Folder, is_php_extension, is_web};
use super::{Detector, HostContext, Report, shell};
use crate::model::{
    Category, Digest, Evidence, EvidencePath, Finding, Gap, GapReason, Mode, Severity, Subject, Timestamp,
};
use crate::parse::{Limits, passwd};
use crate::sweep::Swept;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Fewer neighbours than that say nothing.
const FEWEST: usize = 8;
/// Scripts that are remembered; about 300 bytes each.
const MOST: usize = 400_000;
const DAY: i64 = 86_400;

/// Compares each script of a web root with its neighbours.
#[derive(Default)]
pub struct CohortDetector {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Scripts by folder.
    scripts: BTreeMap<EvidencePath, Vec<Script>>,
    count: usize,
    /// Programs in web roots, with what they are.
    programs: Vec<(Script, &'static str)>,
    /// Ids of the accounts that web servers run as.
    web_servers: BTreeSet<u32>,
    is_full: bool,
}

#[derive(Clone, Debug)]
struct Script {
    path: EvidencePath,
    sha256: Option<Digest>,
    mode: Mode,
    uid: u32,
    mtime: Option<Timestamp>,
    ctime: Option<Timestamp>,
}

impl Script {
    fn of(file: &Swept<'_>) -> Self {
        let meta = file.meta;
        let (mtime, ctime) = (meta.mtime, meta.ctime);
        Self { path: file.path.clone(), sha256: file.sha256, mode: meta.mode, uid: meta.uid, mtime, ctime }
    }

    fn finding(
        &self,
        rule: &str,
        title: &str,
        weight: (Category, Severity, u8),
        evidence: &[(&str, String)],
    ) -> Finding {
        let attribute = |(name, value): &(&str, String)| Evidence::Attribute {
            name: (*name).to_owned(),
            value: value.as_str().into(),
        };
        let subject = Subject::File { path: self.path.clone(), sha256: self.sha256 };
        Finding::new(rule, title, weight, subject, evidence.iter().map(attribute).collect())
    }

    /// What an installation writes for itself, and compiled templates, differ from what it was installed from.
    fn is_local(&self) -> bool {
        const WORDS: [&[u8]; 9] =
            [b"config", b"conf.", b"setting", b"local", b"cache", b"version", b"parameter", b"custom", b"compiled"];
        if Folder::of(&self.path) == Some(Folder::Cache) {
            return true;
        }
        let name = self.path.file_name().to_ascii_lowercase();
        WORDS.iter().any(|word| super::find(&name, word).is_some())
    }
}

impl Detector for CohortDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        if !file.meta.is_file() {
            return;
        }
        if file.path.as_bytes() == b"/etc/passwd"
            && let Some(content) = file.content
        {
            let accounts = passwd::parse(file.path, content, &Limits::default()).value;
            let servers = accounts.iter().filter(|account| is_web_server(account.name.as_bytes()));
            self.seen().web_servers.extend(servers.map(|account| account.uid));
        }
        closed(file, report);
        if !is_web(file.path) {
            return;
        }
        let extension = file.path.extension().unwrap_or_default().to_ascii_lowercase();
        if is_php_extension(&extension) {
            let mut seen = self.seen();
            if seen.count >= MOST {
                seen.is_full = true;
                return;
            }
            seen.count += 1;
            let folder = file.path.parent().unwrap_or_else(EvidencePath::root);
            seen.scripts.entry(folder).or_default().push(Script::of(file));
        } else if file.meta.mode.is_executable()
            && let Some(what) = file.content.and_then(program)
        {
            self.seen().programs.push((Script::of(file), what));
        }
    }

    fn conclude(&self, _: &HostContext, report: &mut Report) {
        let mut seen = self.seen();
        let Seen { scripts, programs, web_servers, is_full, .. } = std::mem::take(&mut *seen);
        for cohort in cohorts(scripts) {
            judge(&cohort, &web_servers, report);
        }
        for (program, what) in programs {
            let is_own = web_servers.contains(&program.uid);
            let is_data = matches!(Folder::of(&program.path), Some(Folder::Upload | Folder::Asset));
            if (is_own && what == "ELF") || is_data {
                let evidence = [
                    ("content", what.to_owned()),
                    ("mode", program.mode.to_string()),
                    ("uid", program.uid.to_string()),
                ];
                let weight = (Category::Persistence, Severity::Low, if is_own && is_data { 50 } else { 35 });
                let title = "Program in a web root, where the web server puts data or is the owner";
                report
                    .findings
                    .push(program.finding("TR-MODE-0004", title, weight, &evidence).with_attack(["T1505.003"]));
            }
        }
        if is_full {
            let detail = format!("of the scripts in web roots only {MOST} were compared with their neighbours");
            report.gaps.push(Gap::new(EvidencePath::root(), GapReason::LimitReached, detail));
        }
    }
}

impl CohortDetector {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accounts of web servers and of what runs PHP, as distributions name them; `asterisk` on `FreePBX`.
fn is_web_server(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 9] =
        [b"www-data", b"apache", b"httpd", b"nginx", b"http", b"wwwrun", b"lighttpd", b"caddy", b"asterisk"];
    NAMES.contains(&name)
}

fn program(content: &[u8]) -> Option<&'static str> {
    match content {
        [0x7f, b'E', b'L', b'F', ..] => Some("ELF"),
        [b'#', b'!', ..] => Some("script"),
        _ => None,
    }
}

/// A file that nobody may read, which keeps scanners out and not root.
fn closed(file: &Swept<'_>, report: &mut Report) {
    if file.meta.mode.bits() & 0o777 != 0 {
        return;
    }
    let path = file.path.as_bytes();
    let is_cron = path.starts_with(b"/etc/cron") || path.starts_with(b"/var/spool/cron/");
    if !(is_web(file.path) || is_cron || shell::is_temporary(path)) {
        return;
    }
    let finding = Script::of(file).finding(
        "TR-MODE-0001",
        "File that nobody has the right to read",
        (Category::Tampering, Severity::Low, 40),
        &[("mode", file.meta.mode.to_string())],
    );
    report.findings.push(finding.with_attack(["T1222.002"]));
}

/// Scripts that were laid down together, as far as folders tell: those of a folder; where they are few, together with those of the folder above.
fn cohorts(mut scripts: BTreeMap<EvidencePath, Vec<Script>>) -> Vec<Vec<Script>> {
    let mut cohorts = Vec::new();
    // A folder sorts after the folder that holds it, so the deepest comes first here.
    while let Some((folder, mut members)) = scripts.pop_last() {
        let above = folder.parent().filter(|above| members.len() < FEWEST && is_web(above));
        if let Some(above) = above {
            scripts.entry(above).or_default().append(&mut members);
            continue;
        }
        if members.len() >= FEWEST {
            members.sort_by(|a, b| a.path.cmp(&b.path));
            cohorts.push(members);
        }
    }
    cohorts
}

/// What is usual: the tenth and the ninetieth of a hundred.
struct Usual {
    low: i64,
    high: i64,
}

impl Usual {
    fn of(values: impl Iterator<Item = i64>) -> Option<Self> {
        let mut values: Vec<i64> = values.collect();
        values.sort_unstable();
        let most = values.len().checked_sub(1).filter(|most| *most + 1 >= FEWEST)?;
        let at = |tenths: usize| values.get(most * tenths / 10).copied();
        Some(Self { low: at(1)?, high: at(9)? })
    }

    /// The border that is as far beyond what is usual as that is wide, but no nearer than `least`.
    fn border(&self, least: i64) -> i64 {
        self.high.saturating_add(self.high.saturating_sub(self.low).max(least))
    }
}

fn seconds(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::seconds)
}

fn judge(cohort: &[Script], web_servers: &BTreeSet<u32>, report: &mut Report) {
    let is_few = |count: usize| count * 10 <= cohort.len();
    let neighbours = || ("neighbours", cohort.len().to_string());
    let mut owners: BTreeMap<u32, usize> = BTreeMap::new();
    for script in cohort {
        *owners.entry(script.uid).or_default() += 1;
    }
    let usual_owner = owners.iter().max_by_key(|(uid, count)| (**count, **uid)).map(|(uid, _)| *uid);
    let open = cohort.iter().filter(|script| script.mode.bits() & 0o002 != 0).count();
    let whole = cohort.iter().filter(|script| script.mtime.is_some_and(|time| time.nanoseconds() == 0)).count();
    let mtimes = Usual::of(cohort.iter().filter_map(|script| seconds(script.mtime)));
    let ctimes = Usual::of(cohort.iter().filter_map(|script| seconds(script.ctime)));
    for script in cohort.iter().filter(|script| !script.is_local()) {
        let is_rare = owners.get(&script.uid).is_some_and(|count| is_few(*count));
        if is_rare && web_servers.contains(&script.uid) && usual_owner.is_some_and(|uid| !web_servers.contains(&uid)) {
            let usual = usual_owner.unwrap_or_default();
            let evidence = [("uid", script.uid.to_string()), ("usual_uid", usual.to_string()), neighbours()];
            let weight = (Category::WebShell, Severity::Low, 45);
            let title = "Script that belongs to the web server, among scripts that do not";
            report.findings.push(script.finding("TR-MODE-0002", title, weight, &evidence).with_attack(["T1505.003"]));
        }
        if script.mode.bits() & 0o002 != 0 && is_few(open) {
            let evidence = [("mode", script.mode.to_string()), neighbours()];
            let weight = (Category::WebShell, Severity::Low, 35);
            let title = "Script that anybody can change, among scripts that not everybody can";
            report.findings.push(script.finding("TR-MODE-0003", title, weight, &evidence).with_attack(["T1222.002"]));
        }
        // When the others were laid down is told by the time that nobody can set; without it, what an installer has written itself would look young.
        let (Some(mtime), Some(ctime)) = (script.mtime, script.ctime) else { continue };
        let (Some(usual), Some(changed)) = (&mtimes, &ctimes) else { continue };
        let until = |usual: &Usual| Timestamp::new(usual.high, 0).to_string();
        let is_late = ctime.seconds() > changed.border(DAY);
        if is_late && mtime.seconds() > usual.border(30 * DAY).max(changed.border(DAY)) {
            let evidence = [("mtime", mtime.to_string()), ("usual_until", until(changed)), neighbours()];
            let weight = (Category::WebShell, Severity::Low, 30);
            let title = "Script that is much younger than those beside it";
            report.findings.push(script.finding("TR-TIME-0001", title, weight, &evidence).with_attack(["T1505.003"]));
        } else if is_late && mtime.seconds() <= usual.high {
            let evidence = [
                ("mtime", mtime.to_string()),
                ("ctime", ctime.to_string()),
                ("usual_ctime_until", until(changed)),
                neighbours(),
            ];
            let weight = (Category::Tampering, Severity::Low, 40);
            let title = "Script that says it is as old as those beside it, and came or was changed later";
            report.findings.push(script.finding("TR-TIME-0002", title, weight, &evidence).with_attack(["T1070.006"]));
        }
        if mtime.nanoseconds() == 0 && is_few(whole) && ctime.nanoseconds() != 0 {
            let evidence = [("mtime", mtime.to_string()), neighbours()];
            let weight = (Category::Tampering, Severity::Low, 25);
            let title = "Script whose time was set by hand: it is a whole second, and those beside it are not";
            report.findings.push(script.finding("TR-TIME-0003", title, weight, &evidence).with_attack(["T1070.006"]));
        }
    }
}

#[cfg(test)]
#[path = "cohort_tests.rs"]
mod tests;
