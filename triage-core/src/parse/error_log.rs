//! Error logs: Apache 2.4 and 2.2 (`core`, `ErrorLogFormat`), nginx, PHP's own, and what PHP and `ModSecurity` write into those of a server.
//!
//! What programs of a request write to their standard error stands there without a time: a line of its own that none of these wrote.

use super::line::{find, split_once};
use super::log_time::{self, LogTime};

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorLine<'a> {
    /// When; none for a line without a time, which a program wrote itself.
    pub time: Option<LogTime>,
    /// `error`, `php:warn`; empty where there is none.
    pub level: &'a [u8],
    /// Who asked, without the port.
    pub client: Option<&'a [u8]>,
    /// The message, without what stands before it in brackets.
    pub message: &'a [u8],
}

impl<'a> ErrorLine<'a> {
    /// Reads one line, without its line end. Every line is one.
    pub fn parse(line: &'a [u8]) -> Self {
        let Some(time) = log_time::leading(line) else {
            return Self { time: None, level: b"", client: None, message: line };
        };
        if line.starts_with(b"[") { Self::bracketed(time, line) } else { Self::nginx(time, line) }
    }

    fn bracketed(time: LogTime, line: &'a [u8]) -> Self {
        let (mut level, mut client) = (&b""[..], None);
        let mut message = split_once(line, b"]").map_or(&b""[..], |(_, rest)| rest.trim_ascii_start());
        while let Some((inner, rest)) = message.strip_prefix(b"[").and_then(|text| split_once(text, b"]")) {
            if let Some(address) = inner.strip_prefix(b"client ") {
                client = Some(without_port(address));
            } else if level.is_empty() && !inner.starts_with(b"pid ") && is_word(inner) {
                level = inner;
            } else if !inner.starts_with(b"pid ") && !inner.starts_with(b"tid ") {
                // ModSecurity's own fields are its message.
                break;
            }
            message = rest.trim_ascii_start();
        }
        Self { time: Some(time), level, client, message }
    }

    /// `2026/01/02 03:04:05 [error] 12#12: *1 message, client: 192.0.2.7, server: …`
    fn nginx(time: LogTime, line: &'a [u8]) -> Self {
        let (level, message) = split_once(line, b" [")
            .and_then(|(_, rest)| split_once(rest, b"] "))
            .unwrap_or((b"", line.get(20..).unwrap_or_default()));
        let client = find(message, b", client: ").and_then(|at| message.get(at + 10..)).map(|rest| {
            let end = rest.iter().position(|byte| matches!(byte, b',' | b' ')).unwrap_or(rest.len());
            rest.get(..end).unwrap_or(rest)
        });
        Self { time: Some(time), level, client, message }
    }
}

fn is_word(text: &[u8]) -> bool {
    !text.is_empty()
        && text.len() <= 32
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b":_-".contains(byte))
}

/// `192.0.2.7:1234`, `[2001:db8::7]:1234` and `2001:db8::7` without the port.
pub fn without_port(address: &[u8]) -> &[u8] {
    let colons = memchr::memchr_iter(b':', address).count();
    match address.iter().rposition(|byte| *byte == b':') {
        // Apache writes no brackets: more colons than one are those of an address of version 6, with a port behind them.
        Some(at) if colons == 1 || (colons > 7) => address.get(..at).unwrap_or(address),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (String, Option<String>, String) {
        let line = ErrorLine::parse(line.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(line.level), line.client.map(text), text(line.message))
    }

    #[test]
    fn apache_nginx_and_php_are_read() {
        for (line, level, client, message) in [
            (
                "[Fri Jan 02 03:04:05.123456 2026] [php:error] [pid 12] [client 192.0.2.7:4711] PHP Fatal error:  x in /var/www/html/a.php:3",
                "php:error",
                Some("192.0.2.7"),
                "PHP Fatal error:  x in /var/www/html/a.php:3",
            ),
            (
                "[Fri Jan 02 03:04:05 2026] [error] [client 192.0.2.7] File does not exist: /x",
                "error",
                Some("192.0.2.7"),
                "File does not exist: /x",
            ),
            (
                "[Fri Jan 02 03:04:05.1 2026] [security2:error] [pid 1:tid 2] [client 192.0.2.7:1] ModSecurity: Warning. [file \"/x\"]",
                "security2:error",
                Some("192.0.2.7"),
                "ModSecurity: Warning. [file \"/x\"]",
            ),
            (
                "2026/01/02 03:04:05 [error] 12#12: *1 open() failed, client: 192.0.2.7, server: _",
                "error",
                Some("192.0.2.7"),
                "12#12: *1 open() failed, client: 192.0.2.7, server: _",
            ),
            ("[02-Jan-2026 03:04:05 UTC] PHP Warning:  x", "", None, "PHP Warning:  x"),
            ("sh: 1: wget: not found", "", None, "sh: 1: wget: not found"),
        ] {
            assert_eq!(read(line), (level.to_owned(), client.map(str::to_owned), message.to_owned()), "{line}");
        }
        assert_eq!(ErrorLine::parse(b"--2026-01-02 03:04:05--  http://192.0.2.7/x").time, None);
        assert_eq!(without_port(b"2001:db8::7"), b"2001:db8::7");
    }
}
