//! What an intruder with access to the telephone system could have read, so that whoever has to notify somebody can judge it, and what is to be
//! changed afterwards.
//!
//! Names and numbers only: no content of a message, no number that was called, no secret. It says what lies there, not that it was taken. Told
//! only where a telephone system is, as findings of category exposure with the severity info.

mod credential;

use super::pbx::{Rule, attribute};
use super::{Detector, HostContext, Report};
use crate::model::{Category, Evidence, EvidencePath, Record, Severity, Subject, Timestamp};
use crate::parse::{Format, Limits, passwd};
use crate::sweep::Swept;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

const SOURCE: &str = "FreePBX framework 17.0.19.27 and its public modules: where they keep it";

pub(super) const fn rule(id: &'static str, title: &'static str) -> Rule {
    Rule {
        id,
        title,
        category: Category::Exposure,
        severity: Severity::Info,
        confidence: 90,
        attack: &["T1005"],
        source: SOURCE,
        remedy: "",
    }
}

const VOICEMAIL: Rule = rule("TR-EXPOSE-0001", "Voicemail that somebody with this access can listen to");
const RECORDINGS: Rule = rule("TR-EXPOSE-0002", "Recordings of calls that somebody with this access can listen to");
const CALLS: Rule = rule("TR-EXPOSE-0003", "Records of who called whom that somebody with this access can read");
const FAXES: Rule = rule("TR-EXPOSE-0004", "Faxes that somebody with this access can read");

/// The rules of this detector.
pub(super) fn rules() -> impl Iterator<Item = &'static Rule> {
    const OWN: [Rule; 4] = [VOICEMAIL, RECORDINGS, CALLS, FAXES];
    OWN.iter().chain(&credential::RULES)
}

/// How many names one finding tells.
const NAMED: usize = 50;

/// The most names that are kept of one kind.
const MAX_NAMES: usize = 10_000;

/// Counts what lies on a telephone system.
#[derive(Default)]
pub struct ExposureDetector {
    seen: Mutex<Seen>,
}

/// How many there are, and from when to when.
#[derive(Default)]
struct Heap {
    count: u64,
    bytes: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// Who they belong to, where the place tells.
    owners: BTreeSet<String>,
}

impl Heap {
    fn add(&mut self, file: &Swept<'_>, owner: Option<String>) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(file.meta.size);
        if let Some(time) = file.meta.mtime {
            self.first = Some(self.first.map_or(time, |first| first.min(time)));
            self.last = self.last.max(Some(time));
        }
        if let Some(owner) = owner.filter(|_| self.owners.len() < MAX_NAMES) {
            self.owners.insert(owner);
        }
    }

    fn evidence(&self, of: &str) -> Vec<Evidence> {
        let mut evidence =
            vec![attribute("count", self.count.to_string()), attribute("size_bytes", self.bytes.to_string())];
        evidence.extend(self.first.map(|time| attribute("first", time.to_string())));
        evidence.extend(self.last.map(|time| attribute("last", time.to_string())));
        if !self.owners.is_empty() {
            evidence.push(attribute(of, names(&self.owners)));
        }
        evidence
    }
}

/// Names, as many as are told, and how many more there are.
fn names(all: &BTreeSet<String>) -> String {
    let mut text = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if let Some(more @ 1..) = all.len().checked_sub(NAMED) {
        let _ = write!(text, " and {more} more");
    }
    text
}

/// What a file of calls holds: rows, and the first and last time as it writes them.
#[derive(Default)]
struct Calls {
    rows: u64,
    first: Option<String>,
    last: Option<String>,
    from: BTreeSet<EvidencePath>,
}

impl Calls {
    fn add(&mut self, time: &[u8], from: &EvidencePath) {
        self.rows += 1;
        let is_time = time.len() >= 10 && time.iter().all(|b| b.is_ascii_digit() || b"-: .".contains(b));
        if is_time && let Ok(time) = std::str::from_utf8(time) {
            if self.first.as_deref().is_none_or(|first| time < first) {
                self.first = Some(time.to_owned());
            }
            if self.last.as_deref().is_none_or(|last| time > last) {
                self.last = Some(time.to_owned());
            }
        }
        if !self.from.contains(from) {
            self.from.insert(from.clone());
        }
    }
}

