//! Access logs: the common and the combined format of Apache (`mod_log_config`, "Access Log Files") and nginx
//! (`ngx_http_log_module`), with or without the name of the virtual host in front and times of the answer behind.
//!
//! A line is cut into fields and not copied. What a client sends stands in it, so each field is read from a side that the client cannot
//! move: the request begins behind the server's own time and ends at a quotation mark that a status follows.

use super::log_time::{self, LogTime};
use memchr::{memchr, memrchr};

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessLine<'a> {
    /// The virtual host, with its port, where it stands in front.
    pub vhost: Option<&'a [u8]>,
    /// Who asked: an address, or a name where the server looks it up.
    pub client: &'a [u8],
    /// The user of HTTP's own authentication, as the client stated it.
    pub user: Option<&'a [u8]>,
    /// When, with the server's zone.
    pub time: LogTime,
    /// The same as it is written.
    pub time_raw: &'a [u8],
    /// The method; empty where the request is none of HTTP.
    pub method: &'a [u8],
    /// What was asked for, as logged: escaped by the client and by the server.
    pub target: &'a [u8],
    /// `HTTP/1.1`; empty for HTTP/0.9 and garbage.
    pub protocol: &'a [u8],
    /// The status; 0 where there is none.
    pub status: u16,
    /// The status as it is written.
    pub status_raw: &'a [u8],
    /// Bytes of the answer; none for `-`.
    pub bytes: Option<u64>,
    /// The referring page, as logged.
    pub referer: Option<&'a [u8]>,
    /// The program that asked, as logged.
    pub agent: Option<&'a [u8]>,
}

impl<'a> AccessLine<'a> {
    /// Reads one line, without its line end; none where it is not of these formats.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let (head, time_raw, rest) = split_time(line)?;
        let time = log_time::common(time_raw)?;
        let (vhost, client, user) = names(head)?;
        let (request, rest) = request(rest)?;
        let (method, target, protocol) = parts(request);
        let status_raw = rest.get(1..4)?;
        let status = if status_raw.iter().all(u8::is_ascii_digit) {
            status_raw.iter().fold(0, |sum, byte| sum * 10 + u16::from(byte - b'0'))
        } else {
            0
        };
        let rest = rest.get(4..).unwrap_or_default();
        let (bytes, rest) = size(rest.strip_prefix(b" ").unwrap_or(rest));
        let (referer, rest) = quoted(rest).map_or((None, rest), |(text, rest)| (Some(text), rest));
        let agent = quoted(rest).map(|(text, _)| text);
        let present = |text: &&[u8]| !matches!(*text, b"-" | b"");
        Some(Self {
            vhost,
            client,
            user,
            time,
            time_raw,
            method,
            target,
            protocol,
            status,
            status_raw,
            bytes,
            referer: referer.filter(present),
            agent: agent.filter(present),
        })
    }

    /// The path and the query that were asked for, without scheme and host where a client named them too.
    pub fn stem_and_query(&self) -> (&'a [u8], Option<&'a [u8]>) {
        let mut target = self.target;
        let has_scheme = target.get(..8).is_some_and(|head| {
            head.to_ascii_lowercase().starts_with(b"http://") || head.eq_ignore_ascii_case(b"https://")
        });
        if has_scheme {
            let host = memchr(b':', target).and_then(|at| target.get(at + 3..)).unwrap_or_default();
            target = memchr(b'/', host).and_then(|at| host.get(at..)).unwrap_or(b"/");
        }
        match memchr(b'?', target) {
            Some(at) => (target.get(..at).unwrap_or_default(), target.get(at + 1..)),
            None => (target, None),
        }
    }
}

