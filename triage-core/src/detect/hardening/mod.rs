//! How well a telephone system is defended: who can reach its administration, what watches over it, who can read its secrets.
//!
//! These findings are `hardening`: true of many hosts that nobody has broken into, and never evidence of compromise. They are told only where a
//! `FreePBX` is. What only the database knows (settings, administrators) the detector of its rows tells; where they were not read, that is a gap here.

mod access;
mod rights;

use super::pbx::{Rule, attribute};
use super::{Detector, HostContext, Report};
use crate::model::{Category, EvidencePath, Gap, GapReason, Record, Severity, Subject, Timestamp};
use crate::parse::{Format, Limits, module_xml};
use crate::sweep::Swept;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

const VENDOR: &str = "Sangoma's advice in GHSA-m42g-xg4c-5f3h: limit the administrator control panel to trusted hosts";

pub(super) const fn rule(
    id: &'static str,
    title: &'static str,
    severity: Severity,
    confidence: u8,
    (attack, source): (&'static [&'static str], &'static str),
) -> Rule {
    Rule { id, title, category: Category::Hardening, severity, confidence, attack, source, remedy: "" }
}

const NO_INTRUSION_DETECTION: Rule = rule(
    "TR-HARDEN-0003",
    "Nothing counts failed logins (fail2ban is off or absent)",
    Severity::Medium,
    65,
    (&["T1110"], "FreePBX installer for Debian b023b84: fail2ban is a service of it"),
);
const NO_BACKUP: Rule = rule(
    "TR-HARDEN-0004",
    "No backup of the telephone system lies where FreePBX keeps them",
    Severity::Medium,
    55,
    (&["T1490"], "FreePBX module backup: ASTSPOOLDIR/backup"),
);
const OLD_BACKUP: Rule = rule(
    "TR-HARDEN-0005",
    "The newest backup is more than thirty days older than the newest file of the system",
    Severity::Low,
    60,
    (&["T1490"], "FreePBX module backup: ASTSPOOLDIR/backup"),
);
const NO_SECOND_FACTOR: Rule = rule(
    "TR-HARDEN-0010",
    "Administrators log in without a second factor (no such module is there)",
    Severity::Low,
    50,
    (&["T1110", "T1078"], "Sangoma's module PBX MFA (pbxmfa); derived"),
);
const NO_WEB_FIREWALL: Rule = rule(
    "TR-HARDEN-0011",
    "The web server looks at no request before PHP does (no mod_security)",
    Severity::Info,
    50,
    (&["T1190"], "Apache module security2; derived"),
);

/// The rules of this detector.
pub(super) const RULES: &[Rule] = &[
    access::REACHABLE,
    access::NO_FIREWALL,
    NO_INTRUSION_DETECTION,
    NO_BACKUP,
    OLD_BACKUP,
    rights::READABLE,
    rights::WRITABLE,
    NO_SECOND_FACTOR,
    NO_WEB_FIREWALL,
    access::OPEN_SERVICE,
];

/// Seconds after which a backup is old.
const OLD: i64 = 30 * 24 * 3600;

/// Judges the defences of a `FreePBX`.
#[derive(Default)]
pub struct HardeningDetector {
    seen: Mutex<Seen>,
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each with its own name")]
struct Seen {
    /// The folder of the framework; none where there is no `FreePBX`.
    framework: Option<EvidencePath>,
    modules: BTreeMap<String, EvidencePath>,
    access: access::Seen,
    rights: rights::Seen,
    has_web_firewall: bool,
    has_apache: bool,
    jails: Option<EvidencePath>,
    runs_fail2ban: bool,
    starts_fail2ban: bool,
    has_processes: bool,
    backups: u64,
    newest_backup: Option<Timestamp>,
    newest: Option<Timestamp>,
    has_rows: bool,
}

impl Detector for HardeningDetector {
    fn inspect(&self, file: &Swept<'_>, _: &mut Report) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let path = file.path.as_bytes();
        let is_now = path.starts_with(b"/etc/") || path.starts_with(b"/var/log/") || path.starts_with(b"/var/lib/");
        if is_now && file.meta.is_file() {
            seen.newest = seen.newest.max(file.meta.mtime);
        }
        if path.starts_with(b"/var/spool/asterisk/backup/") && file.meta.is_file() && is_backup(file.path) {
            seen.backups += 1;
            seen.newest_backup = seen.newest_backup.max(file.meta.mtime);
        }
        rights::inspect(file, &mut seen.rights);
        if path.ends_with(b".wants/fail2ban.service") {
            seen.starts_fail2ban = true;
        }
        if path == b"/etc/fail2ban/jail.local" || path == b"/etc/fail2ban/jail.conf" {
            seen.jails = Some(file.path.clone());
        }
        let Some(content) = file.content.filter(|_| file.meta.is_file()) else { return };
        access::inspect(file, content, &mut seen.access);
        match Format::at(file.path) {
            Some(Format::ModuleXml) => {
                let Some(folder) = file.path.parent() else { return };
                let found = module_xml::parse(file.path, content, &Limits::default()).value;
                let name = String::from_utf8_lossy(folder.file_name()).into_owned();
                if name == "framework" && found.version.is_some() {
                    seen.framework.get_or_insert(folder.clone());
                }
                if seen.modules.len() < 10_000 {
                    seen.modules.insert(name, folder);
                }
            }
            Some(Format::ApacheConfig) => {
                seen.has_apache = true;
                seen.has_web_firewall |= content.split(|&b| b == b'\n').any(loads_web_firewall);
            }
            _ => {}
        }
    }

