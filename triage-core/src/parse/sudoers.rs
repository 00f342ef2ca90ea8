//! `sudoers(5)`: who may run what as whom.
//!
//! `#include` and `#includedir` are no comments, and a `#` before a digit is a number of a user. An include is told and not followed: the
//! caller has the files.

use super::Limits;
use super::line::{Reading, joined, name, split_once, trim_start, word};
use crate::model::{EvidencePath, Outcome, RawText, Sudoers, SudoersEntry};

const ALIASES: [&str; 5] = ["User_Alias", "Runas_Alias", "Host_Alias", "Cmnd_Alias", "Cmd_Alias"];

/// Reads all statements.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Sudoers>> {
    let mut reading = Reading::new(path, limits);
    for (line, whole) in joined(bytes, &mut reading) {
        let statement = without_comment(whole.trim_ascii()).trim_ascii();
        if statement.is_empty() {
            continue;
        }
        match entries(statement) {
            Ok(entries) => {
                for entry in entries {
                    let text = RawText::from(&*whole);
                    if !reading.push(Sudoers { path: path.clone(), line, entry, text }) {
                        return reading.finish();
                    }
                }
            }
            Err(why) => reading.unreadable(line, why),
        }
    }
    reading.finish()
}

/// Cuts a comment off. In quotes, after a backslash, and before a digit at the beginning of a word, `#` begins none.
fn without_comment(text: &[u8]) -> &[u8] {
    if include(text).is_some() {
        return text;
    }
    let mut is_quoted = false;
    let mut is_escaped = false;
    let mut before = b' ';
    for (at, &byte) in text.iter().enumerate() {
        let is_number = text.get(at + 1).is_some_and(u8::is_ascii_digit)
            && (before.is_ascii_whitespace() || matches!(before, b',' | b'(' | b':' | b'!' | b'=' | b'%' | b'>'));
        match byte {
            b'"' if !is_escaped => is_quoted = !is_quoted,
            b'#' if !is_quoted && !is_escaped && !is_number => return text.get(..at).unwrap_or_default(),
            _ => {}
        }
        is_escaped = byte == b'\\' && !is_escaped;
        before = byte;
    }
    text
}

fn include(text: &[u8]) -> Option<(bool, &[u8])> {
    let (keyword, target) = word(text)?;
    match keyword {
        b"#include" | b"@include" => Some((false, target)),
        b"#includedir" | b"@includedir" => Some((true, target)),
        _ => None,
    }
}

fn entries(text: &[u8]) -> Result<Vec<SudoersEntry>, &'static str> {
    if let Some((is_folder, target)) = include(text) {
        let target = target.trim_ascii();
        let bare = target.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(target);
        return Ok(vec![SudoersEntry::Include { is_folder, target: bare.into() }]);
    }
    let (first, rest) = word(text).ok_or("it is empty")?;
    if let Some(scope) = first.strip_prefix(b"Defaults")
        && scope.first().is_none_or(|b| b"@:!>".contains(b))
    {
        let options = split(rest, b',').into_iter().map(RawText::from).collect();
        return Ok(vec![SudoersEntry::Defaults { scope: scope.into(), options }]);
    }
    if let Some(alias_type) = ALIASES.iter().find(|alias| alias.as_bytes() == first) {
        return split(rest, b':')
            .into_iter()
            .map(|definition| {
                let (name, members) = split_once(definition, b"=").ok_or("the alias has no value")?;
                Ok(SudoersEntry::Alias {
                    alias_type: (*alias_type).to_owned(),
                    name: name.trim_ascii().into(),
                    members: split(members, b',').into_iter().map(RawText::from).collect(),
                })
            })
            .collect();
    }
    rules(text)
}

/// Splits at a separator that is neither quoted, escaped nor in brackets; blanks around the parts and empty parts are dropped.
fn split(text: &[u8], separator: u8) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_u32);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => {}
            b'"' => is_quoted = !is_quoted,
            b'(' if !is_quoted => depth += 1,
            b')' if !is_quoted => depth = depth.saturating_sub(1),
            byte if byte == separator && !is_quoted && depth == 0 => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
        is_escaped = byte == b'\\' && !is_escaped;
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts.into_iter().map(<[u8]>::trim_ascii).filter(|part| !part.is_empty()).collect()
}

