//! Backups of `FreePBX`: what restoring one would do to the host.
//!
//! The backup module trusts what it restores. It hands commands of the backup to `exec()`, copies files to wherever the backup says, and gives its
//! description to `unserialize()`. So a backup that an intruder has touched brings back what was removed, or more. Facts from reading the public source of
//! the module (`FreePBX/backup`, versions 13 to 17) and of the framework: `Handlers/Restore/{Common,Multiple,Legacy}.php`, `Models/Restore.php`.
//!
//! Each file of a backup is judged by itself, so that it does not matter whether the backup is the evidence, a file in it, or unpacked.

mod json;
pub(super) mod serialized;

use super::shell::{self, Sign};
use super::{Detector, Inside, Report, find};
use crate::model::{Category, Evidence, EvidencePath, Finding, RawText, Severity, Subject};
use crate::sweep::Swept;
use aho_corasick::AhoCorasick;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Findings of one rule that one file of a backup has, and bytes of a value that are shown.
const MOST: usize = 20;
const SHOWN: usize = 300;

/// How a backup is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `metadata.json` and a file for each module: from version 15 on.
    Current,
    /// The same of a single module.
    Single,
    /// `manifest`, and dumps of the database: up to version 14.
    Legacy,
}

impl Kind {
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Current => "a FreePBX backup (version 15 or later)",
            Self::Single => "a FreePBX backup of one module",
            Self::Legacy => "a FreePBX backup (version 14 or earlier)",
        }
    }
}

/// The kind of backup that a file is the description of; none for any other file.
pub(super) fn kind(path: &EvidencePath, content: &[u8]) -> Option<Kind> {
    let has = |text: &[u8]| find(content, text).is_some();
    match path.file_name() {
        b"metadata.json" if has(b"\"backupInfo\"") && has(b"\"modules\"") => Some(Kind::Current),
        b"metadata.json" if has(b"\"moddata\"") && has(b"\"module\"") => Some(Kind::Single),
        b"manifest" if content.starts_with(b"a:") && (has(b"\"fpbx_db\"") || has(b"\"file_list\"")) => {
            Some(Kind::Legacy)
        }
        _ => None,
    }
}

/// What is to be said of a backup as a whole, where something in it speaks against restoring it.
pub(super) fn unsafe_to_restore(kind: Kind, subject: &Subject, found: &[Finding]) -> Option<Finding> {
    let mut reasons: BTreeMap<&str, &Finding> = BTreeMap::new();
    for finding in found.iter().filter(|finding| finding.severity >= Severity::Medium) {
        reasons.entry(&finding.rule.0).or_insert(finding);
    }
    let worst = reasons.values().map(|finding| (finding.severity, finding.confidence)).max()?;
    let mut evidence = vec![attribute("backup", kind.describe().as_bytes())];
    evidence.extend(reasons.values().take(MOST).map(|finding| {
        attribute("because", format!("{} ({} {})", finding.title, finding.rule, finding.severity).as_bytes())
    }));
    let title = format!("This is {} that is not safe to restore", kind.describe());
    Some(restoring("TR-BACKUP-0009", title, (Category::Exposure, worst.0, worst.1), subject.clone(), evidence))
}

/// The answer for a backup in which nothing speaks against restoring it.
pub(super) fn nothing_found(kind: Kind, subject: Subject) -> Finding {
    let title = format!("This is {}; nothing was found in it that speaks against restoring it", kind.describe());
    restoring("TR-BACKUP-0010", title, (Category::Hardening, Severity::Info, 50), subject, Vec::new())
}

fn restoring(
    rule: &str,
    title: impl Into<String>,
    weight: (Category, Severity, u8),
    subject: Subject,
    evidence: Vec<Evidence>,
) -> Finding {
    Finding::new(rule, title, weight, subject, evidence)
        .with_references(["the public source of FreePBX's backup module; GHSA-5v7h-49gr-jcwr".to_owned()])
}

/// Judges the descriptions that a backup consists of.
pub struct BackupDetector;

impl Detector for BackupDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        let Some(content) = file.content.filter(|_| file.meta.is_file()) else { return };
        let folder = file.path.parent().unwrap_or_else(EvidencePath::root);
        let is_module = folder.file_name() == b"modulejson" && file.path.extension() == Some(b"json");
        let mut judge = Judge { file, report, told: BTreeMap::new() };
        match kind(file.path, content) {
            Some(Kind::Current | Kind::Single) => judge.texts(content),
            Some(Kind::Legacy) => judge.objects(content),
            None if is_module => judge.texts(content),
            // The other thing that the restore of an old backup unserialises.
            None if matches!(file.path.file_name(), b"astdb" | b"manifest") => judge.objects(content),
            None => {}
        }
    }

    fn looks_inside(&self, inside: Inside) -> bool {
        inside == Inside::Member
    }
}