    fn consider(&self, record: &Record, _: &mut Report) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match record {
            Record::Process(process) => {
                seen.has_processes = true;
                seen.runs_fail2ban |= super::find(process.command_line.as_bytes(), b"fail2ban-server").is_some();
            }
            Record::Socket(socket) => access::socket(socket, &mut seen.access),
            Record::Command(run) => access::rules(run, &mut seen.access),
            Record::DatabaseTable(table) => seen.has_rows |= table.from.is_current(),
            Record::DatabaseRow(row) if row.from.is_current() => {
                seen.has_rows = true;
                if row.table.as_bytes() == b"modules" && seen.modules.len() < 10_000 {
                    let name = String::from_utf8_lossy(row.text("modulename")).into_owned();
                    if let Ok(folder) = EvidencePath::new(format!("/var/www/html/admin/modules/{name}")) {
                        seen.modules.entry(name).or_insert(folder);
                    }
                }
            }
            _ => {}
        }
    }

    fn conclude(&self, host: &HostContext, report: &mut Report) {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(framework) = &seen.framework else { return };
        let product = || Subject::Module { path: framework.clone(), name: "framework".into() };
        let mut tell = |rule: &Rule, subject: Subject, evidence| report.findings.push(rule.finding(subject, evidence));
        seen.access.conclude(framework, &mut tell);
        seen.rights.conclude(&mut tell);
        intrusion_detection(&seen, host, &mut tell);
        backups(&seen, host, &mut tell);
        if !seen.modules.contains_key("pbxmfa") && host.shows_absence_of(&folder_of(framework, b"pbxmfa")) {
            tell(&NO_SECOND_FACTOR, product(), Vec::new());
        }
        if seen.has_apache && !seen.has_web_firewall {
            tell(&NO_WEB_FIREWALL, product(), Vec::new());
        }
        if !seen.has_rows
            && host.is_host
            && let Ok(path) = EvidencePath::new("/var/lib/mysql")
        {
            let what = "the database was not read: administrators, second factors, the check of signatures and the rules of the firewall module are not known";
            report.gaps.push(Gap::new(path, GapReason::Omitted, what));
        }
    }
}

fn folder_of(framework: &EvidencePath, name: &[u8]) -> EvidencePath {
    framework.parent().unwrap_or_else(EvidencePath::root).join(name)
}

fn is_backup(path: &EvidencePath) -> bool {
    let name = path.file_name();
    [&b".tgz"[..], b".tar.gz", b".tar"].iter().any(|end| name.ends_with(end))
}

fn loads_web_firewall(line: &[u8]) -> bool {
    let line = line.trim_ascii_start().to_ascii_lowercase();
    (line.starts_with(b"loadmodule") && super::find(&line, b"security2_module").is_some())
        || (line.starts_with(b"secruleengine") && super::find(&line, b" on").is_some())
}

type Tell<'a> = dyn FnMut(&Rule, Subject, Vec<crate::model::Evidence>) + 'a;

fn intrusion_detection(seen: &Seen, host: &HostContext, tell: &mut Tell<'_>) {
    let Ok(path) = EvidencePath::new("/etc/fail2ban/jail.local") else { return };
    let (is_off, why) = if seen.has_processes {
        (!seen.runs_fail2ban, "no such process runs")
    } else if seen.jails.is_none() {
        (host.shows_absence_of(&path), "it has no settings")
    } else {
        (false, "")
    };
    if is_off {
        let starts = if seen.starts_fail2ban { "yes" } else { "no" };
        let evidence = vec![attribute("why", why), attribute("starts_with_the_system", starts)];
        tell(&NO_INTRUSION_DETECTION, Subject::File { path, sha256: None }, evidence);
    }
}