/// `[dd/Mon/yyyy:hh:mm:ss +zzzz] "`: what stands before it, in it and behind it.
fn split_time(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut from = 0;
    // A user's name is the client's choice and stands before the time, but has no bare quotation mark.
    loop {
        let open = from + memchr(b'[', line.get(from..)?)?;
        let rest = line.get(open + 1..)?;
        if let Some((time, after)) = rest.split_at_checked(26)
            && after.starts_with(b"] \"")
            && time.get(2) == Some(&b'/')
        {
            return Some((line.get(..open)?, time, after.get(3..)?));
        }
        from = open + 1;
    }
}

/// Virtual host, client and user.
type Names<'a> = (Option<&'a [u8]>, &'a [u8], Option<&'a [u8]>);

/// `client ident user`, perhaps with a virtual host in front.
fn names(head: &[u8]) -> Option<Names<'_>> {
    let (first, rest) = cut(head.trim_ascii_end());
    let (second, third) = cut(rest);
    if first.is_empty() {
        return None;
    }
    // The identity is `-` nearly always. Where the second word is none of it, a virtual host comes first.
    let is_host = second != b"-" && !third.is_empty() && (second.contains(&b'.') || second.contains(&b':'));
    let (vhost, client, user) = if is_host { (Some(first), second, cut(third).1) } else { (None, first, third) };
    Some((vhost, client, Some(user).filter(|user| !matches!(*user, b"-" | b"" | b"\"\""))))
}

fn cut(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b' ', text) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
        None => (text, b""),
    }
}

/// The request, up to the quotation mark that a blank and a status follow; and the rest from that blank on.
fn request(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let at = from + memchr(b'"', text.get(from..)?)?;
        let rest = text.get(at + 1..)?;
        let is_status = |text: &[u8]| text.iter().all(u8::is_ascii_digit) || text.starts_with(b"- ");
        if rest.first() == Some(&b' ') && rest.get(1..4).is_some_and(is_status) && !is_escaped(text, at) {
            return Some((text.get(..at)?, rest));
        }
        from = at + 1;
    }
}

