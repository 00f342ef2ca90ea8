//! Logins over SSH in logs of syslog: who was let in after how many refusals, and accounts that were removed.

use super::hits::Sample;
use crate::model::{AuthEventKind, EvidencePath};
use crate::parse::{auth_log, log_time};
use aho_corasick::AhoCorasick;
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

/// The most addresses that are counted, and the most logins and removals that are remembered, of one file.
const ADDRESSES: usize = 50_000;
const LOGINS: usize = 20_000;
const REMOVALS: usize = 200;

/// What lines that matter have in them.
static WORDS: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::new(["Accepted ", "Failed ", "Invalid user ", "delete user '"]).ok());

/// Somebody was let in.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) user: Vec<u8>,
    pub(super) address: Vec<u8>,
    pub(super) method: Vec<u8>,
    /// Refusals of that address before it in this file.
    pub(super) refused_before: u64,
    pub(super) sample: Sample,
}

/// What one log tells of logins.
#[derive(Clone, Debug, Default)]
pub(super) struct Logins {
    pub(super) refused: HashMap<Vec<u8>, u64>,
    pub(super) accepted: Vec<Login>,
    pub(super) removed: Vec<(i64, Sample)>,
    pub(super) is_full: bool,
}

impl Logins {
    /// Notes a line.
    pub(super) fn see(&mut self, path: &EvidencePath, number: u64, text: &[u8]) {
        if !WORDS.as_ref().is_some_and(|words| words.is_match(text)) {
            return;
        }
        let Some(event) = auth_log::parse_line(path, number, text) else { return };
        let seconds = log_time::leading(event.time_raw.as_bytes()).map_or(0, |time| time.seconds);
        let address = event.address.as_bytes();
        match event.event {
            AuthEventKind::Failed | AuthEventKind::InvalidUser => {
                let times = event.repeated.unwrap_or(1);
                if let Some(known) = self.refused.get_mut(address) {
                    *known += times;
                } else if self.refused.len() < ADDRESSES {
                    self.refused.insert(address.to_vec(), times);
                } else {
                    self.is_full = true;
                }
            }
            AuthEventKind::Accepted if self.accepted.len() < LOGINS => self.accepted.push(Login {
                user: event.user.as_bytes().to_vec(),
                address: address.to_vec(),
                method: event.method.as_bytes().to_vec(),
                refused_before: self.refused.get(address).copied().unwrap_or(0),
                sample: Sample::new(number, text, None),
            }),
            AuthEventKind::Accepted => self.is_full = true,
            AuthEventKind::AccountRemoved if self.removed.len() < REMOVALS => {
                self.removed.push((seconds, Sample::new(number, text, None)));
            }
            _ => {}
        }
    }
}

/// Logins of an address that had been refused often, over all files of a log, the oldest first.
pub(super) struct Guessed<'a> {
    pub(super) login: &'a Login,
    pub(super) path: &'a EvidencePath,
    pub(super) refused: u64,
    /// Later logins of the same address.
    pub(super) more: u64,
}

/// Refusals from which on a login is told of: somebody who forgot a password tries three or six times.
const MANY: u64 = 12;

/// The first login of each address that was let in with a password after many refusals. Each address counts once.
pub(super) fn guessed<'a>(files: &[(&'a EvidencePath, &'a Logins)]) -> Vec<Guessed<'a>> {
    let mut before: HashMap<&[u8], u64> = HashMap::new();
    let mut known: BTreeMap<&[u8], usize> = BTreeMap::new();
    let mut honest: HashMap<&[u8], u64> = HashMap::new();
    let mut found: Vec<Guessed<'a>> = Vec::new();
    for (path, logins) in files {
        for login in &logins.accepted {
            let address = login.address.as_slice();
            let refused = before.get(address).copied().unwrap_or(0) + login.refused_before;
            if let Some(guess) = known.get(address).and_then(|at| found.get_mut(*at)) {
                guess.more += 1;
            } else if refused >= MANY
                && login.method.starts_with(b"password")
                && honest.get(address).is_none_or(|&n| n < 3)
            {
                known.insert(address, found.len());
                found.push(Guessed { login, path, refused, more: 0 });
            } else {
                *honest.entry(address).or_default() += 1;
            }
        }
        for (address, refused) in &logins.refused {
            *before.entry(address.as_slice()).or_default() += refused;
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn logins(text: &str) -> (EvidencePath, Logins) {
        let path = EvidencePath::new("/var/log/auth.log").unwrap();
        let mut logins = Logins::default();
        for (line, number) in text.lines().zip(1..) {
            logins.see(&path, number, line.as_bytes());
        }
        (path, logins)
    }

    fn line(what: &str, address: &str) -> String {
        format!("Jan  2 03:04:05 pbx sshd[1]: {what} password for root from {address} port 1 ssh2\n")
    }

    #[test]
    fn a_password_that_was_guessed_is_told_also_across_a_rotation() {
        let older = logins(&line("Failed", "192.0.2.7").repeat(10));
        let newer = logins(&(line("Failed", "192.0.2.7").repeat(5) + &line("Accepted", "192.0.2.7").repeat(2)));
        let found = guessed(&[(&older.0, &older.1), (&newer.0, &newer.1)]);
        assert_eq!(found.iter().map(|guess| (guess.refused, guess.more)).collect::<Vec<_>>(), [(15, 1)]);
    }

    #[test]
    fn who_forgot_a_password_and_who_always_comes_is_not_told() {
        let forgot = logins(&(line("Failed", "192.0.2.7").repeat(6) + &line("Accepted", "192.0.2.7")));
        assert!(guessed(&[(&forgot.0, &forgot.1)]).is_empty());
        let regular = logins(
            &(line("Accepted", "192.0.2.7").repeat(9)
                + &line("Failed", "192.0.2.7").repeat(20)
                + &line("Accepted", "192.0.2.7")),
        );
        assert!(guessed(&[(&regular.0, &regular.1)]).is_empty());
    }
}