fn backups(seen: &Seen, host: &HostContext, tell: &mut Tell<'_>) {
    let Ok(path) = EvidencePath::new("/var/spool/asterisk/backup") else { return };
    let subject = Subject::File { path: path.clone(), sha256: None };
    if seen.backups == 0 {
        if host.shows_absence_of(&path.join(b"x.tar.gz")) {
            tell(&NO_BACKUP, subject, Vec::new());
        }
        return;
    }
    // The evidence has no clock: its newest file says when it was taken.
    if let (Some(backup), Some(now)) = (seen.newest_backup, seen.newest)
        && now.seconds().saturating_sub(backup.seconds()) > OLD
    {
        let evidence = vec![
            attribute("backups", seen.backups.to_string()),
            attribute("newest", backup.to_string()),
            attribute("newest_file_of_the_system", now.to_string()),
        ];
        tell(&OLD_BACKUP, subject, evidence);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::{Scene, ids};
    use super::super::{Detectors, HostContext};
    use super::*;
    use crate::model::{DatabaseColumn, DatabaseFrom, DatabaseRow, DatabaseValue, Verdict};

    const XML: &str = "<module><rawname>framework</rawname><version>17.0.25</version></module>";

    fn freepbx() -> Scene {
        Scene::new()
            .file("/var/www/html/admin/modules/framework/module.xml", XML)
            .file("/var/www/html/admin/modules/pbxmfa/module.xml", "<module></module>")
            .file_with("/etc/freepbx.conf", "<?php\n$amp_conf['AMPDBNAME'] = 'asterisk';\n", 0o660, |_| {})
            .file("/etc/fail2ban/jail.local", "[DEFAULT]\n")
            .file_with("/var/spool/asterisk/backup/x/1.tar.gz", "x", 0o640, |meta| {
                meta.mtime = Some(Timestamp::new(1_767_225_600, 0));
            })
    }

    fn found(scene: &Scene) -> Vec<String> {
        ids(&scene.judge(HardeningDetector::default()).value)
    }

    #[test]
    fn a_host_without_freepbx_is_not_judged() {
        let scene = Scene::new().file("/etc/hosts", "x");
        let outcome = scene.judge(HardeningDetector::default());
        assert!(outcome.value.is_empty() && outcome.gaps.is_empty());
    }

    #[test]
    fn a_defended_one_gives_nothing_but_the_gap_of_the_database() {
        let outcome = freepbx().judge(HardeningDetector::default());
        assert!(outcome.value.is_empty(), "{:?}", ids(&outcome.value));
        assert_eq!(outcome.gaps.len(), 1);
        assert!(outcome.gaps.iter().all(|gap| gap.detail.contains("database was not read")));
    }

    #[test]
    fn what_is_missing_is_told_and_proves_no_compromise() {
        let scene = Scene::new()
            .file("/var/www/html/admin/modules/framework/module.xml", XML)
            .file("/etc/apache2/apache2.conf", "Listen 80\n");
        let findings = scene.judge(HardeningDetector::default()).value;
        let ids = ids(&findings);
        for id in ["TR-HARDEN-0003 medium", "TR-HARDEN-0004 medium", "TR-HARDEN-0010 low", "TR-HARDEN-0011 info"] {
            assert!(ids.contains(&id.to_owned()), "{id}: {ids:?}");
        }
        assert_eq!(Verdict::of(&findings, false), Verdict::NoEvidence);
    }

    #[test]
    fn an_old_backup_is_told_by_the_newest_file() {
        let scene = freepbx().file_with("/etc/hosts", "x", 0o644, |meta| {
            meta.mtime = Some(Timestamp::new(1_767_225_600 + OLD + 1, 0));
        });
        assert_eq!(found(&scene), ["TR-HARDEN-0005 low"]);
    }

    #[test]
    fn what_the_detector_of_rows_tells_is_not_told_twice_and_rows_fill_the_gap() {
        let row = |table: &str, columns: &[(&str, &str)]| {
            let columns: Vec<_> = columns
                .iter()
                .map(|(name, value)| DatabaseColumn {
                    name: (*name).into(),
                    value: DatabaseValue::Text((*value).into()),
                })
                .collect();
            Record::DatabaseRow(DatabaseRow {
                path: EvidencePath::new("/run/mysqld/mysqld.sock").unwrap(),
                from: DatabaseFrom::Live,
                line: None,
                database: "asterisk".into(),
                table: table.into(),
                key: columns.first().cloned().into_iter().collect(),
                digest: None,
                columns,
            })
        };
        let detectors = Detectors::new(vec![Box::new(HardeningDetector::default())]);
        for (table, columns) in [
            ("freepbx_settings", &[("keyword", "SIGNATURECHECK"), ("value", "0")][..]),
            ("ampusers", &[("username", "admin"), ("sections", "*")]),
            ("ampusers", &[("username", "eve"), ("sections", "*")]),
            ("ampusers", &[("username", "anna"), ("sections", "cdr")]),
        ] {
            detectors.consider(&row(table, columns));
        }
        let context = HostContext { is_host: true, gaps: &[], selects: &|_| true };
        let outcome = freepbx().conclude(detectors, &context);
        assert!(outcome.findings.is_empty(), "{:?}", ids(&outcome.findings));
        assert!(outcome.gaps.is_empty());
    }
}