struct Judge<'a, 'b> {
    file: &'a Swept<'b>,
    report: &'a mut Report,
    told: BTreeMap<&'static str, usize>,
}

impl Judge<'_, '_> {
    fn tell(&mut self, rule: &'static str, title: String, weight: (Category, Severity, u8), evidence: Vec<Evidence>) {
        let told = self.told.entry(rule).or_default();
        *told += 1;
        let subject = Subject::File { path: self.file.path.clone(), sha256: self.file.sha256 };
        match self.report.findings.iter_mut().find(|finding| finding.rule.0 == rule) {
            Some(known) if *told <= MOST => {
                known.evidence.extend(evidence);
                if (weight.1, weight.2) > (known.severity, known.confidence) {
                    (known.title, known.category, known.severity, known.confidence) =
                        (title, weight.0, weight.1, weight.2);
                }
            }
            Some(_) => {}
            None => self.report.findings.push(restoring(rule, title, weight, subject, evidence)),
        }
    }

    /// Values of PHP: restoring an old backup hands them to `unserialize()`.
    fn objects(&mut self, content: &[u8]) {
        if let Some(class) = serialized::object(content) {
            let title = "Backup whose restoring makes objects of the writer's choice".to_owned();
            let weight = (Category::Exploitation, Severity::High, 85);
            self.tell("TR-BACKUP-0002", title, weight, vec![attribute("class", &class)]);
        }
    }

    /// The strings of a JSON file.
    fn texts(&mut self, content: &[u8]) {
        let mut file_name: Option<Vec<u8>> = None;
        let mut folder: Option<(Vec<u8>, u64)> = None;
        json::strings(content, |name, value, line| {
            match name {
                b"prere_hook" | b"postre_hook" | b"prebu_hook" | b"postbu_hook" | b"PRE_RELOAD" | b"POST_RELOAD" => {
                    return self.hook(name, value, line);
                }
                b"AUTHTYPE" if value == b"webserver" || value == b"none" => self.open_door(value, line),
                b"custom_files" => self.custom_files(value, line),
                b"filename" => file_name = Some(value.to_vec()),
                b"pathto" => folder = Some((value.to_vec(), line)),
                _ => {}
            }
            if let (Some(name), Some((path, line))) = (&file_name, &folder) {
                self.destination(&[path.as_slice(), b"/", name.as_slice()].concat(), *line);
                (file_name, folder) = (None, None);
            }
            if is_command_like(value) {
                self.command(name, value, line);
            }
        });
    }

    /// A command that a backup brings along to be run.
    fn hook(&mut self, name: &[u8], value: &[u8], line: u64) {
        if value.trim_ascii().len() < 2 {
            return;
        }
        let evidence = vec![attribute("setting", name), shown(line, value)];
        let (title, weight) = match shell::signs(value).iter().next() {
            Some(sign) => (
                format!("Backup with a command to be run that {}", sign.describe()),
                (Category::Persistence, Severity::High, 90),
            ),
            None => ("Backup with a command to be run".to_owned(), (Category::Exposure, Severity::Medium, 50)),
        };
        self.tell("TR-BACKUP-0001", title, weight, evidence);
    }

    /// A value somewhere in the configuration that is a command of an intruder's: a job, a notification, a dial plan's application.
    fn command(&mut self, name: &[u8], value: &[u8], line: u64) {
        let signs = shell::signs(value);
        let is_bad = |sign: &&Sign| {
            matches!(sign, Sign::DownloadsAndRuns | Sign::DecodesAndRuns | Sign::ConnectsShell | Sign::WritesPhp(_))
        };
        let Some(sign) = signs.iter().find(is_bad) else { return };
        let title = format!("Backup whose restoring brings back a command that {}", sign.describe());
        let evidence = vec![attribute("setting", name), shown(line, value)];
        self.tell("TR-BACKUP-0004", title, (Category::Persistence, Severity::High, 85), evidence);
    }

    /// The way of logging in that CVE-2025-66039 goes through, or none at all.
    fn open_door(&mut self, value: &[u8], line: u64) {
        let title = "Backup whose restoring lets people in without a password of FreePBX's".to_owned();
        let evidence = vec![attribute("setting", b"AUTHTYPE"), shown(line, value)];
        self.tell("TR-BACKUP-0005", title, (Category::Exposure, Severity::Medium, 70), evidence);
    }

    /// Files that the administrator chose, as JSON in JSON.
    fn custom_files(&mut self, value: &[u8], line: u64) {
        let mut paths = Vec::new();
        json::strings(value, |name, path, _| {
            if name == b"path" {
                paths.push(path.to_vec());
            }
        });
        for path in paths {
            let path = real(&path);
            if let Some(what) = runs(&path) {
                let title = "Backup that puts back files in a folder whose files are run".to_owned();
                let evidence =
                    vec![attribute("destination", &path), attribute("what", what.as_bytes()), shown(line, &path)];
                self.tell("TR-BACKUP-0006", title, (Category::Exposure, Severity::Low, 40), evidence);
            }
        }
    }

