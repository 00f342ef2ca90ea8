//! Credentials of telephones that were guessed or stolen: many refusals of an address in Asterisk's security log, then a success.

use crate::detect::log::LineSink;
use crate::model::escape;
use crate::parse::asterisk_log::AsteriskLine;
use crate::parse::log_time::LogTime;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The most addresses and successes that are remembered of one file.
const ADDRESSES: usize = 50_000;
const SUCCESSES: usize = 20_000;
/// Refusals from which on a success is told of. A telephone with a wrong password repeats itself, but from the same account alone, and then
/// somebody corrects it; that is why those of other accounts count.
const MANY: u64 = 20;

/// The first success of an account from an address.
#[derive(Clone, Debug)]
pub(super) struct Success {
    /// On the host's clock.
    pub(super) seconds: i64,
    pub(super) line: u64,
    pub(super) service: Vec<u8>,
    refused_before: u64,
    accounts_before: usize,
}

/// What one address tried.
#[derive(Clone, Debug, Default)]
struct Tries {
    refused: u64,
    /// Accounts, up to a number that says enough.
    accounts: Vec<Vec<u8>>,
}

/// One file.
#[derive(Clone, Debug, Default)]
pub(super) struct SipLog {
    tries: HashMap<Vec<u8>, Tries>,
    successes: BTreeMap<(Vec<u8>, Vec<u8>), Success>,
    /// Where each account was used from, the first days of the log: that is where it belongs.
    number_of_success: u64,
}

impl LineSink for SipLog {
    fn line(&mut self, number: u64, text: &[u8]) {
        if memchr::memmem::find(text, b"SecurityEvent=\"").is_none() {
            return;
        }
        let Some(line) = AsteriskLine::parse(text) else { return };
        let Some(event) = line.security().filter(|event| !event.address.is_empty()) else { return };
        if event.is_failure() {
            if self.tries.len() < ADDRESSES || self.tries.contains_key(event.address) {
                let tries = self.tries.entry(event.address.to_vec()).or_default();
                tries.refused += 1;
                if tries.accounts.len() < 50 && !tries.accounts.iter().any(|known| known == event.account) {
                    tries.accounts.push(event.account.to_vec());
                }
            }
        } else if event.event == b"SuccessfulAuth" {
            self.number_of_success += 1;
            let key = (event.account.to_vec(), event.address.to_vec());
            if self.successes.len() < SUCCESSES && !self.successes.contains_key(&key) {
                let tries = self.tries.get(event.address);
                let success = Success {
                    seconds: line.time.map_or(0, LogTime::on_its_clock),
                    line: number,
                    service: event.service.to_vec(),
                    refused_before: tries.map_or(0, |tries| tries.refused),
                    accounts_before: tries.map_or(0, |tries| tries.accounts.len()),
                };
                self.successes.insert(key, success);
            }
        }
    }
}

/// An account that was used from an address after many refusals of it.
#[derive(Clone, Debug)]
pub(super) struct Stolen {
    pub(super) account: Vec<u8>,
    pub(super) address: Vec<u8>,
    pub(super) refused: u64,
    pub(super) accounts: usize,
    pub(super) success: Success,
}

impl Stolen {
    pub(super) fn describe(&self) -> String {
        format!(
            "{} from {} by {} after {} refusals of {} accounts, line {}",
            escape(&self.account),
            escape(&self.address),
            escape(&self.success.service),
            self.refused,
            self.accounts.max(1),
            self.success.line
        )
    }
}

/// Stolen credentials, over the files of a log, the oldest first.
pub(super) fn stolen(files: &[&SipLog]) -> Vec<Stolen> {
    let mut before: HashMap<&[u8], (u64, usize)> = HashMap::new();
    let mut found: Vec<Stolen> = Vec::new();
    let mut known: HashSet<(&[u8], &[u8])> = HashSet::new();
    for file in files {
        for ((account, address), success) in &file.successes {
            if !known.insert((account, address)) {
                continue;
            }
            let is_foreign = std::str::from_utf8(address)
                .ok()
                .and_then(|text| text.parse().ok())
                .is_some_and(|address| !super::is_local(address));
            let (earlier, accounts) = before.get(address.as_slice()).copied().unwrap_or_default();
            let refused = earlier + success.refused_before;
            let accounts = accounts + success.accounts_before;
            // One account that is refused again and again is a telephone with a wrong password.
            if is_foreign && refused >= MANY && (accounts >= 2 || refused >= MANY * 10) {
                found.push(Stolen {
                    account: account.clone(),
                    address: address.clone(),
                    refused,
                    accounts,
                    success: success.clone(),
                });
            }
        }
        for (address, tries) in &file.tries {
            let known = before.entry(address.as_slice()).or_default();
            known.0 += tries.refused;
            known.1 += tries.accounts.len();
        }
    }
    found.sort_by(|a, b| (a.success.seconds, &a.account, &a.address).cmp(&(b.success.seconds, &b.account, &b.address)));
    found
}

/// Refusals of an address in all files.
pub(super) fn refusals(files: &[&SipLog], address: &[u8]) -> u64 {
    files.iter().filter_map(|file| file.tries.get(address)).map(|tries| tries.refused).sum()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn log(events: &[(&str, &str, &str, usize)]) -> SipLog {
        let mut log = SipLog::default();
        let mut number = 0;
        for (event, account, address, times) in events {
            for _ in 0..*times {
                number += 1;
                let line = format!(
                    "[2026-01-02 03:04:05] SECURITY[1] res_security_log.c: SecurityEvent=\"{event}\",Service=\"PJSIP\",AccountID=\"{account}\",RemoteAddress=\"IPV4/UDP/{address}/5060\""
                );
                log.line(number, line.as_bytes());
            }
        }
        log
    }

    #[test]
    fn a_guessed_password_is_told_and_a_telephone_that_was_corrected_is_not() {
        let guessed = log(&[
            ("InvalidAccountID", "100", "198.51.100.7", 15),
            ("InvalidPassword", "101", "198.51.100.7", 15),
            ("SuccessfulAuth", "101", "198.51.100.7", 3),
        ]);
        let found = stolen(&[&guessed]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].account.as_slice(), found[0].refused), (&b"101"[..], 30));
        for honest in [
            log(&[("InvalidPassword", "101", "198.51.100.7", 60), ("SuccessfulAuth", "101", "198.51.100.7", 3)]),
            log(&[
                ("InvalidPassword", "101", "192.168.1.7", 999),
                ("InvalidPassword", "102", "192.168.1.7", 9),
                ("SuccessfulAuth", "101", "192.168.1.7", 3),
            ]),
            log(&[("InvalidAccountID", "100", "198.51.100.9", 500), ("SuccessfulAuth", "101", "198.51.100.7", 3)]),
        ] {
            assert!(stolen(&[&honest]).is_empty());
        }
    }

    #[test]
    fn refusals_of_an_older_rotation_count() {
        let older =
            log(&[("InvalidAccountID", "100", "198.51.100.7", 25), ("InvalidPassword", "101", "198.51.100.7", 1)]);
        let newer = log(&[("SuccessfulAuth", "101", "198.51.100.7", 1)]);
        assert_eq!(stolen(&[&older, &newer]).len(), 1);
        assert_eq!(refusals(&[&older, &newer], b"198.51.100.7"), 26);
    }
}
