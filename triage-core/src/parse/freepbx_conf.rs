//! `/etc/freepbx.conf`: PHP that `FreePBX`'s programs include, and that holds the database's credentials.
//!
//! A genuine one is a list of assignments to `$amp_conf` and one `require_once` of the bootstrap file. Everything else runs
//! with each `FreePBX` program and is told with its line. The scanner knows just enough PHP to find the ends of statements; nothing
//! is ever executed.

use super::line::find;
use super::{Limits, Secret};
use crate::model::{EvidencePath, Gap, GapReason, Outcome, RawText};
use serde::Serialize;

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FreepbxConf {
    /// The assignments to `$amp_conf`, in order.
    pub settings: Vec<Setting>,
    /// The bootstrap file that is included.
    pub bootstrap: Option<RawText>,
    /// Everything that does not belong there.
    pub extra: Vec<Extra>,
}

/// `$amp_conf['name'] = 'value';`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Line on which it begins, from 1.
    pub line: u64,
    /// Its name.
    pub name: RawText,
    /// Its value; any of them may be a credential.
    pub value: Secret,
}

/// A statement, or text outside PHP, that no genuine file has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Extra {
    /// Line on which it begins, from 1.
    pub line: u64,
    /// Its first 200 bytes; of a statement that names a password, what stands before the `=`.
    pub text: RawText,
}

/// Reads the file.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<FreepbxConf> {
    let mut conf = FreepbxConf::default();
    let mut gaps = Vec::new();
    let (mut line, mut counted) = (1, 0);
    for (count, (at, part)) in parts(bytes).into_iter().enumerate() {
        if count >= limits.max_records {
            gaps.push(Gap::new(path.clone(), GapReason::LimitReached, format!("more than {count} statements")));
            break;
        }
        line += bytes.get(counted..at).unwrap_or_default().split(|&b| b == b'\n').skip(1).count() as u64;
        counted = at;
        match part {
            Part::Statement(text) => match (assignment(text), bootstrap(text)) {
                (Some((name, value)), _) => {
                    conf.settings.push(Setting { line, name: name.into(), value: value.as_slice().into() });
                }
                (None, Some(file)) if conf.bootstrap.is_none() => conf.bootstrap = Some(file.into()),
                _ => conf.extra.push(extra(line, text)),
            },
            Part::Outside(text) => conf.extra.push(extra(line, text)),
        }
    }
    Outcome { value: conf, gaps }
}

fn extra(line: u64, text: &[u8]) -> Extra {
    let names_password = find(text, b"PASS").is_some();
    let end = text.iter().position(|&b| b == b'=').filter(|_| names_password).map_or(200, |at| at.min(200));
    Extra { line, text: text.get(..end).unwrap_or(text).into() }
}

enum Part<'a> {
    Statement(&'a [u8]),
    Outside(&'a [u8]),
}

/// Splits the file into statements and text outside PHP, with the offset of each. Comments and blanks belong to none.
fn parts(bytes: &[u8]) -> Vec<(usize, Part<'_>)> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let open = find(rest, b"<?").unwrap_or(rest.len());
        let outside = rest.get(..open).unwrap_or_default();
        if !outside.trim_ascii().is_empty() {
            let blanks = outside.len() - outside.trim_ascii_start().len();
            parts.push((at + blanks, Part::Outside(outside.trim_ascii())));
        }
        at += open;
        let rest = bytes.get(at..).unwrap_or_default();
        at += [&b"<?php"[..], b"<?="].iter().find(|tag| rest.starts_with(tag)).map_or(2, |tag| tag.len());
        at = statements(bytes, at, &mut parts);
    }
    parts
}

/// Reads PHP from `at` to the closing tag or the end; gives where the next text begins.
fn statements<'a>(bytes: &'a [u8], mut at: usize, parts: &mut Vec<(usize, Part<'a>)>) -> usize {
    let mut start = None;
    let mut depth = 0_usize;
    while let Some(&byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let skip_to = |end: &[u8], from: usize| {
            let inner = rest.get(from..).unwrap_or_default();
            find(inner, end).map_or(bytes.len(), |found| at + from + found + end.len())
        };
        if rest.starts_with(b"?>") {
            finish(bytes, &mut start, at, parts);
            return at + 2;
        }
        at = match byte {
            _ if rest.starts_with(b"/*") => skip_to(b"*/", 2),
            // A closing tag ends a line comment too.
            b'#' if !rest.starts_with(b"#[") => line_end(bytes, at),
            b'/' if rest.starts_with(b"//") => line_end(bytes, at),
            b'\'' | b'"' | b'`' => {
                start.get_or_insert(at);
                string_end(bytes, at)
            }
            b'{' | b'}' => {
                start.get_or_insert(at);
                depth = if byte == b'{' { depth + 1 } else { depth.saturating_sub(1) };
                if depth == 0 {
                    finish(bytes, &mut start, at + 1, parts);
                }
                at + 1
            }
            b';' => {
                if depth == 0 {
                    finish(bytes, &mut start, at, parts);
                }
                at + 1
            }
            byte => {
                if !byte.is_ascii_whitespace() {
                    start.get_or_insert(at);
                }
                at + 1
            }
        };
    }
    finish(bytes, &mut start, bytes.len(), parts);
    bytes.len()
}

