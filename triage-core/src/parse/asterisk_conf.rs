//! Asterisk's configuration files (`main/config.c` of Asterisk: `config_text_file_load`, `process_text_line`): sections, settings,
//! includes.
//!
//! Nothing is followed: an include is told, and the caller has the files. Values may be secrets (of trunks, telephones, managers), so
//! whoever shows one has to know what it is.

use super::Limits;
use super::line::{Reading, find, lines, name};
use crate::model::{EvidencePath, Outcome, RawText};
use serde::Serialize;

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// `[section](template)`: begins a section; the value is what stands in the brackets behind it.
    Section,
    /// `name = value` or `name => value`.
    Setting,
    /// `#include` or `#tryinclude`: the value is the file.
    Include,
    /// `#exec`: the value is the command whose output is read as configuration, where `execincludes` is on.
    Exec,
}

/// One line that says something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Line in the file, from 1.
    pub line: u64,
    /// What it says.
    pub kind: Kind,
    /// The section it is in; empty before the first.
    pub section: RawText,
    /// The setting's name, as written; the section's for [`Kind::Section`].
    pub name: String,
    /// Its value, without comment and blanks around it.
    pub value: RawText,
}

/// Reads all lines in the order of the file. A line that is none of the known kinds is a gap.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Entry>> {
    let mut reading = Reading::new(path, limits);
    let mut section = RawText::default();
    let mut comment = Comment::default();
    for line in lines(bytes) {
        if !reading.fits(&line) {
            continue;
        }
        let text = comment.strip(line.text);
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let entry = |kind, section: &RawText, name: String, value: &[u8]| Entry {
            line: line.number,
            kind,
            section: section.clone(),
            name,
            value: value.trim_ascii().into(),
        };
        let parsed = if let Some(rest) = text.strip_prefix(b"[") {
            let Some(end) = find(rest, b"]") else {
                reading.unreadable(line.number, "a section whose bracket is not closed");
                continue;
            };
            let (inner, after) = rest.split_at_checked(end).unwrap_or((rest, b""));
            section = inner.into();
            let after = after.get(1..).unwrap_or_default().trim_ascii();
            let options = after.strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")")).unwrap_or_default();
            entry(Kind::Section, &section, name(inner), options)
        } else if let Some(directive) = text.strip_prefix(b"#") {
            let end = directive.iter().position(u8::is_ascii_whitespace).unwrap_or(directive.len());
            let (word, value) = directive.split_at_checked(end).unwrap_or((directive, b""));
            let kind = match word.to_ascii_lowercase().as_slice() {
                b"include" | b"tryinclude" => Kind::Include,
                b"exec" => Kind::Exec,
                // `#` begins a remark in files that other programs write; Asterisk warns and goes on.
                _ => continue,
            };
            entry(kind, &section, name(word), unquoted(value.trim_ascii()))
        } else {
            let Some(at) = text.iter().position(|&b| b == b'=') else {
                reading.unreadable(line.number, "neither a section nor a setting");
                continue;
            };
            let (key, rest) = text.split_at_checked(at).unwrap_or((text, b""));
            let value = rest.strip_prefix(b"=>").or_else(|| rest.strip_prefix(b"=")).unwrap_or_default();
            // `name += value` adds to what a template has.
            let key = key.trim_ascii_end();
            let key = key.strip_suffix(b"+").unwrap_or(key);
            entry(Kind::Setting, &section, name(key.trim_ascii()), value)
        };
        if !reading.push(parsed) {
            break;
        }
    }
    reading.finish()
}

/// Takes one pair of quotes or angle brackets off.
fn unquoted(text: &[u8]) -> &[u8] {
    let pairs: [(&[u8], &[u8]); 2] = [(b"\"", b"\""), (b"<", b">")];
    pairs.iter().find_map(|(open, close)| text.strip_prefix(*open)?.strip_suffix(*close)).unwrap_or(text)
}

/// Block comments, `;--` to `--;`, which nest.
#[derive(Default)]
struct Comment {
    depth: u32,
}

impl Comment {
    /// The line without its comments; `\;` is a semicolon.
    fn strip(&mut self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((&first, tail)) = rest.split_first() {
            // `;---` is a line of dashes and no block.
            let opens = rest.starts_with(b";--") && rest.get(3) != Some(&b'-');
            if self.depth > 0 && rest.starts_with(b"--;") {
                self.depth -= 1;
                rest = rest.get(3..).unwrap_or_default();
            } else if opens {
                self.depth = self.depth.saturating_add(1);
                rest = rest.get(3..).unwrap_or_default();
            } else if self.depth > 0 {
                rest = tail;
            } else if first == b'\\' && tail.first() == Some(&b';') {
                out.push(b';');
                rest = tail.get(1..).unwrap_or_default();
            } else if first == b';' {
                break;
            } else {
                out.push(first);
                rest = tail;
            }
        }
        out
    }
}

/// The most calls that one value gives: each reaches to its closing bracket, and brackets can lie in one another.
const MAX_CALLS: usize = 32;

/// A call in the dial plan or in a feature: `System(…)`, `${SHELL(…)}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The name as [`calls`] was given it.
    pub name: &'static str,
    /// What stands in its brackets, with `\,` as a comma; to the end where they are not closed.
    pub argument: Vec<u8>,
}

