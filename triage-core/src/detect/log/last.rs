//! Two files that tell of the same login: `lastlog` has the last one of each account, `wtmp` has all. One that the first has and the second lacks was
//! taken out of it.
//!
//! `sshd` and `login` write both for a session with a terminal. Programs of PAM write `lastlog` alone where there is no terminal (on the Red Hat
//! family the line is then `ssh`), so only terminals count; and only times from which `wtmp` still has others before, because it is rotated.

use super::tell::attribute;
use crate::model::{Category, Evidence, EvidencePath, Finding, Login, LoginKind, Severity, Subject, escape};
use crate::parse::{Limits, lastlog, passwd, utmp};
use crate::sweep::Swept;
use std::collections::BTreeMap;

/// Seconds by which the two may differ: both are written in one login, each with the clock as it is then.
const APART: i64 = 120;
/// The most logins that are kept.
const LOGINS: usize = 200_000;
/// Accounts that are told of.
const TOLD: usize = 8;

/// What both files say.
#[derive(Debug, Default)]
pub(super) struct Last {
    /// The last login of each user id, and where the file is.
    told: Option<(EvidencePath, Vec<Login>)>,
    /// Times of logins by terminal, of all rotations; and the first time of any entry.
    logins: BTreeMap<Vec<u8>, Vec<i64>>,
    count: usize,
    first: Option<i64>,
    /// A rotation in which entries are missing, so that absence says nothing.
    is_cut: bool,
    names: BTreeMap<u64, Vec<u8>>,
}

impl Last {
    /// Notes `wtmp` or a rotation of it. Failed logins and who is logged in now stand in others.
    pub(super) fn wtmp(&mut self, file: &Swept<'_>) {
        if !file.path.file_name().starts_with(b"wtmp") {
            return;
        }
        let Some(content) = file.content else {
            self.is_cut = true;
            return;
        };
        let read = utmp::parse(file.path, content, &Limits::default());
        // The last bytes of one that is being written are no damage.
        self.is_cut |= read.gaps.iter().any(|gap| !gap.detail.starts_with("the last "));
        for login in read.value.into_iter().filter(|login| login.event != LoginKind::Zeroed) {
            let seconds = login.time.seconds();
            self.first = Some(self.first.map_or(seconds, |first| first.min(seconds)));
            if login.event == LoginKind::User {
                self.count += 1;
                if self.count > LOGINS {
                    self.is_cut = true;
                    return;
                }
                self.logins.entry(login.line.as_bytes().to_vec()).or_default().push(seconds);
            }
        }
    }

    pub(super) fn lastlog(&mut self, file: &Swept<'_>) {
        if let Some(content) = file.content {
            self.told = Some((file.path.clone(), lastlog::parse(file.path, content, &Limits::default()).value));
        }
    }

    pub(super) fn passwd(&mut self, file: &Swept<'_>) {
        if file.path.as_bytes() != b"/etc/passwd" {
            return;
        }
        for account in passwd::parse(file.path, file.content.unwrap_or_default(), &Limits::default()).value {
            self.names.entry(u64::from(account.uid)).or_insert_with(|| account.name.as_bytes().to_vec());
        }
    }

    /// The logins that were taken out.
    pub(super) fn findings(&self) -> Option<Finding> {
        let (path, last) = self.told.as_ref()?;
        let begin = self.first.filter(|_| !self.is_cut)?;
        let gone: Vec<&Login> = last
            .iter()
            .filter(|login| login.line.as_bytes().starts_with(b"pts/") || login.line.as_bytes().starts_with(b"tty"))
            .filter(|login| login.time.seconds() > begin + APART)
            .filter(|login| {
                let times = self.logins.get(login.line.as_bytes()).map(Vec::as_slice).unwrap_or_default();
                !times.iter().any(|time| (time - login.time.seconds()).abs() <= APART)
            })
            .collect();
        let mut evidence: Vec<Evidence> = vec![attribute("logins", &gone.len().to_string())];
        for login in gone.iter().take(TOLD) {
            let name =
                self.names.get(&login.entry).map_or_else(|| format!("user id {}", login.entry), |name| escape(name));
            let (line, host) = (escape(login.line.as_bytes()), escape(login.host.as_bytes()));
            evidence.push(attribute("login", &format!("{name} on {line} from {host} at {}", login.time)));
        }
        let title = "Login that lastlog has and wtmp lacks: it was taken out";
        let weight = (Category::Tampering, Severity::Medium, 60);
        let subject = Subject::File { path: path.clone(), sha256: None };
        let finding = Finding::new("TR-LOG-0508", title, weight, subject, evidence).with_attack(["T1070.002", "T1070"]);
        (!gone.is_empty()).then_some(finding)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::detect::testing::{Scene, ids};
    use crate::detect::{LogDetector, SigmaSet};

    const START: u32 = 1_767_225_600;

    fn field(text: &str, length: usize) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(length, 0);
        bytes
    }

    /// An entry of `wtmp` on x86-64.
    fn entry(kind: u16, line: &str, user: &str, seconds: u32) -> Vec<u8> {
        let mut raw = vec![0; 384];
        raw[..2].copy_from_slice(&kind.to_le_bytes());
        raw[4..8].copy_from_slice(&4711_u32.to_le_bytes());
        raw[8..40].copy_from_slice(&field(line, 32));
        raw[44..76].copy_from_slice(&field(user, 32));
        raw[76..332].copy_from_slice(&field("192.0.2.7", 256));
        raw[340..344].copy_from_slice(&seconds.to_le_bytes());
        raw
    }

    fn last(uid: usize, line: &str, seconds: u32) -> Vec<u8> {
        let mut raw = vec![0; 292 * uid];
        raw.extend(seconds.to_le_bytes());
        raw.extend(field(line, 32));
        raw.extend(field("192.0.2.7", 256));
        raw
    }

    fn told(wtmp: Vec<u8>, lastlog: Vec<u8>) -> Vec<String> {
        let scene = Scene::new()
            .file("/etc/passwd", "root:x:0:0::/root:/bin/sh\nanna:x:2:2::/:/bin/sh\n")
            .file("/var/log/wtmp", wtmp)
            .file("/var/log/lastlog", lastlog);
        ids(&scene.judge(LogDetector::new(SigmaSet::builtin())).value)
    }

    #[test]
    fn a_login_that_was_taken_out_of_wtmp_is_told() {
        let wtmp = [entry(2, "~", "reboot", START), entry(7, "pts/0", "anna", START + 7200)].concat();
        assert!(told(wtmp.clone(), last(2, "pts/0", START + 7201)).is_empty());
        assert_eq!(told(wtmp.clone(), last(0, "pts/1", START + 9000)), ["TR-LOG-0508 medium"]);
        // The same terminal at another time is another login.
        assert_eq!(told(wtmp, last(0, "pts/0", START + 90_000)), ["TR-LOG-0508 medium"]);
    }

    #[test]
    fn what_rotation_took_and_what_has_no_terminal_is_not_told() {
        let wtmp = [entry(2, "~", "reboot", START), entry(7, "pts/0", "anna", START + 7200)].concat();
        assert!(told(wtmp.clone(), last(0, "pts/1", START - 86_400)).is_empty());
        assert!(told(wtmp.clone(), last(0, "ssh", START + 9000)).is_empty());
        assert!(told(Vec::new(), last(0, "pts/1", START + 9000)).is_empty());
        // One that cannot be read as a whole may have had it.
        let damaged = told([wtmp.repeat(10), vec![0xff; 384]].concat(), last(0, "pts/1", START + 9000));
        assert!(damaged.is_empty(), "{damaged:?}");
    }
}