fn finish<'a>(bytes: &'a [u8], start: &mut Option<usize>, end: usize, parts: &mut Vec<(usize, Part<'a>)>) {
    if let Some(from) = start.take() {
        let text = bytes.get(from..end).unwrap_or_default().trim_ascii();
        if !text.is_empty() {
            parts.push((from, Part::Statement(text)));
        }
    }
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let newline = rest.iter().position(|&b| b == b'\n' || b == b'\r').unwrap_or(rest.len());
    let tag = find(rest.get(..newline).unwrap_or_default(), b"?>");
    at + tag.unwrap_or(newline)
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let quote = bytes.get(start);
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            byte if Some(byte) == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn assignment(text: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    let rest = text.strip_prefix(b"$amp_conf")?.trim_ascii_start().strip_prefix(b"[")?.trim_ascii_start();
    let end = string_end(rest, 0);
    let name = plain_string(rest.get(..end)?)?;
    let rest = rest.get(end..)?.trim_ascii_start().strip_prefix(b"]")?.trim_ascii_start();
    let value = rest.strip_prefix(b"=")?.trim_ascii();
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let is_constant = [&b"true"[..], b"false", b"null"].iter().any(|word| value.eq_ignore_ascii_case(word));
    let value = if is_number || is_constant { value } else { plain_string(value)? };
    Some((name, unescape(value)))
}

/// The inside of a string without variables; none for anything that PHP would have to evaluate.
fn plain_string(text: &[u8]) -> Option<&[u8]> {
    let quote = text.first().filter(|b| matches!(b, b'\'' | b'"'))?;
    let inner = text.get(1..text.len().checked_sub(1)?)?;
    let is_whole = string_end(text, 0) == text.len() && text.len() > 1 && text.last() == Some(quote);
    // A dollar sign before anything but a name or a brace is one.
    let is_variable = |pair: &[u8]| matches!(pair, [b'$', next] if next.is_ascii_alphabetic() || b"_{".contains(next));
    let is_evaluated = *quote == b'"' && inner.windows(2).any(|pair| is_variable(pair) || pair == b"{$");
    (is_whole && !is_evaluated).then_some(inner)
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().peekable();
    while let Some(&byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'\\', Some(&&next @ (b'\\' | b'\'' | b'"'))) => {
                out.push(next);
                bytes.next();
            }
            _ => out.push(byte),
        }
    }
    out
}

fn bootstrap(text: &[u8]) -> Option<&[u8]> {
    let words: [&[u8]; 4] = [b"require_once", b"include_once", b"require", b"include"];
    let rest = words.iter().find_map(|word| text.strip_prefix(*word))?.trim_ascii();
    let rest = rest.strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")")).unwrap_or(rest).trim_ascii();
    let file = plain_string(rest)?;
    (file.starts_with(b"/") && file.ends_with(b"/admin/bootstrap.php") && !file.windows(3).any(|w| w == b"/.."))
        .then_some(file)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn extras(text: &str) -> Vec<(u64, String)> {
        let path = EvidencePath::new("/etc/freepbx.conf").unwrap();
        let conf = parse(&path, text.as_bytes(), &Limits::default()).value;
        conf.extra.into_iter().map(|extra| (extra.line, extra.text.to_string())).collect()
    }

    #[test]
    fn code_hidden_in_a_value_is_not_taken_for_a_setting() {
        for value in ["`id`", "\"x$y\"", "'a'.system('id')", "system('id')", "'a' ?: 'b'"] {
            let text = format!("<?php\n$amp_conf['A'] = {value};\n");
            assert_eq!(extras(&text), [(2, format!("$amp_conf['A'] = {value}"))], "{value}");
        }
    }

    #[test]
    fn comment_that_ends_with_the_closing_tag_does_not_hide_what_follows() {
        assert_eq!(extras("<?php // fine ?>\n<?php system('id');"), [(2, "system('id')".into())]);
        assert_eq!(extras("<?php # x\reval($x);"), [(1, "eval($x)".into())]);
    }

    #[test]
    fn a_password_never_shows_in_debug_or_json() {
        let path = EvidencePath::new("/etc/freepbx.conf").unwrap();
        let conf = parse(&path, b"<?php $amp_conf['AMPDBPASS'] = 'hunter2';", &Limits::default()).value;
        assert_eq!(conf.settings[0].value.expose(), b"hunter2");
        assert!(!format!("{conf:?}{}", serde_json::to_string(&conf).unwrap()).contains("hunter2"));
    }
}
