//! The kernel's audit log as `auditd(8)` writes it.
//!
//! A value that could hold anything (a command, a path, an account) is in quotes, or in hexadecimal digits where it has a blank, a quote or a byte
//! outside ASCII; those are decoded. What was typed on an audited terminal (`TTY`, `USER_TTY`) may be a password and is left out.

use super::Limits;
use super::line::{Line, Reading, lines, name, number, split_once};
use crate::model::{AuditEvent, EvidencePath, Outcome, RawText, Timestamp};

/// Record types that come by the thousand and say nothing that others do not.
const PASSED_OVER: [&str; 8] =
    ["CRED_ACQ", "CRED_DISP", "CRED_REFR", "CRYPTO_KEY_USER", "CRYPTO_SESSION", "EOE", "SOCKADDR", "BPRM_FCAPS"];

/// The most arguments of one `EXECVE` that are joined.
const MAX_ARGUMENTS: usize = 4096;

/// Fields that are hexadecimal where they are not in quotes (`auparse`'s table of escaped fields).
const ESCAPED: [&str; 21] = [
    "acct",
    "cgroup",
    "cmd",
    "comm",
    "cwd",
    "data",
    "dir",
    "exe",
    "file",
    "grp",
    "invalid_context",
    "key",
    "msg",
    "name",
    "new",
    "ocomm",
    "path",
    "proctitle",
    "sw",
    "watch",
    "vm",
];

/// Reads the events.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<AuditEvent>> {
    let mut reading = Reading::new(path, limits);
    for line in lines(bytes) {
        if line.text.is_empty() || !reading.fits(&line) {
            continue;
        }
        match event(path, &line) {
            Some(event) if PASSED_OVER.contains(&event.kind.as_str()) => {}
            Some(event) => {
                if !reading.push(event) {
                    break;
                }
            }
            None => reading.unreadable(line.number, "not a record of the audit log"),
        }
    }
    reading.finish()
}

/// `node=x type=EXECVE msg=audit(1767323045.123:45): fields…`
fn event(path: &EvidencePath, line: &Line<'_>) -> Option<AuditEvent> {
    let (node, rest) = match line.text.strip_prefix(b"node=") {
        Some(rest) => split_once(rest, b" ")?,
        None => (&b""[..], line.text),
    };
    let (kind, rest) = split_once(rest.strip_prefix(b"type=")?, b" ")?;
    let (stamp, rest) = split_once(rest.strip_prefix(b"msg=audit(")?, b"):")?;
    let (time, serial) = split_once(stamp, b":")?;
    let (seconds, fraction) = split_once(time, b".")?;
    let milliseconds: u32 = number(fraction).filter(|_| fraction.len() == 3)?;
    let kind = name(kind);
    let mut all = Vec::new();
    fields(rest, kind == "EXECVE", true, &mut all);
    let mut command = Vec::new();
    let mut kept = Vec::new();
    let is_tty = kind == "TTY" || kind == "USER_TTY";
    for (key, value) in all {
        if kind == "EXECVE" && is_argument(&key) {
            command.push(value);
        } else if key == "proctitle" || (key == "cmd" && command.is_empty()) {
            // Arguments in a process title end in NUL bytes.
            let text: Vec<u8> = value.into_iter().map(|byte| if byte == 0 { b' ' } else { byte }).collect();
            command.push(text);
        } else if is_tty && key == "data" {
            kept.push((key, RawText::from(super::redact::MARK)));
        } else {
            kept.push((key, RawText::from(value)));
        }
    }
    command.truncate(MAX_ARGUMENTS);
    Some(AuditEvent {
        path: path.clone(),
        line: line.number,
        kind,
        time: Timestamp::new(number(seconds)?, milliseconds * 1_000_000),
        serial: number(serial)?,
        node: node.into(),
        command: command.join(&b' ').into(),
        fields: kept,
    })
}

/// `key=value` pairs; the one named `msg` in single quotes has pairs inside it. Text without a key is passed over.
fn fields(text: &[u8], is_execve: bool, is_outer: bool, out: &mut Vec<(String, Vec<u8>)>) {
    // auditd puts its own reading of the numbers behind a group separator.
    let mut rest = text.split(|&b| b == 0x1d).next().unwrap_or_default();
    while let Some((head, tail)) = split_once(rest, b"=") {
        let key = head.rsplit(|b| *b == b' ' || *b == b',').next().unwrap_or_default();
        if is_outer && key == b"msg" && tail.starts_with(b"'") {
            let inner = tail.get(1..).unwrap_or_default();
            let (inner, after) = super::line::rsplit_once(inner, b"'").unwrap_or((inner, b""));
            fields(inner, is_execve, false, out);
            rest = after;
            continue;
        }
        let key = name(key);
        let (value, after) = if let Some(inner) = tail.strip_prefix(b"\"") {
            let (value, after) = split_once(inner, b"\"").unwrap_or((inner, b""));
            (value.to_vec(), after)
        } else {
            let end = tail.iter().position(|&b| b == b' ').unwrap_or(tail.len());
            let (value, after) = tail.split_at_checked(end).unwrap_or((tail, b""));
            let may_be_text = is_execve && is_argument(&key) || ESCAPED.contains(&key.as_str());
            let decoded = if may_be_text { hexadecimal(value) } else { None };
            (decoded.unwrap_or_else(|| value.to_vec()), after)
        };
        if !key.is_empty() {
            out.push((key, value));
        }
        rest = after;
    }
}

/// `a0`, `a1`, and `a2[0]` where one was too long for a line; not `a2_len`.
fn is_argument(key: &str) -> bool {
    key.strip_prefix('a').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit())
            && rest.bytes().all(|b| b.is_ascii_digit() || b == b'[' || b == b']')
    })
}

fn hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_chunks::<2>();
    // The kernel writes capital letters; `a0=1` of a system call is no text.
    if !rest.is_empty() || pairs.is_empty() || text.iter().any(|b| !matches!(b, b'0'..=b'9' | b'A'..=b'F')) {
        return None;
    }
    pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
