//! What an intruder does to a `FreePBX` and to the system beneath it, channel by channel: cron, incron, Asterisk's hooks, accounts, keys,
//! sshd, the firewall, hooks of the system, processes.
//!
//! The general detectors beside this one judge what is bad on any host. This one knows what belongs on a telephone system and what the
//! campaigns against it do: each rule names its source, and a confidence that says how much it proves alone ([`Grade`]). It sees files and
//! records; the database's rows and the logs have detectors of their own. Like all detectors it opens nothing and runs nothing.

mod account;
mod asterisk;
mod cron;
mod file;
mod firewall;
mod incron;
mod process;
mod rule;
mod ssh;
mod startup;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use rule::Grade;
pub(super) use rule::{Rule, attribute};

use super::{Detector, HostContext, Indicators, Report};
use crate::model::{EvidencePath, Record};
use crate::parse::Format;
use crate::sweep::Swept;
use std::sync::{Arc, Mutex, PoisonError};

/// Judges a telephone system.
pub struct PbxDetector {
    indicators: Arc<Indicators>,
    seen: Mutex<Seen>,
}

/// What the conclusion needs of the evidence.
#[derive(Default)]
struct Seen {
    accounts: account::Seen,
    files: file::Seen,
    ssh: ssh::Seen,
    processes: process::Seen,
}

impl PbxDetector {
    /// A detector with these indicators.
    pub fn new(indicators: Arc<Indicators>) -> Self {
        Self { indicators, seen: Mutex::default() }
    }

    fn content(&self, file: &Swept<'_>, content: &[u8], report: &mut Report) {
        let path = file.path.as_bytes();
        if path.starts_with(b"/etc/asterisk/") && matches!(file.path.extension(), Some(b"conf" | b"ael" | b"lua")) {
            asterisk::inspect(file, content, &self.indicators, report);
        }
        if path.starts_with(b"/var/spool/asterisk/outgoing/") {
            asterisk::call_file(file, content, &self.indicators, report);
        }
        match Format::at(file.path) {
            Some(Format::SystemCrontab | Format::UserCrontab | Format::Anacrontab) => {
                cron::inspect(file, content, report);
            }
            Some(Format::SystemIncrontab | Format::UserIncrontab) => incron::tables(file, content, report),
            Some(Format::AuthorizedKeys) => {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                ssh::keys(file, content, &mut seen.ssh);
            }
            Some(Format::SshdConfig) => {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                ssh::config(file, content, &mut seen.ssh);
            }
            _ => {}
        }
        cron::copies(file, content, report);
        startup::inspect(file, content, &self.indicators, report);
        firewall::saved(file, content, &self.indicators, report);
        account::sudoers(file, content, report);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        account::inspect(file, content, &mut seen.accounts, report);
    }
}

impl Detector for PbxDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            file::remember(file, &mut seen.files);
        }
        file::inspect(file, report);
        incron::objects(file, report);
        if let Some(content) = file.content.filter(|_| file.meta.is_file()) {
            self.content(file, content, report);
        }
    }

    fn consider(&self, record: &Record, report: &mut Report) {
        match record {
            Record::Process(process) => {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                process::inspect(process, &self.indicators, &mut seen.processes);
            }
            Record::Command(run) => firewall::listed(run, &self.indicators, report),
            _ => {}
        }
    }

    fn conclude(&self, host: &HostContext, report: &mut Report) {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        account::conclude(seen.accounts, &self.indicators, report);
        file::conclude(&seen.files, host, report);
        ssh::conclude(&seen.ssh, report);
        process::conclude(seen.processes, report);
    }
}

/// Says whether the conclusion needs the file at this place, beyond those that parsers read.
pub(super) fn judges_by(path: &EvidencePath) -> bool {
    const FILES: [&[u8]; 6] = [
        b"/etc/passwd-",
        b"/etc/shadow-",
        b"/etc/amportal.conf",
        b"/etc/iptables/rules.v4",
        b"/etc/iptables/rules.v6",
        b"/etc/sysconfig/iptables",
    ];
    // Counts and the newest file of a kind are conclusions, too.
    const FOLDERS: [&[u8]; 5] =
        [b"/etc/asterisk/", b"/etc/fail2ban/", b"/var/spool/asterisk/", b"/var/log/asterisk/cdr-csv/", b"/tftpboot/"];
    let bytes = path.as_bytes();
    FILES.contains(&bytes) || FOLDERS.iter().any(|folder| bytes.starts_with(folder))
}

/// The most paths of one command that are looked up.
const MAX_PATHS: usize = 64;

/// The absolute paths that a command names.
fn paths(command: &[u8]) -> impl Iterator<Item = EvidencePath> + '_ {
    command
        .split(|b| b.is_ascii_whitespace() || b"'\"|&;<>()`$=,".contains(b))
        .filter(|word| word.starts_with(b"/"))
        .take(MAX_PATHS)
        .filter_map(|word| EvidencePath::new(word).ok())
}

/// Every rule of the pack.
pub(super) fn rules() -> impl Iterator<Item = &'static Rule> {
    const OTHERS: [&[Rule]; 8] = [
        account::RULES,
        cron::RULES,
        file::RULES,
        firewall::RULES,
        incron::RULES,
        process::RULES,
        ssh::RULES,
        startup::RULES,
    ];
    asterisk::RULES.iter().chain(OTHERS.iter()).copied().flatten()
}
