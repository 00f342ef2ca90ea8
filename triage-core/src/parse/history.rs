//! Histories of shells and consoles: what was typed, with its time where there is one.
//!
//! An intruder may write anything into a history. It is never run, and what is a command and what a time is decided as the program that
//! reads it back would.

use super::line::{Line, Reading, lines, number, split_once};
use super::system_config::octal;
use super::{Limits, redact};
use crate::model::{EvidencePath, HistoryKind, Outcome, Timestamp, TypedCommand};

/// Whose history a file of this name is; none where it is no history.
pub fn kind_of(path: &EvidencePath) -> Option<HistoryKind> {
    let name = path.file_name();
    let base = name.strip_prefix(b".").unwrap_or(name);
    let is = |word: &[u8]| base.starts_with(word);
    Some(if is(b"zsh_history") || is(b"zhistory") || is(b"histfile") {
        HistoryKind::Zsh
    } else if is(b"bash_history") || is(b"sh_history") || is(b"ash_history") || is(b"ksh_history") || is(b"history") {
        HistoryKind::Shell
    } else if is(b"fish_history") {
        HistoryKind::Fish
    } else if is(b"mysql_history") || is(b"mariadb_history") {
        HistoryKind::Mysql
    } else if is(b"asterisk_history") {
        HistoryKind::Asterisk
    } else if is(b"python_history") {
        HistoryKind::Python
    } else if is(b"psql_history") || is(b"sqlite_history") {
        HistoryKind::Sql
    } else if is(b"rediscli_history") {
        HistoryKind::Redis
    } else {
        return None;
    })
}

/// Reads the commands.
pub fn parse(path: &EvidencePath, kind: HistoryKind, bytes: &[u8], limits: &Limits) -> Outcome<Vec<TypedCommand>> {
    let mut history = History { reading: Reading::new(path, limits), path, kind };
    match kind {
        HistoryKind::Shell => shell(&mut history, bytes),
        HistoryKind::Zsh => zsh(&mut history, bytes),
        HistoryKind::Fish => fish(&mut history, bytes),
        _ => console(&mut history, bytes),
    }
    history.reading.finish()
}

struct History<'a> {
    reading: Reading<'a, TypedCommand>,
    path: &'a EvidencePath,
    kind: HistoryKind,
}

impl History<'_> {
    /// Adds a command; false when there is room for no more.
    fn push(&mut self, line: u64, time: Option<Timestamp>, duration_s: Option<u64>, command: &[u8]) -> bool {
        if command.trim_ascii().is_empty() || !self.reading.fits(&Line { number: line, text: command }) {
            return true;
        }
        let redacted = redact::redact(command);
        self.reading.push(TypedCommand {
            path: self.path.clone(),
            line,
            program: self.kind,
            time,
            duration_s,
            is_redacted: redacted.is_some(),
            command: redacted.unwrap_or_else(|| command.to_vec()).into(),
        })
    }
}

/// A line of `#` and a number is the time of what follows, up to the next such line. Without times each line is a command.
fn shell(history: &mut History<'_>, bytes: &[u8]) {
    let mut time = None;
    let mut open: Option<(u64, Vec<u8>)> = None;
    for line in lines(bytes) {
        if let Some(seconds) =
            line.text.strip_prefix(b"#").filter(|rest| rest.first().is_some_and(u8::is_ascii_digit)).and_then(number)
        {
            if let Some((number, command)) = open.take()
                && !history.push(number, time, None, &command)
            {
                return;
            }
            time = Some(Timestamp::new(seconds, 0));
            continue;
        }
        match &mut open {
            // Only where there are times can a command be told from its next line.
            Some((_, command)) if time.is_some() => {
                command.push(b'\n');
                command.extend_from_slice(line.text);
            }
            _ if time.is_some() => open = Some((line.number, line.text.to_vec())),
            _ => {
                if !history.push(line.number, None, None, line.text) {
                    return;
                }
            }
        }
    }
    if let Some((number, command)) = open {
        history.push(number, time, None, &command);
    }
}

/// `: time:seconds;command` with `\` at the end of a line that goes on; bytes from 0x83 on are written as 0x83 and the byte xor 32.
fn zsh(history: &mut History<'_>, bytes: &[u8]) {
    let mut open: Option<(u64, Vec<u8>)> = None;
    for line in lines(bytes) {
        let text = unmetafied(line.text);
        let (number, mut whole) = open.take().unwrap_or((line.number, Vec::new()));
        // An even number of backslashes is a command that ends in them.
        let slashes = text.iter().rev().take_while(|&&b| b == b'\\').count();
        if slashes % 2 == 1 {
            whole.extend_from_slice(text.strip_suffix(b"\\").unwrap_or(&text));
            whole.push(b'\n');
            open = Some((number, whole));
            continue;
        }
        whole.extend_from_slice(&text);
        if !zsh_command(history, number, &whole) {
            return;
        }
    }
    if let Some((number, whole)) = open {
        zsh_command(history, number, &whole);
    }
}

fn zsh_command(history: &mut History<'_>, line: u64, whole: &[u8]) -> bool {
    let extended = whole.strip_prefix(b": ").and_then(|rest| {
        let (times, command) = split_once(rest, b";")?;
        let (start, duration) = split_once(times, b":")?;
        Some((number::<i64>(start)?, number::<u64>(duration)?, command))
    });
    match extended {
        Some((start, duration, command)) => history.push(line, Some(Timestamp::new(start, 0)), Some(duration), command),
        None => history.push(line, None, None, whole),
    }
}

fn unmetafied(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            0x83 => out.extend(bytes.next().map(|next| next ^ 32)),
            byte => out.push(byte),
        }
    }
    out
}

/// `- cmd: …` and `  when: …`; a newline in a command is `\n`, a backslash `\\`.
fn fish(history: &mut History<'_>, bytes: &[u8]) {
    let mut open: Option<(u64, Vec<u8>)> = None;
    let mut time = None;
    for line in lines(bytes) {
        if let Some(command) = line.text.strip_prefix(b"- cmd: ") {
            if let Some((number, command)) = open.take()
                && !history.push(number, time, None, &command)
            {
                return;
            }
            time = None;
            open = Some((line.number, fish_text(command)));
        } else if let Some(when) = line.text.trim_ascii().strip_prefix(b"when: ") {
            time = number(when).map(|seconds| Timestamp::new(seconds, 0));
        }
    }
    if let Some((number, command)) = open {
        history.push(number, time, None, &command);
    }
}

fn fish_text(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => out.push(b'\n'),
                Some(b'\\') => out.push(b'\\'),
                next => {
                    out.push(byte);
                    out.extend(next);
                }
            },
            byte => out.push(byte),
        }
    }
    out
}

/// libedit begins its histories with `_HiStOrY_V2_` and writes blanks as `\040`; readline has a command a line.
fn console(history: &mut History<'_>, bytes: &[u8]) {
    let is_libedit = bytes.starts_with(b"_HiStOrY_V2_");
    for line in lines(bytes) {
        if line.number == 1 && is_libedit {
            continue;
        }
        let text = if is_libedit { octal(line.text) } else { line.text.to_vec() };
        if !history.push(line.number, None, None, &text) {
            return;
        }
    }
}
