//! `fail2ban.log`.

use super::Limits;
use super::line::{Reading, lines, split_once, word};
use crate::model::{BanAction, BanEvent, EvidencePath, Outcome};

/// Reads what was seen, blocked and released. Sightings may fill half of the room and no more, so that they cannot push out the rest.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<BanEvent>> {
    let mut reading = Reading::new(path, limits);
    let (mut found, mut passed_over, mut last) = (0_usize, 0_u64, 0);
    for line in lines(bytes) {
        if !reading.fits(&line) {
            continue;
        }
        let Some(ban) = ban(path, line.number, line.text) else { continue };
        if ban.action == BanAction::Found {
            found += 1;
            if found > limits.max_records.div_ceil(2) {
                passed_over += 1;
                last = line.number;
                continue;
            }
        }
        if !reading.push(ban) {
            break;
        }
    }
    if passed_over > 0 {
        reading.limited(last, &format!("{passed_over} more sightings up to here"));
    }
    reading.finish()
}

/// `2026-01-02 03:04:05,678 fail2ban.actions [1]: NOTICE [sshd] Ban 192.0.2.1`; the older form has no process number.
fn ban(path: &EvidencePath, line: u64, text: &[u8]) -> Option<BanEvent> {
    let (date, rest) = word(text)?;
    let (clock, rest) = word(rest)?;
    if date.len() != 10 || !rest.starts_with(b"fail2ban.") {
        return None;
    }
    // The jail is in the last brackets before the action; the process number has a colon behind its own.
    let (before, rest) = split_once(rest, b"] ").filter(|(head, _)| !head.contains(&b' ') || head.contains(&b'['))?;
    let (mut jail, mut rest) = (before.rsplit(|&b| b == b'[').next()?, rest);
    if let Some((head, tail)) = split_once(rest, b"] ")
        && let Some((_, inner)) = split_once(head, b"[")
    {
        (jail, rest) = (inner, tail);
    }
    let (action, rest) = if let Some(rest) = rest.strip_prefix(b"Restore Ban ") {
        (BanAction::Restore, rest)
    } else if let Some(rest) = rest.strip_prefix(b"Ban ") {
        (BanAction::Ban, rest)
    } else if let Some(rest) = rest.strip_prefix(b"Unban ") {
        (BanAction::Unban, rest)
    } else if let Some(rest) = rest.strip_prefix(b"Found ") {
        (BanAction::Found, rest)
    } else if let Some(rest) = rest.strip_prefix(b"Ignore ") {
        (BanAction::Ignore, rest)
    } else {
        return None;
    };
    let (address, _) = word(rest)?;
    Some(BanEvent {
        path: path.clone(),
        line,
        time_raw: [date, b" ", clock].concat().into(),
        jail: jail.into(),
        action,
        address: address.into(),
    })
}
