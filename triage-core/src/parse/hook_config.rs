//! Configuration files whose settings run commands: apt, dpkg, dnf, logrotate, ifupdown, desktop autostart, `ld.so.preload`.

use super::Limits;
use super::line::{Reading, each_line, joined, lines, quoted_words, split_once, word};
use crate::model::{EvidencePath, Mechanism, Outcome, RawText, StartupCommand};

/// How deep blocks in `apt.conf` may lie; deeper ones are read as if they lay here.
const MAX_DEPTH: usize = 64;

fn entry(
    path: &EvidencePath,
    line: u64,
    mechanism: Mechanism,
    trigger: &[u8],
    command: &[u8],
    text: &[u8],
) -> StartupCommand {
    StartupCommand {
        path: path.clone(),
        line: Some(line),
        mechanism,
        trigger: trigger.into(),
        user: None,
        command: command.into(),
        text: text.into(),
    }
}

/// Reads `apt.conf(5)`: the values of those options that name commands. Nested blocks and `::` are the same thing.
pub fn parse_apt(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<StartupCommand>> {
    let mut reading = Reading::new(path, limits);
    let mut scopes: Vec<Vec<u8>> = Vec::new();
    let mut words: Vec<(u64, Vec<u8>, bool)> = Vec::new();
    for token in AptTokens::new(bytes, limits.max_line_bytes) {
        match token {
            AptToken::Word(line, text, is_quoted) => words.push((line, text, is_quoted)),
            AptToken::Open => {
                let name = words.drain(..).next().map(|(_, name, _)| name).unwrap_or_default();
                if scopes.len() < MAX_DEPTH {
                    scopes.push(name);
                }
            }
            end @ (AptToken::Close | AptToken::End) => {
                let mut said = words.drain(..).peekable();
                // A bare string in a block belongs to the block itself; else the first word is a name.
                let name = said.next_if(|(_, _, is_quoted)| !is_quoted).map(|(_, name, _)| name);
                let option: Vec<&[u8]> =
                    scopes.iter().map(Vec::as_slice).chain(name.as_deref()).filter(|part| !part.is_empty()).collect();
                let option = option.join(&b"::"[..]);
                for (line, value, _) in said {
                    if is_apt_command(&option) && !value.is_empty() {
                        let option = option.strip_suffix(b"::").unwrap_or(&option);
                        let text = [option, b" \"", &value, b"\";"].concat();
                        if !reading.push(entry(path, line, Mechanism::PackageManager, option, &value, &text)) {
                            return reading.finish();
                        }
                    }
                }
                if end == AptToken::Close {
                    scopes.pop();
                }
            }
            AptToken::TooLong(line) => reading.unreadable(line, "a word of it is too long"),
        }
    }
    reading.finish()
}

fn is_apt_command(option: &[u8]) -> bool {
    let option = option.to_ascii_lowercase();
    let has = |part: &[u8]| option.windows(part.len()).any(|window| window == part);
    has(b"invoke")
        || has(b"pre-install-pkgs")
        || has(b"proxy-auto-detect")
        || has(b"proxyautodetect")
        || has(b"hooks::")
        || has(b"planner")
        || option.starts_with(b"dir::bin")
        || option.starts_with(b"apt::compressor") && has(b"binary")
        || option.starts_with(b"unattended-upgrade") && has(b"command")
}

#[derive(Debug, PartialEq, Eq)]
enum AptToken {
    Word(u64, Vec<u8>, bool),
    Open,
    Close,
    End,
    TooLong(u64),
}

struct AptTokens<'a> {
    bytes: std::iter::Peekable<std::iter::Copied<std::slice::Iter<'a, u8>>>,
    line: u64,
    max: usize,
}

impl<'a> AptTokens<'a> {
    fn new(bytes: &'a [u8], max: usize) -> Self {
        Self { bytes: bytes.iter().copied().peekable(), line: 1, max }
    }

    fn next_byte(&mut self) -> Option<u8> {
        let byte = self.bytes.next()?;
        self.line += u64::from(byte == b'\n');
        Some(byte)
    }

    fn skip_line(&mut self) {
        while self.next_byte().is_some_and(|byte| byte != b'\n') {}
    }

    fn skip_comment(&mut self) {
        let mut before = 0;
        while let Some(byte) = self.next_byte() {
            if before == b'*' && byte == b'/' {
                return;
            }
            before = byte;
        }
    }
}

