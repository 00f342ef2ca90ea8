//! The values of a row.

use super::input::Input;
use super::{Dump, unescape};
use crate::parse::database::LONGEST_VALUE;

/// The most columns that a row can have (MariaDB's limit is 4096).
pub(super) const MAX_COLUMNS: usize = 4096;

/// The most bytes of a row that are kept.
const MAX_ROW: usize = 4 << 20;

/// The deepest brackets in an expression.
const MAX_DEPTH: usize = 64;

/// A row; `values` are empty where they were not wanted.
pub(super) struct Row {
    pub(super) values: Vec<Option<Vec<u8>>>,
    pub(super) was_cut: bool,
}

/// Reads a row behind its opening bracket.
pub(super) fn row(dump: &mut Dump<'_>, is_wanted: bool) -> Result<Row, &'static str> {
    let mut row = Row { values: Vec::new(), was_cut: false };
    let (mut count, mut room) = (0, if is_wanted { MAX_ROW } else { 0 });
    loop {
        dump.blanks(false);
        if count == 0 && dump.mark(b')') {
            return Ok(row);
        }
        let cap = room.min(LONGEST_VALUE);
        let (value, length) = value(dump, cap)?;
        count += 1;
        if count > MAX_COLUMNS {
            return Err("a row with more values than a table can have columns");
        }
        if is_wanted {
            row.was_cut |= length > cap;
            room -= value.as_ref().map_or(0, Vec::len).min(room);
            row.values.push(value);
        }
        if dump.mark(b')') {
            return Ok(row);
        }
        if !dump.mark(b',') {
            return Err("a row that does not go on after a value");
        }
    }
}

/// A value, of which `cap` bytes are kept, and how long it is.
fn value(dump: &mut Dump<'_>, cap: usize) -> Result<(Option<Vec<u8>>, usize), &'static str> {
    let Some(byte) = dump.input.peek() else { return Err("it ends within a row") };
    match byte {
        b'\'' | b'"' => Ok(text(dump, cap)),
        b'0'..=b'9' | b'-' | b'+' | b'.' => {
            let mut out = Vec::new();
            let mut length = 0;
            let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
            while let Some(byte) = dump.input.peek().filter(is_part) {
                dump.input.next();
                length += 1;
                // Twice as many digits as bytes, and two for their mark.
                if out.len() < cap.saturating_mul(2).saturating_add(2) {
                    out.push(byte);
                }
            }
            if length == 0 {
                return Err("a value that is none");
            }
            let out = literal(&out).unwrap_or(out);
            Ok((Some(out), length))
        }
        _ => word(dump, cap),
    }
}

/// NULL, a literal with a word before it (`_binary 'x'`, `x'00'`, `b'1'`, `N'x'`), or an expression.
fn word(dump: &mut Dump<'_>, cap: usize) -> Result<(Option<Vec<u8>>, usize), &'static str> {
    let mut out = Vec::new();
    let (mut length, mut depth) = (0_usize, 0_usize);
    let mut push = |byte: u8, out: &mut Vec<u8>| {
        length += 1;
        if out.len() < cap {
            out.push(byte);
        }
    };
    while let Some(byte) = dump.input.peek() {
        match byte {
            b',' | b')' if depth == 0 => break,
            b'\'' | b'"' => {
                let word = out.trim_ascii().to_ascii_lowercase();
                let kind = word.as_slice();
                if depth == 0 && (kind.starts_with(b"_") || kind == b"n") {
                    return Ok(text(dump, cap));
                }
                if depth == 0 && (kind == b"x" || kind == b"b") {
                    let inner = inner(&mut dump.input, false, cap.saturating_mul(8));
                    let bytes = if kind == b"x" { hexadecimal(&inner) } else { bits(&inner) };
                    let bytes = bytes.ok_or("a literal with wrong digits")?;
                    let all = bytes.len();
                    return Ok((Some(bytes.get(..cap).unwrap_or(&bytes).to_vec()), all));
                }
                let has_backslashes = dump.has_backslashes;
                quoted(&mut dump.input, has_backslashes, &mut |piece| {
                    for &byte in piece {
                        push(byte, &mut out);
                    }
                });
            }
            b'0' if depth == 0 && out.starts_with(b"_") => {
                // `_binary 0x00`
                return value(dump, cap);
            }
            _ => {
                match byte {
                    b'(' => depth += 1,
                    b')' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if depth > MAX_DEPTH {
                    return Err("an expression with too many brackets");
                }
                dump.input.next();
                push(byte, &mut out);
                dump.blanks(false);
            }
        }
        // A statement never ends within a row.
        if depth == 0 && dump.at_delimiter() && !matches!(dump.input.peek(), Some(b',' | b')')) {
            return Err("a statement that ends within a row");
        }
    }
    if length == 0 {
        return Err("a value that is none");
    }
    let is_null = out.trim_ascii().eq_ignore_ascii_case(b"NULL");
    Ok(((!is_null).then_some(out), length))
}

/// A string; pieces that follow one another are one.
fn text(dump: &mut Dump<'_>, cap: usize) -> (Option<Vec<u8>>, usize) {
    let mut out = Vec::new();
    let mut length = 0;
    loop {
        let has_backslashes = dump.has_backslashes;
        length += string(&mut dump.input, has_backslashes, cap, &mut out);
        dump.blanks(false);
        if !matches!(dump.input.peek(), Some(b'\'' | b'"')) {
            return (Some(out), length);
        }
    }
}

/// Reads a string to its end; gives how long it is.
fn string(input: &mut Input<'_>, has_backslashes: bool, cap: usize, out: &mut Vec<u8>) -> usize {
    let quote = input.next().unwrap_or(b'\'');
    let mut length = 0;
    let mut escaped = Vec::new();
    loop {
        input.run(|byte| byte == quote || byte == b'\\' && has_backslashes, &mut |piece| {
            length += piece.len();
            let room = cap.saturating_sub(out.len());
            out.extend_from_slice(piece.get(..room).unwrap_or(piece));
        });
        let Some(byte) = input.peek() else { return length };
        if byte != quote && (byte != b'\\' || !has_backslashes) {
            // The window ended, and not the run.
            continue;
        }
        input.next();
        escaped.clear();
        if byte == quote {
            if input.peek() != Some(quote) {
                return length;
            }
            input.next();
            escaped.push(quote);
        } else if let Some(next) = input.next() {
            unescape(next, &mut escaped);
        }
        length += escaped.len();
        let room = cap.saturating_sub(out.len());
        out.extend_from_slice(escaped.get(..room).unwrap_or(&escaped));
    }
}

/// The inside of a quoted piece.
pub(super) fn inner(input: &mut Input<'_>, has_backslashes: bool, cap: usize) -> Vec<u8> {
    let mut out = Vec::new();
    string(input, has_backslashes, cap, &mut out);
    out
}

/// Gives a quoted piece as it stands there, with its quotes.
pub(super) fn quoted(input: &mut Input<'_>, has_backslashes: bool, out: &mut dyn FnMut(&[u8])) {
    let quote = input.next().unwrap_or(b'\'');
    out(&[quote]);
    loop {
        input.run(|byte| byte == quote || byte == b'\\' && has_backslashes, out);
        let Some(byte) = input.peek() else { return };
        if byte == quote {
            input.next();
            out(&[quote]);
            if input.peek() != Some(quote) {
                return;
            }
            input.next();
            out(&[quote]);
        } else if byte == b'\\' && has_backslashes {
            input.next();
            out(b"\\");
            if let Some(next) = input.next() {
                out(&[next]);
            }
        }
    }
}

/// `0x6869` and `0b1` are bytes; other numbers stay as they are written.
fn literal(text: &[u8]) -> Option<Vec<u8>> {
    match text {
        [b'0', b'x', digits @ ..] => hexadecimal(digits),
        [b'0', b'b', digits @ ..] => bits(digits),
        _ => None,
    }
}

fn hexadecimal(digits: &[u8]) -> Option<Vec<u8>> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (first, rest) = if digits.len() % 2 == 1 { digits.split_at_checked(1)? } else { (&b""[..], digits) };
    let mut out = Vec::with_capacity(digits.len() / 2 + 1);
    for &digit in first {
        out.push(value(digit)?);
    }
    for pair in rest.chunks_exact(2) {
        let &[high, low] = pair else { return None };
        out.push(value(high)? << 4 | value(low)?);
    }
    Some(out)
}

fn bits(digits: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(digits.len() / 8 + 1);
    for group in digits.rchunks(8).rev() {
        let mut byte = 0;
        for &digit in group {
            byte = byte << 1 | matches!(digit, b'1').then_some(1).or((digit == b'0').then_some(0))?;
        }
        out.push(byte);
    }
    Some(out)
}
