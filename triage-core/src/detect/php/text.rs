//! The literals of PHP: what a quoted text means.

/// A part of a text with variables in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(Vec<u8>),
    /// An expression, as code.
    Code(Vec<u8>),
}

use super::lexer::{is_name_byte, is_name_start};

/// The inside of a quoted token.
pub(super) fn unquoted(token: &[u8]) -> &[u8] {
    let Some((&quote, inner)) = token.split_first() else { return token };
    inner.strip_suffix(&[quote]).unwrap_or(inner)
}

/// The value of `'…'`.
pub(super) fn single(token: &[u8]) -> Vec<u8> {
    let inner = unquoted(token);
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied().peekable();
    while let Some(b) = bytes.next() {
        match (b, bytes.peek()) {
            (b'\\', Some(&next @ (b'\\' | b'\''))) => {
                bytes.next();
                out.push(next);
            }
            _ => out.push(b),
        }
    }
    out
}

/// The body of a heredoc or nowdoc token, without the indentation of its end.
pub(super) fn heredoc_body(token: &[u8]) -> Vec<u8> {
    let from = token.iter().position(|&b| b == b'\n').map_or(token.len(), |at| at + 1);
    let body = token.get(from..).unwrap_or_default();
    let cut = body.iter().rposition(|&b| b == b'\n');
    let last = body.get(cut.map_or(0, |at| at + 1)..).unwrap_or_default();
    let indent = last.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let body = body.get(..cut.unwrap_or(0)).unwrap_or_default();
    let body = body.strip_suffix(b"\r").unwrap_or(body);
    if indent == 0 {
        return body.to_vec();
    }
    let mut out = Vec::with_capacity(body.len());
    for (number, line) in body.split(|&b| b == b'\n').enumerate() {
        if number > 0 {
            out.push(b'\n');
        }
        let blanks = line.iter().take(indent).take_while(|b| matches!(b, b' ' | b'\t')).count();
        out.extend_from_slice(line.get(blanks..).unwrap_or_default());
    }
    out
}

/// The value of an integer literal; the largest where it does not fit.
pub(super) fn integer(token: &[u8]) -> i64 {
    let text: String = token.iter().filter(|b| **b != b'_').map(|&b| char::from(b).to_ascii_lowercase()).collect();
    let parsed = if let Some(digits) = text.strip_prefix("0x") {
        i64::from_str_radix(digits, 16)
    } else if let Some(digits) = text.strip_prefix("0b") {
        i64::from_str_radix(digits, 2)
    } else if let Some(digits) = text.strip_prefix("0o") {
        i64::from_str_radix(digits, 8)
    } else if text.len() > 1 && text.starts_with('0') {
        i64::from_str_radix(&text, 8)
    } else {
        text.parse()
    };
    parsed.unwrap_or(i64::MAX)
}

/// Takes a double-quoted text apart. The second value says whether letters or digits were written as escapes.
pub(super) fn pieces(inner: &[u8], quote: u8) -> (Vec<Piece>, bool) {
    let mut out = Vec::new();
    let mut text = Vec::new();
    let mut escapes = 0_u32;
    let mut at = 0;
    while let Some(&b) = inner.get(at) {
        let next = inner.get(at + 1).copied().unwrap_or(0);
        let code = match b {
            b'\\' => {
                let (width, is_hidden) = escape(inner.get(at..).unwrap_or_default(), quote, &mut text);
                escapes += u32::from(is_hidden);
                at += width;
                continue;
            }
            b'$' if is_name_start(next) => simple(inner, at),
            b'$' if next == b'{' => braced(inner, at + 1).map(|(code, end)| {
                let is_name = code.first().is_some_and(|&b| is_name_start(b))
                    && code.iter().all(|&b| is_name_byte(b) || matches!(b, b'[' | b']' | b'\'' | b'"'));
                let code = if is_name { [b"$", code].concat() } else { [b"${", code, b"}"].concat() };
                (code, end)
            }),
            b'{' if next == b'$' => braced(inner, at).map(|(code, end)| (code.to_vec(), end)),
            _ => None,
        };
        let Some((code, end)) = code else {
            text.push(b);
            at += 1;
            continue;
        };
        if !text.is_empty() {
            out.push(Piece::Text(std::mem::take(&mut text)));
        }
        out.push(Piece::Code(code));
        at = end;
    }
    if !text.is_empty() {
        out.push(Piece::Text(text));
    }
    (out, escapes >= 2)
}