impl Iterator for AptTokens<'_> {
    type Item = AptToken;

    fn next(&mut self) -> Option<AptToken> {
        loop {
            let line = self.line;
            match self.next_byte()? {
                b'{' => return Some(AptToken::Open),
                b'}' => return Some(AptToken::Close),
                b';' => return Some(AptToken::End),
                b'#' => self.skip_line(),
                b'/' if self.bytes.peek() == Some(&b'/') => self.skip_line(),
                b'/' if self.bytes.peek() == Some(&b'*') => {
                    self.next_byte();
                    self.skip_comment();
                }
                byte if byte.is_ascii_whitespace() => {}
                b'"' => {
                    let mut text = Vec::new();
                    while let Some(byte) = self.next_byte().filter(|&byte| byte != b'"') {
                        text.push(byte);
                        if byte == b'\\' {
                            text.extend(self.next_byte());
                        }
                    }
                    return Some(if text.len() > self.max {
                        AptToken::TooLong(line)
                    } else {
                        AptToken::Word(line, text, true)
                    });
                }
                byte => {
                    let mut text = vec![byte];
                    while let Some(byte) = self.bytes.next_if(|b| !b.is_ascii_whitespace() && !b"{};\"".contains(b)) {
                        text.push(byte);
                    }
                    return Some(if text.len() > self.max {
                        AptToken::TooLong(line)
                    } else {
                        AptToken::Word(line, text, false)
                    });
                }
            }
        }
    }
}

