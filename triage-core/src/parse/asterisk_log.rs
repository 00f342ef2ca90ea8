//! The logs of Asterisk (`main/logger.c`, `res/res_security_log.c`, `apps/app_queue.c`) and of `FreePBX`.
//!
//! A message can hold what a caller or an intruder sent, so fields are taken from the fixed beginning of a line, and the values of a
//! security event from their quotation marks.

use super::line::{find, split_once};
use super::log_time::{self, LogTime};

/// One line of `full`, `messages`, `security` or of `FreePBX`'s logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsteriskLine<'a> {
    /// When, on the host's clock.
    pub time: Option<LogTime>,
    /// `VERBOSE`, `SECURITY`, `freepbx.INFO`.
    pub level: &'a [u8],
    /// The file of the source that logged it; empty where the line names none.
    pub source: &'a [u8],
    /// What it says.
    pub message: &'a [u8],
}

impl<'a> AsteriskLine<'a> {
    /// Reads one line, without its line end; none where it has no time, which the later lines of one message have not.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let time = log_time::leading(line)?;
        let (_, rest) = split_once(line, b"]")?;
        let rest = rest.trim_ascii_start();
        if let Some((level, message)) = rest.strip_prefix(b"[").and_then(|text| split_once(text, b"]")) {
            // `[2026-Jan-02 03:04:05] [freepbx.INFO]: message`.
            let message = message.strip_prefix(b":").unwrap_or(message).trim_ascii_start();
            return Some(Self { time: Some(time), level, source: b"", message });
        }
        // `[2026-01-02 03:04:05] VERBOSE[12][C-00000001] pbx.c: message`
        let end = rest.iter().position(|byte| matches!(byte, b'[' | b':' | b' ')).unwrap_or(rest.len());
        let (level, after) = rest.split_at_checked(end)?;
        let mut after = after;
        while let Some((_, tail)) = after.strip_prefix(b"[").and_then(|text| split_once(text, b"]")) {
            after = tail;
        }
        let message = after.strip_prefix(b":").unwrap_or(after).trim_ascii_start();
        let (source, message) = match split_once(message, b": ") {
            Some((source, message)) if source.ends_with(b".c") && !source.contains(&b' ') => (source, message),
            _ => (&b""[..], message),
        };
        Some(Self { time: Some(time), level, source, message })
    }

    /// The security event that it tells of, if it does.
    pub fn security(&self) -> Option<SecurityEvent<'a>> {
        SecurityEvent::parse(self.message)
    }
}

/// What Asterisk tells of a login over SIP, its manager or its web interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityEvent<'a> {
    /// `SuccessfulAuth`, `InvalidPassword`, `ChallengeResponseFailed`, `InvalidAccountID`, …
    pub event: &'a [u8],
    /// `PJSIP`, `SIP`, `AMI`.
    pub service: &'a [u8],
    /// The account.
    pub account: &'a [u8],
    /// Where from: the address alone.
    pub address: &'a [u8],
}

impl<'a> SecurityEvent<'a> {
    fn parse(message: &'a [u8]) -> Option<Self> {
        let event = value(message, b"SecurityEvent=\"")?;
        let remote = value(message, b"RemoteAddress=\"").unwrap_or_default();
        // `IPV4/UDP/192.0.2.7/5060`
        let address = remote.split(|byte| *byte == b'/').nth(2).unwrap_or(remote);
        Some(Self {
            event,
            service: value(message, b"Service=\"").unwrap_or_default(),
            account: value(message, b"AccountID=\"").unwrap_or_default(),
            address,
        })
    }

    /// Says whether somebody was not let in.
    pub fn is_failure(&self) -> bool {
        matches!(
            self.event,
            b"InvalidPassword" | b"ChallengeResponseFailed" | b"InvalidAccountID" | b"FailedACL" | b"InvalidTransport"
        )
    }
}

fn value<'a>(message: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = find(message, name)?;
    let rest = message.get(at + name.len()..)?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    rest.get(..end)
}

/// The address in `Authentication failure for X from 192.0.2.7` of `freepbx_security.log`, and for whom.
pub fn freepbx_failure(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = find(message, b"Authentication failure for ")?;
    freepbx_login(message.get(at + 27..)?)
}