#[derive(Default)]
struct Seen {
    is_telephone_system: bool,
    voicemail: Heap,
    recordings: Heap,
    faxes: Heap,
    calls: Calls,
    credentials: credential::Seen,
    /// User id of the Asterisk user.
    asterisk: Option<u32>,
}

impl Detector for ExposureDetector {
    fn inspect(&self, file: &Swept<'_>, _: &mut Report) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let path = file.path.as_bytes();
        // `/etc/freepbx.conf` alone is what is left of one, or a part of the evidence.
        seen.is_telephone_system |= matches!(path, b"/etc/asterisk/asterisk.conf" | b"/etc/asterisk/extensions.conf");
        if !file.meta.is_file() {
            return;
        }
        let is_sound =
            matches!(file.path.extension(), Some(b"wav" | b"WAV" | b"gsm" | b"mp3" | b"ulaw" | b"alaw" | b"wav49"));
        if let Some(rest) = path.strip_prefix(b"/var/spool/asterisk/voicemail/") {
            // `context/box/folder/msg0000.wav`; greetings lie in the box itself.
            let parts: Vec<&[u8]> = rest.split(|&b| b == b'/').collect();
            if let [context, mailbox, _, name] = parts.as_slice()
                && is_sound
                && name.starts_with(b"msg")
            {
                let owner = crate::model::escape(&[*mailbox, b"@", *context].concat());
                seen.voicemail.add(file, Some(owner));
            }
        } else if path.starts_with(b"/var/spool/asterisk/monitor/") && is_sound {
            seen.recordings.add(file, None);
        } else if path.starts_with(b"/var/spool/asterisk/fax/")
            && matches!(file.path.extension(), Some(b"tif" | b"tiff" | b"pdf"))
        {
            seen.faxes.add(file, None);
        }
        credential::inspect(file, &mut seen.credentials);
        let Some(content) = file.content else { return };
        if path == b"/etc/passwd" {
            let accounts = passwd::parse(file.path, content, &Limits::default()).value;
            seen.asterisk =
                accounts.iter().find(|account| account.name.as_bytes() == b"asterisk").map(|account| account.uid);
        }
        if path.starts_with(b"/var/log/asterisk/cdr-csv/") && file.path.extension() == Some(b"csv") {
            call_times(content, |time| seen.calls.add(time, file.path));
        }
        if Format::at(file.path) == Some(Format::Shadow) {
            credential::accounts(file, content, &mut seen.credentials);
        }
    }

    fn consider(&self, record: &Record, _: &mut Report) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match record {
            Record::Call(call) if call.from.is_some_and(crate::model::DatabaseFrom::is_current) => {
                let Seen { calls, .. } = &mut *seen;
                calls.add(call.calldate.as_bytes(), &call.path);
            }
            Record::DatabaseRow(row) if row.from.is_current() => credential::row(row, &mut seen.credentials),
            _ => {}
        }
    }

    fn conclude(&self, _: &HostContext, report: &mut Report) {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        if !seen.is_telephone_system {
            return;
        }
        for (rule, heap, place, of) in [
            (&VOICEMAIL, &seen.voicemail, "/var/spool/asterisk/voicemail", "mailboxes"),
            (&RECORDINGS, &seen.recordings, "/var/spool/asterisk/monitor", "owners"),
            (&FAXES, &seen.faxes, "/var/spool/asterisk/fax", "owners"),
        ] {
            if let Ok(path) = EvidencePath::new(place)
                && heap.count > 0
            {
                report.findings.push(rule.finding(Subject::File { path, sha256: None }, heap.evidence(of)));
            }
        }
        if let Some(path) = seen.calls.from.first().cloned() {
            let mut evidence = vec![attribute("count", seen.calls.rows.to_string())];
            // As the host writes it: local time, unless Asterisk was told otherwise.
            evidence.extend(seen.calls.first.as_ref().map(|time| attribute("first", time)));
            evidence.extend(seen.calls.last.as_ref().map(|time| attribute("last", time)));
            report.findings.push(CALLS.finding(Subject::File { path, sha256: None }, evidence));
        }
        credential::conclude(seen.credentials, seen.asterisk, report);
    }
}

