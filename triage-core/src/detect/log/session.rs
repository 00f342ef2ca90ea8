//! What an address did after an attack of its was answered: pages of the administration, programs that were posted to.

use crate::model::escape;
use crate::parse::access_log::AccessLine;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A session goes on as long as no pause is longer, in seconds.
const PAUSE: i64 = 30 * 60;
/// The most addresses of one file that are followed.
const FOLLOWED: usize = 500;
/// The most different things that are told of one.
const ACTS: usize = 40;
/// Characters of each.
const ACT: usize = 110;

/// What one address did.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    first: i64,
    last: i64,
    requests: u64,
    acts: BTreeMap<String, u64>,
    others: u64,
    is_over: bool,
}

/// The addresses of one file that are followed.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    by_address: BTreeMap<Vec<u8>, Session>,
}

impl Sessions {
    /// Follows an address from now on.
    pub(super) fn follow(&mut self, address: &[u8], seconds: i64) {
        if let Some(session) = self.by_address.get_mut(address) {
            session.is_over = false;
            session.last = session.last.max(seconds);
        } else if self.by_address.len() < FOLLOWED {
            self.by_address.insert(address.to_vec(), Session { first: seconds, last: seconds, ..Session::default() });
        }
    }

    /// Notes what a followed address does.
    pub(super) fn see(&mut self, line: &AccessLine<'_>) {
        if self.by_address.is_empty() {
            return;
        }
        let Some(session) = self.by_address.get_mut(line.client).filter(|session| !session.is_over) else { return };
        if line.time.seconds - session.last > PAUSE {
            session.is_over = true;
            return;
        }
        session.last = session.last.max(line.time.seconds);
        session.requests += 1;
        if let Some(act) = act(line) {
            if session.acts.len() < ACTS || session.acts.contains_key(&act) {
                *session.acts.entry(act).or_default() += 1;
            } else {
                session.others += 1;
            }
        }
    }

    /// What the address did afterwards, in one line; none where that is nothing.
    pub(super) fn describe(&self, address: &[u8]) -> Option<String> {
        let session = self.by_address.get(address).filter(|session| session.requests > 0)?;
        let minutes = (session.last - session.first) / 60;
        let mut text = format!("{}: {} more requests in {minutes} min", escape(address), session.requests);
        let mut acts: Vec<(&String, &u64)> = session.acts.iter().collect();
        acts.sort_by_key(|(act, count)| (std::cmp::Reverse(**count), *act));
        for (at, (act, count)) in acts.iter().take(8).enumerate() {
            let _ = write!(text, "{}{act} ({count})", if at == 0 { ": " } else { ", " });
        }
        let more = acts.len().saturating_sub(8) as u64 + session.others;
        if more > 0 {
            let _ = write!(text, ", and {more} more");
        }
        Some(text)
    }
}

/// What is told of a request: programs, and what of `FreePBX` was asked for; pictures and styles are not.
fn act(line: &AccessLine<'_>) -> Option<String> {
    let (stem, query) = line.stem_and_query();
    let is_program = memchr::memmem::find(stem, b".php").is_some();
    if !is_program && line.method != b"POST" {
        return None;
    }
    let mut act = format!("{} {}", escape(line.method), escape(stem));
    for part in query.unwrap_or_default().split(|byte| *byte == b'&') {
        let is_told =
            [&b"display="[..], b"module=", b"command=", b"action=", b"view="].iter().any(|name| part.starts_with(name));
        if is_told {
            act.push(if act.contains('?') { '&' } else { '?' });
            act.push_str(&escape(part));
        }
    }
    let _ = write!(act, " {}", line.status);
    Some(act.chars().take(ACT).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn line(minute: u32, address: &str, request: &str) -> String {
        format!("{address} - - [23/Nov/2026:08:{minute:02}:00 +0000] \"{request} HTTP/1.1\" 200 1 \"-\" \"x\"")
    }

    #[test]
    fn what_the_address_did_next_is_told_until_it_pauses() {
        let lines = [
            line(0, "192.0.2.7", "POST /admin/config.php"),
            line(1, "192.0.2.7", "GET /admin/config.php?display=ampusers&token=x"),
            line(1, "192.0.2.7", "GET /admin/assets/x.css"),
            line(2, "192.0.2.9", "POST /admin/config.php"),
            line(50, "192.0.2.7", "POST /late.php"),
        ];
        let mut sessions = Sessions::default();
        let mut is_begun = false;
        for line in &lines {
            let line = AccessLine::parse(line.as_bytes()).unwrap();
            if !is_begun {
                sessions.follow(b"192.0.2.7", line.time.seconds);
                is_begun = true;
                continue;
            }
            sessions.see(&line);
        }
        let told = sessions.describe(b"192.0.2.7").unwrap();
        assert_eq!(told, "192.0.2.7: 2 more requests in 1 min: GET /admin/config.php?display=ampusers 200 (1)");
        assert_eq!(sessions.describe(b"192.0.2.9"), None);
    }
}