    /// Where a module's file goes. Modules take the place from the backup, and none of them has business where files are run.
    fn destination(&mut self, path: &[u8], line: u64) {
        let path = real(path);
        let what = if path.split(|&byte| byte == b'/').any(|part| part == b"..") {
            "leaves the folder that it names"
        } else if let Some(what) = runs(&path) {
            what
        } else {
            return;
        };
        let title = "Backup that puts a file where it is run".to_owned();
        let evidence = vec![attribute("destination", &path), attribute("what", what.as_bytes()), shown(line, &path)];
        self.tell("TR-BACKUP-0003", title, (Category::Exploitation, Severity::High, 80), evidence);
    }
}

fn attribute(name: &str, value: &[u8]) -> Evidence {
    Evidence::Attribute { name: name.to_owned(), value: RawText::from(value.get(..SHOWN).unwrap_or(value)) }
}

fn shown(line: u64, value: &[u8]) -> Evidence {
    Evidence::Line { line, text: value.get(..SHOWN).unwrap_or(value).into() }
}

/// A path with the names that `FreePBX` has for its folders in place of the folders themselves.
fn real(path: &[u8]) -> Vec<u8> {
    const NAMES: [(&[u8], &[u8]); 6] = [
        (b"__AMPWEBROOT__", b"/var/www/html"),
        (b"__AMPBIN__", b"/var/lib/asterisk/bin"),
        (b"__ASTETCDIR__", b"/etc/asterisk"),
        (b"__ASTVARLIBDIR__", b"/var/lib/asterisk"),
        (b"__ASTSPOOLDIR__", b"/var/spool/asterisk"),
        (b"__ASTAGIDIR__", b"/var/lib/asterisk/agi-bin"),
    ];
    let named = NAMES.iter().find_map(|(name, folder)| path.strip_prefix(*name).map(|rest| [folder, rest].concat()));
    let whole = named.unwrap_or_else(|| path.to_vec());
    let parts: Vec<&[u8]> = whole.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
    [b"/", parts.join(&b'/').as_slice()].concat()
}

/// Why what lies there is run or believed; none for places of data.
fn runs(path: &[u8]) -> Option<&'static str> {
    const PLACES: [(&[u8], &str); 22] = [
        (b"/etc/cron", "cron runs it"),
        (b"/var/spool/cron/", "cron runs it"),
        (b"/etc/incron.d/", "incron runs what it says"),
        (b"/etc/systemd/", "systemd runs what it says"),
        (b"/usr/lib/systemd/", "systemd runs what it says"),
        (b"/etc/init.d/", "it runs when the host starts"),
        (b"/etc/rc", "it runs when the host starts"),
        (b"/etc/profile", "it runs when somebody logs in"),
        (b"/root/", "it is of the home of root"),
        (b"/etc/sudoers", "it says who is root"),
        (b"/etc/passwd", "it says who may log in"),
        (b"/etc/shadow", "it says who may log in"),
        (b"/etc/ssh/", "it says who may log in"),
        (b"/etc/ld.so", "it is loaded into programs"),
        (b"/etc/pam.d/", "it says who may log in"),
        (b"/usr/bin/", "it is a program"),
        (b"/usr/sbin/", "it is a program"),
        (b"/bin/", "it is a program"),
        (b"/sbin/", "it is a program"),
        (b"/usr/local/", "it is a program"),
        (b"/lib/", "it is loaded into programs"),
        (b"/var/lib/asterisk/bin/", "it is a program"),
    ];
    let folder = [path, b"/"].concat();
    if let Some((_, why)) = PLACES.iter().find(|(place, _)| folder.starts_with(place)) {
        return Some(why);
    }
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default().to_ascii_lowercase();
    let extension = name.rsplit(|&byte| byte == b'.').next().unwrap_or_default();
    let is_code = super::placement::is_php_extension(extension) || matches!(&*name, b".htaccess" | b".user.ini");
    (path.starts_with(b"/var/www/") && is_code).then_some("the web server runs it")
}

/// Says whether a value has a word that an intruder's command needs, so that not every text of a backup is read as a command.
fn is_command_like(value: &[u8]) -> bool {
    const WORDS: [&str; 10] =
        ["wget", "curl", "base64", "/dev/tcp", "/dev/udp", "bash", "python", "php", "nc ", "openssl"];
    static FINDER: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let finder = FINDER.get_or_init(|| AhoCorasick::builder().ascii_case_insensitive(true).build(WORDS).ok());
    value.len() >= 8 && finder.as_ref().is_none_or(|finder| finder.is_match(value))
}