/// The same of `Authentication successful for X from 192.0.2.7`, which the portal (UCP) writes. The words begin the message: within one they may be a name
/// that somebody typed.
pub fn freepbx_success(message: &[u8]) -> Option<(&[u8], &[u8])> {
    freepbx_login(message.strip_prefix(b"Authentication successful for ")?)
}

fn freepbx_login(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    // A name is the client's choice, and the address comes last.
    let (user, address) = super::line::rsplit_once(rest, b" from ")?;
    let address = address.trim_ascii();
    let end = address
        .iter()
        .position(|byte| !(byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':')))
        .unwrap_or(address.len());
    Some((user, address.get(..end).unwrap_or(address)))
}

/// One line of `queue_log`: seconds since 1970, the call, the queue, the agent, the event, and what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLine<'a> {
    /// Seconds since 1970.
    pub seconds: i64,
    /// The call's channel.
    pub call: &'a [u8],
    /// The queue.
    pub queue: &'a [u8],
    /// The agent.
    pub agent: &'a [u8],
    /// `CONNECT`, `ENTERQUEUE`, …
    pub event: &'a [u8],
    /// The rest, as it stands.
    pub data: &'a [u8],
}

impl<'a> QueueLine<'a> {
    /// Reads one line; none where it is none.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.splitn(6, |byte| *byte == b'|');
        let mut next = || fields.next();
        let seconds = std::str::from_utf8(next()?).ok()?.parse().ok()?;
        Some(Self {
            seconds,
            call: next()?,
            queue: next()?,
            agent: next()?,
            event: next()?,
            data: next().unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_asterisk_and_freepbx_are_read() {
        for (line, level, source, message) in [
            (
                &b"[2026-01-02 03:04:05] VERBOSE[12][C-00000001] pbx.c: Executing [s@macro-x:1] System(\"PJSIP/1-1\", \"true\") in new stack"[..],
                &b"VERBOSE"[..],
                &b"pbx.c"[..],
                &b"Executing [s@macro-x:1] System(\"PJSIP/1-1\", \"true\") in new stack"[..],
            ),
            (b"[Jan  2 03:04:05] NOTICE[12]: chan_sip.c: Registration from 'x' failed", b"NOTICE", b"chan_sip.c", b"Registration from 'x' failed"),
            (b"[2026-Jan-02 03:04:05] [freepbx.INFO]: reloaded", b"freepbx.INFO", b"", b"reloaded"),
        ] {
            let read = AsteriskLine::parse(line).unwrap();
            assert_eq!((read.level, read.source, read.message), (level, source, message));
        }
        assert_eq!(AsteriskLine::parse(b"   -- a later line of a message"), None);
    }

    #[test]
    fn a_security_event_tells_who_and_from_where() {
        let line = b"[2026-01-02 03:04:05] SECURITY[12] res_security_log.c: SecurityEvent=\"InvalidPassword\",EventTV=\"x\",Severity=\"Error\",\
                     Service=\"PJSIP\",EventVersion=\"2\",AccountID=\"101\",SessionID=\"1\",LocalAddress=\"IPV4/UDP/192.0.2.1/5060\",\
                     RemoteAddress=\"IPV4/UDP/198.51.100.7/5060\"";
        let event = AsteriskLine::parse(line).unwrap().security().unwrap();
        assert_eq!((event.account, event.address, event.service), (&b"101"[..], &b"198.51.100.7"[..], &b"PJSIP"[..]));
        assert!(event.is_failure());
    }

    #[test]
    fn a_name_with_from_in_it_forges_no_address() {
        let message = b"Authentication failure for x from 192.0.2.1 from 198.51.100.7";
        assert_eq!(freepbx_failure(message), Some((&b"x from 192.0.2.1"[..], &b"198.51.100.7"[..])));
    }

    #[test]
    fn queues_are_read() {
        let line = QueueLine::parse(b"1767323045|1767323040.1|400|PJSIP/101|CONNECT|5|1767323041.2|4").unwrap();
        assert_eq!((line.seconds, line.event, line.data), (1_767_323_045, &b"CONNECT"[..], &b"5|1767323041.2|4"[..]));
        assert_eq!(QueueLine::parse(b"x|y"), None);
    }
}