/// Reads `dpkg.cfg`: `pre-invoke=`, `post-invoke=`, `status-logger=`.
pub fn parse_dpkg(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<StartupCommand>> {
    each_line(path, bytes, limits, |line| {
        let text = line.text.trim_ascii();
        let end = text.iter().position(|b| b.is_ascii_whitespace() || *b == b'=').unwrap_or(text.len());
        let Some((name, rest)) = text.split_at_checked(end) else { return Ok(None) };
        let name = name.strip_prefix(b"--").unwrap_or(name);
        if !matches!(name, b"pre-invoke" | b"post-invoke" | b"status-logger") {
            return Ok(None);
        }
        let rest = rest.trim_ascii_start();
        let command = rest.strip_prefix(b"=").unwrap_or(rest).trim_ascii();
        Ok(Some(entry(path, line.number, Mechanism::PackageManager, name, command, line.text)))
    })
}

/// Reads an action file of dnf's `post-transaction-actions` plugin: `filter:state:command`.
pub fn parse_dnf_actions(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<StartupCommand>> {
    each_line(path, bytes, limits, |line| {
        let text = line.text.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            return Ok(None);
        }
        let (filter, rest) = split_once(text, b":").ok_or("it has not the three fields")?;
        let (state, command) = split_once(rest, b":").ok_or("it has not the three fields")?;
        let trigger = [filter, b":", state].concat();
        Ok(Some(entry(path, line.number, Mechanism::PackageManager, &trigger, command.trim_ascii(), line.text)))
    })
}

/// Reads the scripts of a `logrotate(8)` configuration, a record a line, and the programs that it compresses and mails with.
pub fn parse_logrotate(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<StartupCommand>> {
    const SCRIPTS: [&[u8]; 5] = [b"postrotate", b"prerotate", b"firstaction", b"lastaction", b"preremove"];
    const PROGRAMS: [&[u8]; 3] = [b"compresscmd", b"uncompresscmd", b"mailcmd"];
    let mut reading = Reading::new(path, limits);
    let mut logs: Vec<u8> = Vec::new();
    let mut script: Option<&[u8]> = None;
    for line in lines(bytes) {
        let text = line.text.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") || !reading.fits(&line) {
            continue;
        }
        let (first, rest) = word(text).unwrap_or((text, b""));
        let found = match script {
            Some(_) if text == b"endscript" => {
                script = None;
                continue;
            }
            Some(kind) => Some((kind, text)),
            None if SCRIPTS.contains(&first) => {
                script = Some(first);
                continue;
            }
            None if PROGRAMS.contains(&first) => Some((first, rest)),
            None => {
                // The logs before a block may stand on several lines.
                if let Some(head) = text.strip_suffix(b"{") {
                    if !head.is_empty() {
                        logs = head.trim_ascii().to_vec();
                    }
                } else if text.starts_with(b"}") {
                    logs.clear();
                } else if text.starts_with(b"/") || text.starts_with(b"\"/") {
                    logs = text.to_vec();
                }
                None
            }
        };
        let Some((kind, command)) = found else { continue };
        let trigger = [kind, b" ", &logs].concat();
        if !reading.push(entry(path, line.number, Mechanism::LogRotation, trigger.trim_ascii(), command, line.text)) {
            break;
        }
    }
    reading.finish()
}

/// Reads the commands of `interfaces(5)`.
pub fn parse_interfaces(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<StartupCommand>> {
    const HOOKS: [&[u8]; 6] = [b"pre-up", b"up", b"post-up", b"pre-down", b"down", b"post-down"];
    let mut reading = Reading::new(path, limits);
    let mut interface: Vec<u8> = Vec::new();
    for (line, whole) in joined(bytes, &mut reading) {
        let Some((first, rest)) = word(whole.trim_ascii()) else { continue };
        if first == b"iface" || first == b"mapping" {
            interface = word(rest).map(|(name, _)| name.to_vec()).unwrap_or_default();
        }
        let is_script = first == b"script" || first == b"wireless-bridge";
        if HOOKS.contains(&first) || is_script {
            let trigger = [first, b" ", &interface].concat();
            if !reading.push(entry(path, line, Mechanism::Network, &trigger, rest, &whole)) {
                break;
            }
        }
    }
    reading.finish()
}

/// Reads `Exec=` of a desktop entry that is started with the desktop. One that is hidden is told too; a word of the record says so.
pub fn parse_autostart(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<StartupCommand>> {
    let is_hidden = lines(bytes).any(|line| {
        split_once(line.text, b"=").is_some_and(|(key, value)| {
            matches!(key.trim_ascii(), b"Hidden" | b"X-GNOME-Autostart-enabled")
                && (value.trim_ascii() == b"true") == (key.trim_ascii() == b"Hidden")
        })
    });
    let mut is_entry = false;
    each_line(path, bytes, limits, |line| {
        let text = line.text.trim_ascii();
        if text.starts_with(b"[") {
            is_entry = text == b"[Desktop Entry]";
        }
        let Some((key, value)) = split_once(text, b"=").filter(|_| is_entry) else { return Ok(None) };
        if key.trim_ascii() != b"Exec" {
            return Ok(None);
        }
        let trigger: &[u8] = if is_hidden { b"login, switched off" } else { b"login" };
        Ok(Some(entry(path, line.number, Mechanism::Autostart, trigger, value.trim_ascii(), line.text)))
    })
}

/// Reads `ld.so.preload`: libraries, apart by blanks or colons (`ld.so(8)`).
pub fn parse_preload(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<StartupCommand>> {
    let mut reading = Reading::new(path, limits);
    'file: for line in lines(bytes) {
        if !reading.fits(&line) {
            continue;
        }
        let text = line.text.split(|&b| b == b'#').next().unwrap_or_default();
        for library in text.split(|b| b.is_ascii_whitespace() || *b == b':').filter(|library| !library.is_empty()) {
            if !reading.push(entry(path, line.number, Mechanism::Preload, b"", library, line.text)) {
                break 'file;
            }
        }
    }
    reading.finish()
}

/// Reads `udev(7)` rules: what `RUN`, `PROGRAM` and `IMPORT{program}` start. The conditions of the rule are the trigger.
pub fn parse_udev(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<StartupCommand>> {
    let mut reading = Reading::new(path, limits);
    for (line, whole) in joined(bytes, &mut reading) {
        let text = whole.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        let pairs = udev_pairs(text);
        let conditions: Vec<Vec<u8>> = pairs
            .iter()
            .filter(|pair| pair.operator == b"==" || pair.operator == b"!=")
            .map(|pair| [pair.key, pair.operator, b"\"", pair.value, b"\""].concat())
            .collect();
        let conditions = conditions.join(&b' ');
        for pair in pairs {
            let is_run = pair.key == b"RUN" || pair.key == b"RUN{program}";
            if !(is_run || pair.key == b"PROGRAM" || pair.key == b"IMPORT{program}") {
                continue;
            }
            if !reading.push(entry(path, line, Mechanism::Udev, &conditions, pair.value, text)) {
                return reading.finish();
            }
        }
    }
    reading.finish()
}

struct UdevPair<'a> {
    key: &'a [u8],
    operator: &'a [u8],
    value: &'a [u8],
}

/// `KEY=="value", KEY+="value"`; what does not look like that is passed over up to the next comma.
fn udev_pairs(text: &[u8]) -> Vec<UdevPair<'_>> {
    let mut pairs = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.iter().position(|b| b"=!+-:".contains(b)) {
        let Some((key, tail)) = rest.split_at_checked(at) else { break };
        let length = tail.iter().take(2).take_while(|b| b"=!+-:".contains(b)).count();
        let Some((operator, tail)) = tail.split_at_checked(length) else { break };
        let tail = tail.trim_ascii_start();
        // `e"…"` has C escapes.
        let tail = tail.strip_prefix(b"e\"").map_or(tail, |_| tail.get(1..).unwrap_or_default());
        let Some(inner) = tail.strip_prefix(b"\"") else {
            rest = tail;
            continue;
        };
        let mut is_escaped = false;
        let end = inner.iter().position(|&byte| {
            let ends = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            ends
        });
        let end = end.unwrap_or(inner.len());
        let key = key.trim_ascii_start().strip_prefix(b",").unwrap_or(key).trim_ascii();
        pairs.push(UdevPair { key, operator, value: inner.get(..end).unwrap_or_default() });
        rest = inner.get(end + 1..).unwrap_or_default();
    }
    pairs
}

/// The words of a polkit rule that matter: `polkit.spawn([...])`.
pub(super) fn spawned(text: &[u8]) -> Option<RawText> {
    let (_, rest) = split_once(text, b"polkit.spawn(")?;
    let list = rest.trim_ascii_start().strip_prefix(b"[").unwrap_or(rest);
    let list = split_once(list, b"]").map_or(list, |(list, _)| list);
    let words: Vec<Vec<u8>> = list.split(|&b| b == b',').map(|part| quoted_words(part).concat()).collect();
    Some(words.join(&b' ').into())
}