/// The calls of these applications and functions in a value; names count in any case, as for Asterisk.
///
/// An application in the old comma form of `features.conf` (`System,command`) counts too.
pub fn calls(value: &[u8], names: &[&'static str]) -> Vec<Call> {
    let lower = value.to_ascii_lowercase();
    let mut found = Vec::new();
    for name in names {
        let wanted = name.to_ascii_lowercase();
        let mut from = 0;
        while let Some(at) = lower.get(from..).and_then(|rest| find(rest, wanted.as_bytes())) {
            let (start, end) = (from + at, from + at + wanted.len());
            from = end;
            if found.len() >= MAX_CALLS {
                break;
            }
            let is_part = start.checked_sub(1).and_then(|at| lower.get(at)).is_some_and(|b| is_name_byte(*b));
            if is_part {
                continue;
            }
            let rest = value.get(end..).unwrap_or_default();
            let after = rest.trim_ascii_start();
            let argument = if let Some(inner) = after.strip_prefix(b"(") {
                bracketed(inner)
            } else if let Some(inner) = rest.strip_prefix(b",") {
                inner
            } else {
                continue;
            };
            found.push((start, Call { name, argument: unescaped(argument) }));
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, call)| call).collect()
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What stands before the bracket that closes, the opening one being behind.
fn bracketed(inner: &[u8]) -> &[u8] {
    let mut open = 1_u32;
    for (at, &byte) in inner.iter().enumerate() {
        match byte {
            b'(' => open = open.saturating_add(1),
            b')' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return inner.get(..at).unwrap_or_default();
        }
    }
    inner
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if bytes.peek() == Some(&b',') => out.extend(bytes.next()),
            byte => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Outcome<Vec<Entry>> {
        parse(&EvidencePath::new("/etc/asterisk/x.conf").unwrap(), text.as_bytes(), &Limits::default())
    }

    #[test]
    fn comments_end_lines_and_blocks_and_an_escaped_semicolon_is_one() {
        let outcome = read("[a](!,b) ; x\nk = v\\;w ; y\n;-- z = 1\n;-- n = 2 --; m = 3\n--; q => 4\n;---- r\n");
        assert_eq!(outcome.gaps, []);
        let said: Vec<_> = outcome.value.iter().map(|e| format!("{} {}={}", e.line, e.name, e.value)).collect();
        assert_eq!(said, ["1 a=!,b", "2 k=v;w", "5 q=4"]);
    }

    #[test]
    fn includes_and_commands_are_told_and_not_followed() {
        let outcome = read("#include \"x.conf\"\n#tryinclude </tmp/y>\n#exec /tmp/run me\n#other\nodd line\n");
        let said: Vec<_> = outcome.value.iter().map(|e| (e.kind, e.value.to_string())).collect();
        assert_eq!(
            said,
            [
                (Kind::Include, "x.conf".to_owned()),
                (Kind::Include, "/tmp/y".to_owned()),
                (Kind::Exec, "/tmp/run me".to_owned())
            ]
        );
        assert_eq!(outcome.gaps.len(), 1);
    }

    #[test]
    fn calls_are_found_in_any_case_nested_and_with_escaped_commas() {
        let value = b"s,1,Set(X=${SHELL(echo a\\, (b))})";
        let found = calls(value, &["System", "SHELL"]);
        assert_eq!(found, [Call { name: "SHELL", argument: b"echo a, (b)".to_vec() }]);
        assert_eq!(calls(b"1,TRYSYSTEM (x", &["System", "TrySystem"])[0].argument, b"x");
        assert_eq!(calls(b"*9,self,System,/tmp/x", &["System"])[0].argument, b"/tmp/x");
        assert!(calls(b"1,MySystem(x),SystemX(y)", &["System"]).is_empty());
    }

    /// `testdata/asterisk_conf/<case>.conf`, with the golden beside it; `UPDATE_GOLDENS=1` writes it.
    #[test]
    fn goldens() {
        #[derive(Serialize)]
        struct Golden {
            value: Vec<Entry>,
            gaps: Vec<crate::model::Gap>,
        }
        let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/asterisk_conf"));
        let mut cases = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let input = file.unwrap().path();
            if input.extension().is_none_or(|extension| extension != "conf") {
                continue;
            }
            let path = EvidencePath::new("/etc/asterisk/x.conf").unwrap();
            let Outcome { value, gaps } = parse(&path, &std::fs::read(&input).unwrap(), &Limits::default());
            let text = serde_json::to_string_pretty(&Golden { value, gaps }).unwrap() + "\n";
            let golden = input.with_extension("json");
            if std::env::var_os("UPDATE_GOLDENS").is_some() {
                std::fs::write(&golden, &text).unwrap();
            }
            assert_eq!(std::fs::read_to_string(&golden).unwrap_or_default(), text, "{}", golden.display());
            cases += 1;
        }
        assert!(cases >= 3);
    }

    #[test]
    fn calls_in_calls_do_not_cost_quadratic_time() {
        assert_eq!(calls("System(".repeat(30_000).as_bytes(), &["System"]).len(), MAX_CALLS);
    }

    proptest! {
        #[test]
        fn no_text_panics_or_exceeds_the_limit(text in "[\\[\\]();#=>a-z \\\\\n-]{0,200}") {
            let path = EvidencePath::new("/etc/asterisk/x.conf").unwrap();
            let limits = Limits { max_records: 5, ..Limits::default() };
            prop_assert!(parse(&path, text.as_bytes(), &limits).value.len() <= 5);
            calls(text.as_bytes(), &["a", "System"]);
        }
    }
}