/// `$name`, `$name[key]` or `$name->name` at `at`.
fn simple(inner: &[u8], at: usize) -> Option<(Vec<u8>, usize)> {
    let rest = inner.get(at + 1..)?;
    let width = rest.iter().take_while(|&&b| is_name_byte(b)).count();
    let mut end = at + 1 + width;
    let mut code = inner.get(at..end)?.to_vec();
    let tail = inner.get(end..)?;
    if tail.first() == Some(&b'[') {
        if let Some(close) = tail.iter().take(256).position(|&b| b == b']') {
            let key = tail.get(1..close)?;
            let is_bare = key.first().is_some_and(|&b| is_name_start(b));
            code.push(b'[');
            if is_bare {
                code.push(b'\'');
            }
            code.extend_from_slice(key);
            if is_bare {
                code.push(b'\'');
            }
            code.push(b']');
            end += close + 1;
        }
    } else if tail.starts_with(b"->") && tail.get(2).is_some_and(|&b| is_name_start(b)) {
        let name = tail.get(2..)?.iter().take_while(|&&b| is_name_byte(b)).count();
        code.extend_from_slice(tail.get(..2 + name)?);
        end += 2 + name;
    }
    Some((code, end))
}

/// What stands between the brace at `open` and its fellow, and where it ends.
fn braced(inner: &[u8], open: usize) -> Option<(&[u8], usize)> {
    let mut depth = 0_u32;
    for (offset, &b) in inner.get(open..)?.iter().take(4096).enumerate() {
        match b {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return Some((inner.get(open + 1..open + offset)?, open + offset + 1));
        }
    }
    None
}

/// Appends what an escape means; gives its width, and whether it hides a letter or digit.
fn escape(rest: &[u8], quote: u8, out: &mut Vec<u8>) -> (usize, bool) {
    let next = rest.get(1).copied().unwrap_or(0);
    let plain = match next {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'v' => 0x0b,
        b'e' => 0x1b,
        b'f' => 0x0c,
        b'\\' | b'$' => next,
        q if q == quote && q != 0 => q,
        b'x' => {
            let digits = rest.iter().skip(2).take(2).take_while(|b| b.is_ascii_hexdigit()).count();
            let value = number(rest.get(2..2 + digits), 16);
            return push(value, digits, 2, out);
        }
        b'0'..=b'7' => {
            let digits = rest.iter().skip(1).take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
            let value = number(rest.get(1..1 + digits), 8);
            return push(value, digits, 1, out);
        }
        b'u' if rest.get(2) == Some(&b'{') => {
            let digits = rest.iter().skip(3).take(6).take_while(|b| b.is_ascii_hexdigit()).count();
            if let Some(c) = number(rest.get(3..3 + digits), 16).and_then(char::from_u32) {
                let mut buffer = [0; 4];
                out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
                return (4 + digits, c.is_ascii_alphanumeric());
            }
            out.push(b'\\');
            return (1, false);
        }
        _ => {
            out.push(b'\\');
            return (1, false);
        }
    };
    out.push(plain);
    (2, false)
}

fn number(digits: Option<&[u8]>, radix: u32) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits?).ok()?, radix).ok()
}

#[allow(clippy::cast_possible_truncation)]
fn push(value: Option<u32>, digits: usize, lead: usize, out: &mut Vec<u8>) -> (usize, bool) {
    let Some(value) = value else {
        out.push(b'\\');
        return (1, false);
    };
    // PHP, too, keeps the low eight bits of `\777`.
    out.push(value as u8);
    (lead + digits, (value as u8).is_ascii_alphanumeric())
}