/// `users hosts = commands : hosts = commands …`
fn rules(text: &[u8]) -> Result<Vec<SudoersEntry>, &'static str> {
    let (left, mut rest) = split_once(text, b"=").ok_or("neither a rule nor a setting")?;
    let [users, hosts] = users_and_hosts(left).ok_or("it has no hosts")?;
    let mut hosts = raw(&hosts);
    let users = raw(&users);
    let mut out = Vec::new();
    loop {
        let mut tags: Vec<String> = Vec::new();
        let (mut run_as_users, mut run_as_groups) = (Vec::new(), Vec::new());
        let next = loop {
            rest = trim_start(rest);
            if let Some(inner) = rest.strip_prefix(b"(") {
                let (list, after) = split_once(inner, b")").ok_or("a bracket is not closed")?;
                let mut halves = list.splitn(2, |&b| b == b':');
                run_as_users = raw(&split(halves.next().unwrap_or_default(), b','));
                run_as_groups = raw(&split(halves.next().unwrap_or_default(), b','));
                rest = after;
                continue;
            }
            if let Some((tag, after)) = tag(rest) {
                // `PASSWD` takes back `NOPASSWD`, and so on.
                let opposite = tag.strip_prefix("NO").map_or_else(|| format!("NO{tag}"), str::to_owned);
                tags.retain(|other| *other != opposite && *other != tag);
                tags.push(tag);
                rest = after;
                continue;
            }
            if let Some((option, after)) = option(rest) {
                tags.push(option);
                rest = after;
                continue;
            }
            let (command, end, after) = command(rest);
            if !command.is_empty() {
                out.push(SudoersEntry::Rule {
                    users: users.clone(),
                    hosts: hosts.clone(),
                    run_as_users: run_as_users.clone(),
                    run_as_groups: run_as_groups.clone(),
                    tags: tags.clone(),
                    command: command.into(),
                });
            }
            rest = after;
            match end {
                Some(b',') => {}
                end => break end,
            }
        };
        if next.is_none() {
            break;
        }
        let (more, after) = split_once(rest, b"=").ok_or("a further host list has no commands")?;
        hosts = raw(&split(more, b','));
        rest = after;
    }
    if out.is_empty() { Err("it has no command") } else { Ok(out) }
}

fn raw(parts: &[&[u8]]) -> Vec<RawText> {
    parts.iter().map(|part| RawText::from(*part)).collect()
}

/// Two comma lists with a blank between them, where blanks may stand around commas and in quotes.
fn users_and_hosts(text: &[u8]) -> Option<[Vec<&[u8]>; 2]> {
    let text = text.trim_ascii();
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, &byte) in text.iter().enumerate() {
        if byte.is_ascii_whitespace() && !is_quoted && !is_escaped {
            let (left, right) = (text.get(..at)?.trim_ascii(), text.get(at..)?.trim_ascii());
            // `!` may stand apart from what it is about.
            if !left.ends_with(b",") && !left.ends_with(b"!") && !right.starts_with(b",") {
                return Some([split(left, b','), split(right, b',')]);
            }
        }
        if byte == b'"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = byte == b'\\' && !is_escaped;
    }
    None
}

/// `NOPASSWD:` and its like.
fn tag(text: &[u8]) -> Option<(String, &[u8])> {
    let end = text.iter().position(|b| !b.is_ascii_uppercase() && *b != b'_')?;
    let (word, rest) = text.split_at_checked(end)?;
    let rest = trim_start(rest).strip_prefix(b":")?;
    (end > 0).then(|| (name(word), rest))
}

/// `ROLE=x`, `CWD=/`, `TIMEOUT=1h` before a command.
fn option(text: &[u8]) -> Option<(String, &[u8])> {
    const NAMES: [&[u8]; 9] =
        [b"ROLE", b"TYPE", b"PRIVS", b"LIMITPRIVS", b"NOTBEFORE", b"NOTAFTER", b"TIMEOUT", b"CWD", b"CHROOT"];
    let (word, rest) = word(text)?;
    let (key, _) = split_once(word, b"=")?;
    NAMES.contains(&key).then(|| (name(word), rest))
}

/// One command up to a comma or colon that is not escaped, that separator, and what follows it.
fn command(text: &[u8]) -> (&[u8], Option<u8>, &[u8]) {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, &byte) in text.iter().enumerate() {
        // A digest before a command, `sha256:…`, has the one colon that is no separator.
        let in_digest = byte == b':' && text.get(..at).is_some_and(|head| head.starts_with(b"sha") && head.len() == 6);
        if !is_quoted && !is_escaped && !in_digest && matches!(byte, b',' | b':') {
            let command = text.get(..at).unwrap_or_default().trim_ascii();
            return (command, Some(byte), text.get(at + 1..).unwrap_or_default());
        }
        if byte == b'"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = byte == b'\\' && !is_escaped;
    }
    (text.trim_ascii(), None, b"")
}