/// Says whether an odd number of backslashes stands before the byte.
fn is_escaped(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Method, target and protocol. The target may hold blanks that a client sent raw.
fn parts(request: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let (method, rest) = cut(request);
    let is_method = !method.is_empty()
        && method.len() <= 20
        && method.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-' || *byte == b'_');
    if !is_method || rest.is_empty() {
        return (b"", request, b"");
    }
    match memrchr(b' ', rest) {
        Some(at) if rest.get(at + 1..).is_some_and(|last| last.starts_with(b"HTTP/")) => {
            (method, rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default())
        }
        _ => (method, rest, b""),
    }
}

fn size(text: &[u8]) -> (Option<u64>, &[u8]) {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at_checked(digits).unwrap_or((b"", text));
    let bytes = number.iter().fold(0_u64, |sum, byte| sum.saturating_mul(10).saturating_add(u64::from(byte - b'0')));
    ((digits > 0).then_some(bytes), rest)
}

/// The next text in quotation marks, and what follows it.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let open = memchr(b'"', text)?;
    let inner = text.get(open + 1..)?;
    let mut from = 0;
    loop {
        let at = from + memchr(b'"', inner.get(from..)?)?;
        let rest = inner.get(at + 1..)?;
        if !is_escaped(inner, at) && (rest.is_empty() || matches!(rest.first(), Some(b' ' | b'\r'))) {
            return Some((inner.get(..at)?, rest));
        }
        from = at + 1;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn read(line: &str) -> (String, String, String, u16) {
        let line = AccessLine::parse(line.as_bytes()).unwrap_or_else(|| panic!("{line}"));
        (text(line.client), text(line.method), text(line.target), line.status)
    }

    const TIME: &str = "[23/Nov/2026:08:17:01 +0100]";

    #[test]
    fn common_combined_and_virtual_hosts_are_read() {
        let expected = ("192.0.2.7".to_owned(), "GET".to_owned(), "/a?b=c".to_owned(), 200);
        for line in [
            format!("192.0.2.7 - - {TIME} \"GET /a?b=c HTTP/1.1\" 200 12"),
            format!("192.0.2.7 - - {TIME} \"GET /a?b=c HTTP/1.1\" 200 -"),
            format!("192.0.2.7 - eve {TIME} \"GET /a?b=c HTTP/2.0\" 200 12 \"-\" \"curl/8\""),
            format!("192.0.2.7 - a b {TIME} \"GET /a?b=c HTTP/1.1\" 200 12 \"-\" \"curl/8\" 1234 0/99"),
            format!("pbx.example.org:443 192.0.2.7 - - {TIME} \"GET /a?b=c HTTP/1.1\" 200 12 \"-\" \"x\""),
            format!("192.0.2.7 - \"\" {TIME} \"GET /a?b=c\" 200 12"),
        ] {
            assert_eq!(read(&line), expected, "{line}");
        }
        let line = format!("2001:db8::7 - - {TIME} \"-\" 408 - \"-\" \"-\"");
        assert_eq!(read(&line), ("2001:db8::7".into(), String::new(), "-".into(), 408));
    }

    #[test]
    fn quotes_backslashes_and_garbage_in_a_request_move_no_field() {
        for (request, target) in [
            (r#"GET /a\"b HTTP/1.1"#, r#"/a\"b"#),
            (
                r"GET /ajax.php?module=FreePBX\modules\endpoint\ajax HTTP/1.1",
                r"/ajax.php?module=FreePBX\modules\endpoint\ajax",
            ),
            (r#"GET /raw"quote HTTP/1.1"#, r#"/raw"quote"#),
            ("GET /with blank HTTP/1.1", "/with blank"),
            (r"\x16\x03\x01\x02", r"\x16\x03\x01\x02"),
        ] {
            let line = format!("192.0.2.7 - - {TIME} \"{request}\" 500 12 \"http://x/\\\"y\" \"agent \\\"q\\\" x\"");
            let read = AccessLine::parse(line.as_bytes()).unwrap();
            assert_eq!((text(read.target), read.status), (target.to_owned(), 500), "{line}");
            assert_eq!(text(read.agent.unwrap()), r#"agent \"q\" x"#);
        }
    }

    #[test]
    fn forged_time_in_a_user_name_is_not_believed() {
        let line = format!(
            "192.0.2.7 - x [01/Jan/2020:00:00:00 +0000] \\\"GET /fake HTTP/1.1\\\" 200 {TIME} \"GET /true HTTP/1.1\" 401 1"
        );
        assert_eq!(read(&line).2, "/true");
    }

    #[test]
    fn forged_status_in_an_agent_is_not_believed() {
        let line = format!("192.0.2.7 - - {TIME} \"GET /a HTTP/1.1\" 404 1 \"-\" \"x\\\" 200 1\"");
        assert_eq!(read(&line).3, 404);
    }

    #[test]
    fn a_proxy_request_is_cut_to_its_path() {
        let line = format!("192.0.2.7 - - {TIME} \"GET HTTPS://pbx/admin/ajax.php?a=1?b HTTP/1.1\" 200 1");
        let line = AccessLine::parse(line.as_bytes()).unwrap();
        assert_eq!(line.stem_and_query(), (&b"/admin/ajax.php"[..], Some(&b"a=1?b"[..])));
    }

    #[test]
    fn other_formats_are_refused() {
        for line in ["", "{\"remote_addr\":\"192.0.2.7\"}", "1700000000.1 12 192.0.2.7 TCP_MISS/200 1 GET http://x/"] {
            assert_eq!(AccessLine::parse(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>()) {
            let mut line = format!("192.0.2.7 - - {TIME} \"GET /").into_bytes();
            line.extend(bytes);
            line.extend(b"\" 200 1 \"-\" \"x\"");
            let end = cut.index(line.len());
            let _ = AccessLine::parse(line.get(..end).unwrap_or_default()).map(|line| line.stem_and_query());
            let _ = AccessLine::parse(&line).map(|line| line.stem_and_query());
        }
    }
}
