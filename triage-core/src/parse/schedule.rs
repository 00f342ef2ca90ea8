//! Jobs of `at(1)` and `incron`.

use super::Limits;
use super::line::{Reading, each_line, joined, split_once, word};
use crate::model::{EvidencePath, Mechanism, Outcome, RawText, StartupCommand, Timestamp};

/// Reads a job file of at's spool: what the person gave it, without the environment that at put before it.
///
/// The file's name is a letter for the queue, five hexadecimal digits for the number, and eight for the minute since 1970 (`atd(8)` of both
/// families). The first lines name the user: `# atrun uid=0 gid=0`.
pub fn parse_at(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<StartupCommand>> {
    let mut reading = Reading::new(path, limits);
    let trigger = at_trigger(path.file_name());
    let mut user = None;
    let lines = joined(bytes, &mut reading);
    // at's own preamble ends with `cd <folder> || { … }`; a file without one was not made by at and is read whole.
    let enters = lines.iter().position(|(_, text)| text.starts_with(b"cd ") && text.ends_with(b"|| {"));
    let preamble = enters.and_then(|start| {
        let end = lines.iter().skip(start).position(|(_, text)| text.trim_ascii() == b"}")?;
        Some(start + end)
    });
    for (at, (number, text)) in lines.iter().enumerate() {
        if let Some(rest) = text.strip_prefix(b"# atrun uid=") {
            let uid = rest.split(|b| !b.is_ascii_digit()).next().unwrap_or_default();
            user = Some(RawText::from([b"#", uid].concat()));
        }
        let text = text.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") || preamble.is_some_and(|end| at <= end) {
            continue;
        }
        // The job itself stands in a here-document whose end has a name made at random.
        if text.starts_with(b"marcinDELIMITER") || text.ends_with(b"'") && text.starts_with(b"${SHELL:-/bin/sh} <<") {
            continue;
        }
        let command = StartupCommand {
            path: path.clone(),
            line: Some(*number),
            mechanism: Mechanism::At,
            trigger: trigger.clone(),
            user: user.clone(),
            command: text.into(),
            text: text.into(),
        };
        if !reading.push(command) {
            break;
        }
    }
    reading.finish()
}

fn at_trigger(name: &[u8]) -> RawText {
    let minute = name.get(6..14).and_then(|hex| u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
    minute.map(|minute| Timestamp::new(i64::from(minute) * 60, 0).to_string().as_str().into()).unwrap_or_default()
}

/// Reads an incron table: a path, what is to happen to it, a command. `is_system` says that the table is one of `/etc/incron.d`, whose jobs are
/// root's; in a spool the file's name is the user's.
pub fn parse_incron(
    path: &EvidencePath,
    is_system: bool,
    bytes: &[u8],
    limits: &Limits,
) -> Outcome<Vec<StartupCommand>> {
    let user: RawText = if is_system { "root".into() } else { path.file_name().into() };
    each_line(path, bytes, limits, |line| {
        let text = line.text.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            return Ok(None);
        }
        let (watched, rest) = watched(text).ok_or("it has no path")?;
        let (mask, command) = word(rest).ok_or("it has no event")?;
        if command.is_empty() {
            return Err("it has no command");
        }
        Ok(Some(StartupCommand {
            path: path.clone(),
            line: Some(line.number),
            mechanism: Mechanism::Incron,
            trigger: [watched, b" ", mask].concat().into(),
            user: Some(user.clone()),
            command: command.into(),
            text: line.text.into(),
        }))
    })
}

/// The first word, in which a backslash keeps a blank.
fn watched(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut is_escaped = false;
    for (at, &byte) in text.iter().enumerate() {
        if matches!(byte, b' ' | b'\t') && !is_escaped {
            return Some((text.get(..at)?, text.get(at..)?));
        }
        is_escaped = byte == b'\\' && !is_escaped;
    }
    None
}

/// `inittab(5)`: `id:runlevels:action:process`.
pub fn parse_inittab(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<StartupCommand>> {
    each_line(path, bytes, limits, |line| {
        let text = line.text.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            return Ok(None);
        }
        let (_, rest) = split_once(text, b":").ok_or("it has not the four fields")?;
        let (levels, rest) = split_once(rest, b":").ok_or("it has not the four fields")?;
        let (action, process) = split_once(rest, b":").ok_or("it has not the four fields")?;
        if process.is_empty() {
            return Ok(None);
        }
        Ok(Some(StartupCommand {
            path: path.clone(),
            line: Some(line.number),
            mechanism: Mechanism::Inittab,
            trigger: [levels, b" ", action].concat().trim_ascii().into(),
            user: None,
            command: process.into(),
            text: line.text.into(),
        }))
    })
}
