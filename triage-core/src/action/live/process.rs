//! Processes that are meant, and those that are never touched.

use super::{LiveChange, LiveState};
use crate::action::Obstacle;
use crate::model::{Digest, EvidencePath, RawText, escape};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

/// What names a process for good, until the next boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId {
    /// Process id.
    pub pid: u32,
    /// Start after boot, in clock ticks: a number is given to another process once its own has ended.
    pub start_ticks: u64,
}

/// Which processes are meant: those that run this and were called so, whatever their numbers. What respawns has another number each time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessSelector {
    /// What they run, without the kernel's ` (deleted)`.
    #[serde(flatten)]
    pub program: EvidencePath,
    /// Their arguments, joined by single spaces, at most 4096 bytes.
    pub command_line: RawText,
}

/// The most bytes of a command line that are compared.
const MAX_COMMAND_LINE: usize = 4096;

impl ProcessSelector {
    /// Says whether a process was called so that has these arguments, each ended by a NUL byte.
    pub fn was_called(&self, arguments: &[u8]) -> bool {
        let words: Vec<u8> = arguments.iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect();
        let line = words.trim_ascii_end();
        let wanted = self.command_line.as_bytes().trim_ascii_end();
        line.get(..MAX_COMMAND_LINE).unwrap_or(line).trim_ascii_end() == wanted
    }
}

impl fmt::Display for ProcessSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "processes of {} called as `{}`", self.program, self.command_line)
    }
}

/// A process that is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningProcess {
    /// Which.
    #[serde(flatten)]
    pub id: ProcessId,
    /// SHA-256 of what it runs; none where that may not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// Says that it was stopped where it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_frozen: bool,
    /// Why it is never touched, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected: Option<String>,
}

pub(super) fn change(
    running: &[RunningProcess],
    programs: &BTreeSet<Digest>,
    max: u64,
    is_wanted: impl Fn(&RunningProcess) -> bool,
) -> Result<LiveChange, Obstacle> {
    if let Some((process, why)) = running.iter().find_map(|p| Some((p, p.protected.as_ref()?))) {
        return Err(Obstacle::Blocked(format!("process {} is never touched: {why}", process.id.pid)));
    }
    let is_another = |process: &&RunningProcess| {
        !programs.is_empty() && process.sha256.is_none_or(|sha256| !programs.contains(&sha256))
    };
    if let Some(other) = running.iter().find(is_another) {
        let pid = other.id.pid;
        return Err(Obstacle::Stale(format!("process {pid} runs another program by now than the one that was seen")));
    }
    let count = running.len() as u64;
    if count > max {
        return Err(Obstacle::Stale(format!("{count} processes are meant by now, and at most {max} were planned for")));
    }
    Ok(if running.iter().any(is_wanted) { LiveChange::Perform } else { LiveChange::Nothing })
}

pub(super) fn thaw(running: &[RunningProcess]) -> LiveChange {
    if running.iter().any(|process| process.is_frozen) { LiveChange::Perform } else { LiveChange::Nothing }
}

pub(super) fn all(running: &[RunningProcess], is_frozen: bool) -> LiveState {
    let running = running.iter().map(|process| RunningProcess { is_frozen, ..process.clone() }).collect();
    LiveState::Processes { running }
}

pub(super) fn told(verb: &str, running: &[RunningProcess]) -> String {
    const MOST: usize = 20;
    let mut out = String::new();
    for process in running.iter().take(MOST) {
        let program = process.sha256.map_or("a program that may not be read".to_owned(), |sha| sha.to_string());
        let _ = writeln!(out, "{verb} process {}, which runs {}", process.id.pid, escape(program.as_bytes()));
    }
    if running.len() > MOST {
        let _ = writeln!(out, "and {} more", running.len() - MOST);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, content: &[u8]) -> RunningProcess {
        let id = ProcessId { pid, start_ticks: 7 };
        RunningProcess { id, sha256: Some(Digest::of(content)), is_frozen: false, protected: None }
    }

    fn programs(content: &[u8]) -> BTreeSet<Digest> {
        BTreeSet::from([Digest::of(content)])
    }

    #[test]
    fn a_process_is_told_by_how_it_was_called() {
        let which = ProcessSelector {
            program: EvidencePath::new("/tmp/.k").unwrap(),
            command_line: RawText::from("/tmp/.k -o pool"),
        };
        assert!(which.was_called(b"/tmp/.k\0-o\0pool\0"));
        assert!(!which.was_called(b"/tmp/.k\0-o\0other\0"));
        let long = vec![b'a'; 10_000];
        let which = ProcessSelector { command_line: RawText::from(long.get(..4096).unwrap()), ..which };
        assert!(which.was_called(&long));
    }

    #[test]
    fn one_protected_process_among_them_blocks_the_step() {
        let guarded = RunningProcess { protected: Some("it is init".to_owned()), ..process(1, b"x") };
        let found = change(&[process(2, b"x"), guarded], &BTreeSet::new(), 9, |_| true);
        assert!(matches!(found, Err(Obstacle::Blocked(why)) if why.contains("it is init")));
    }

    #[test]
    fn another_program_under_the_same_name_is_stale() {
        let found = change(&[process(2, b"x"), process(3, b"y")], &programs(b"x"), 9, |_| true);
        assert!(matches!(found, Err(Obstacle::Stale(why)) if why.contains("process 3")));
        let unread = RunningProcess { sha256: None, ..process(4, b"x") };
        assert!(change(std::slice::from_ref(&unread), &programs(b"x"), 9, |_| true).is_err());
        assert_eq!(change(&[unread], &BTreeSet::new(), 9, |_| true), Ok(LiveChange::Perform));
    }

    #[test]
    fn a_swarm_that_nobody_planned_for_is_stale_and_no_process_at_all_is_nothing() {
        let swarm: Vec<RunningProcess> = (2..13).map(|pid| process(pid, b"x")).collect();
        assert!(matches!(change(&swarm, &programs(b"x"), 10, |_| true), Err(Obstacle::Stale(_))));
        assert_eq!(change(&[], &programs(b"x"), 10, |_| true), Ok(LiveChange::Nothing));
    }
}