/// The time of each call in a file of `cdr_csv`: the tenth of its quoted fields, that is when the call began.
fn call_times(content: &[u8], mut take: impl FnMut(&[u8])) {
    for line in content.split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        let mut field = 0;
        let mut is_quoted = false;
        let mut start = 0;
        let mut time: &[u8] = b"";
        for (at, &byte) in line.iter().enumerate() {
            match byte {
                b'"' => is_quoted = !is_quoted,
                b',' if !is_quoted => {
                    if field == 9 {
                        time = line.get(start..at).unwrap_or_default();
                        break;
                    }
                    field += 1;
                    start = at + 1;
                }
                _ => {}
            }
        }
        let time = time.strip_prefix(b"\"").and_then(|time| time.strip_suffix(b"\"")).unwrap_or(time);
        take(time);
    }
}

/// Adds a name to those of a kind.
fn add_name(names: &mut BTreeMap<EvidencePath, BTreeSet<String>>, path: &EvidencePath, name: String) {
    let names = names.entry(path.clone()).or_default();
    if names.len() < MAX_NAMES {
        names.insert(name);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::{Scene, ids};
    use super::*;

    fn pbx() -> Scene {
        Scene::new()
            .file("/etc/asterisk/asterisk.conf", "[options]\n")
            .file("/etc/freepbx.conf", "<?php\n$amp_conf['AMPDBPASS'] = 'hunter2';\n")
    }

    fn find(scene: &Scene, id: &str) -> Option<String> {
        let findings = scene.judge(ExposureDetector::default()).value;
        findings.iter().find(|finding| finding.rule.0 == id).map(|finding| {
            finding
                .evidence
                .iter()
                .filter_map(|evidence| match evidence {
                    Evidence::Attribute { name, value } => Some(format!("{name}={value}")),
                    _ => None,
                })
                .collect::<Vec<_>>()
                .join(" ")
        })
    }

    #[test]
    fn messages_are_counted_by_box_and_greetings_are_none() {
        let mut scene = pbx().file("/var/spool/asterisk/voicemail/default/100/unavail.wav", "x");
        for (mailbox, seconds) in [(100, 10), (100, 30), (200, 20)] {
            let path = format!("/var/spool/asterisk/voicemail/default/{mailbox}/INBOX/msg{seconds:04}.wav");
            scene = scene.file_with(&path, "abc", 0o660, |meta| meta.mtime = Some(Timestamp::new(seconds, 0)));
        }
        assert_eq!(
            find(&scene, "TR-EXPOSE-0001").unwrap(),
            "count=3 size_bytes=9 first=1970-01-01T00:00:10Z last=1970-01-01T00:00:30Z mailboxes=100@default, 200@default"
        );
    }

    #[test]
    fn calls_are_counted_with_their_span_and_no_number() {
        let row = |time: &str| {
            format!(
                "\"\",\"100\",\"0199\",\"from-internal\",\"A, \"\"B\"\" <100>\",\"PJSIP/100-1\",\"\",\"Dial\",\"x\",\"{time}\",\"\",\"\",1,1,\"ANSWERED\"\n"
            )
        };
        let text =
            format!("{}{}{}", row("2026-01-03 10:00:00"), row("2025-12-01 09:00:00"), row("2026-02-01 00:00:00"));
        let found = find(&pbx().file("/var/log/asterisk/cdr-csv/Master.csv", text), "TR-EXPOSE-0003").unwrap();
        assert_eq!(found, "count=3 first=2025-12-01 09:00:00 last=2026-02-01 00:00:00");
    }

    #[test]
    fn nothing_is_told_without_a_telephone_system() {
        let scene =
            Scene::new().file("/var/spool/asterisk/monitor/2026/a.wav", "x").file("/etc/shadow", "a:$6$x$y:1::::::\n");
        assert!(scene.judge(ExposureDetector::default()).value.is_empty());
    }

    #[test]
    fn all_of_it_is_information_and_no_secret_is_in_it() {
        let scene = pbx()
            .file("/var/spool/asterisk/monitor/2026/a.wav", "x")
            .file("/etc/asterisk/pjsip.auth.conf", "[100-auth]\ntype=auth\npassword=hunter2\nusername=100\n")
            .file("/etc/asterisk/voicemail.conf", "[default]\n100 => 4711,Anna,anna@example.org,,\n");
        let findings = scene.judge(ExposureDetector::default()).value;
        assert!(findings.len() >= 4, "{:?}", ids(&findings));
        assert!(findings.iter().all(|finding| finding.severity == Severity::Info));
        let json = serde_json::to_string(&findings).unwrap();
        for secret in ["hunter2", "4711", "anna@"] {
            assert!(!json.contains(secret), "{secret}: {json}");
        }
    }
}
