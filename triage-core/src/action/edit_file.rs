//! Editing a text file line by line: remove, replace and ensure, by the exact line or by a pattern.
//!
//! An edit that would do more when it is done again is refused: a crash between the change and its outcome must not make it twice.

use super::account::is_account_file;
use super::{Change, Obstacle, State, editable};
use crate::model::{EvidencePath, RawText};
use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 1024;
/// The largest program that a pattern may become, in bytes.
const MAX_PROGRAM: usize = 1024 * 1024;

/// Which lines are meant. A line's end belongs to no line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lines {
    /// Those that are exactly this.
    Exact(RawText),
    /// Those in which this regular expression is found; `^` and `$` are the line's own ends.
    Matching(String),
}

/// One thing that is done to lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LineEdit {
    /// They go.
    Remove {
        /// Which.
        lines: Lines,
        /// The most that may go.
        max: u64,
    },
    /// They become something else.
    Replace {
        /// Which.
        lines: Lines,
        /// What stands in the place of the whole line, or of what the expression found; there `$1` is its first group.
        with: RawText,
        /// The most that may change.
        max: u64,
    },
    /// There is such a line: nothing is done where there is one, else it comes at the end.
    Ensure {
        /// The line.
        line: RawText,
    },
}

/// Compiles a pattern of an edit.
///
/// # Errors
/// Why it is none.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("the pattern has {} bytes, and at most {MAX_PATTERN} are read", pattern.len()));
    }
    RegexBuilder::new(pattern).size_limit(MAX_PROGRAM).dfa_size_limit(MAX_PROGRAM).build().map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        format!("the pattern cannot be read: {}", last.trim_start_matches("error: "))
    })
}

enum Matcher<'a> {
    Exact(&'a [u8]),
    Pattern(Box<Regex>),
}

impl<'a> Matcher<'a> {
    fn new(lines: &'a Lines) -> Result<Self, Obstacle> {
        match lines {
            Lines::Exact(line) => Ok(Self::Exact(line.as_bytes())),
            Lines::Matching(pattern) => {
                compile(pattern).map(|regex| Self::Pattern(Box::new(regex))).map_err(Obstacle::Blocked)
            }
        }
    }

    fn is_match(&self, line: &[u8]) -> bool {
        match self {
            Self::Exact(wanted) => *wanted == line,
            Self::Pattern(regex) => regex.is_match(line),
        }
    }

    fn replace(&self, line: &[u8], with: &[u8]) -> Vec<u8> {
        match self {
            Self::Exact(_) => with.to_vec(),
            Self::Pattern(regex) => regex.replace_all(line, with).into_owned(),
        }
    }
}

pub(super) fn change(
    path: &EvidencePath,
    edits: &[LineEdit],
    now: &State,
    content: Option<&[u8]>,
) -> Result<Change, Obstacle> {
    if is_account_file(path) {
        return Err(Obstacle::Blocked(
            "accounts and groups have actions of their own, which keep their files in step".to_owned(),
        ));
    }
    let content = editable(now, content)?;
    let once = apply_all(edits, content)?;
    if once == content {
        return Ok(Change::Nothing);
    }
    if apply_all(edits, &once)? != once {
        return Err(Obstacle::Blocked(
            "doing the edit a second time would change the file again: make the pattern fit only what is not edited yet"
                .to_owned(),
        ));
    }
    Ok(Change::Rewrite(once))
}

/// Says how many lines of `content` are meant.
pub(crate) fn count(lines: &Lines, content: &[u8]) -> u64 {
    let Ok(matcher) = Matcher::new(lines) else { return 0 };
    content.split_inclusive(|&byte| byte == b'\n').filter(|line| matcher.is_match(split_end(line).0)).count() as u64
}

fn apply_all(edits: &[LineEdit], content: &[u8]) -> Result<Vec<u8>, Obstacle> {
    let mut content = content.to_vec();
    for edit in edits {
        content = apply(edit, &content)?;
    }
    Ok(content)
}

fn apply(edit: &LineEdit, content: &[u8]) -> Result<Vec<u8>, Obstacle> {
    let lines = content.split_inclusive(|&byte| byte == b'\n');
    let too_many = |count: u64, max: u64| {
        (count > max).then(|| {
            Obstacle::Blocked(format!(
                "{count} lines match and at most {max} may change: the file is not what was planned for"
            ))
        })
    };
    let mut out = Vec::with_capacity(content.len());
    let mut count = 0;
    let max = match edit {
        LineEdit::Remove { lines: which, max } => {
            let matcher = Matcher::new(which)?;
            for line in lines {
                if matcher.is_match(split_end(line).0) {
                    count += 1;
                } else {
                    out.extend_from_slice(line);
                }
            }
            *max
        }
        LineEdit::Replace { lines: which, with, max } => {
            let matcher = Matcher::new(which)?;
            one_line(with)?;
            for line in lines {
                let (body, end) = split_end(line);
                if matcher.is_match(body) {
                    count += 1;
                    out.extend_from_slice(&matcher.replace(body, with.as_bytes()));
                    out.extend_from_slice(end);
                } else {
                    out.extend_from_slice(line);
                }
            }
            *max
        }
        LineEdit::Ensure { line } => {
            one_line(line)?;
            out.extend_from_slice(content);
            let mut bodies = content.split_inclusive(|&byte| byte == b'\n').map(|line| split_end(line).0);
            if !bodies.any(|body| body == line.as_bytes()) {
                if !out.is_empty() && !out.ends_with(b"\n") {
                    out.push(b'\n');
                }
                out.extend_from_slice(line.as_bytes());
                out.push(b'\n');
            }
            u64::MAX
        }
    };
    match too_many(count, max) {
        Some(obstacle) => Err(obstacle),
        None => Ok(out),
    }
}

fn one_line(text: &RawText) -> Result<(), Obstacle> {
    if text.as_bytes().iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
        return Err(Obstacle::Blocked(format!("`{text}` is more than one line")));
    }
    Ok(())
}

/// A line and its end.
fn split_end(line: &[u8]) -> (&[u8], &[u8]) {
    let body = line.strip_suffix(b"\n").unwrap_or(line);
    let body = body.strip_suffix(b"\r").unwrap_or(body);
    line.split_at_checked(body.len()).unwrap_or((line, b""))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::action::Action;
    use crate::action::testing::{file, file_with};
    use proptest::prelude::*;

    fn edit(edits: Vec<LineEdit>, content: &[u8]) -> Result<Change, Obstacle> {
        let path = EvidencePath::new("/etc/rc.local").unwrap();
        Action::EditFile { path, edits }.change(&file(content), Some(content))
    }

    #[allow(clippy::unnecessary_wraps, reason = "is held against what a change gives")]
    fn rewritten(bytes: &[u8]) -> Result<Change, Obstacle> {
        Ok(Change::Rewrite(bytes.to_vec()))
    }

    fn exact(line: &str) -> Lines {
        Lines::Exact(RawText::from(line))
    }

    fn matching(pattern: &str) -> Lines {
        Lines::Matching(pattern.to_owned())
    }

    #[test]
    fn lines_are_removed_replaced_and_ensured_and_all_else_stays_byte_for_byte() {
        let remove = |lines| vec![LineEdit::Remove { lines, max: 9 }];
        assert_eq!(edit(remove(exact("bad")), b"a\r\nbad\r\n\xff\0\nbad"), rewritten(b"a\r\n\xff\0\n"));
        assert_eq!(
            edit(remove(matching("/tmp/\\.[a-z]+$")), b"x\n/tmp/.k\ny /tmp/.k &\n"),
            rewritten(b"x\ny /tmp/.k &\n")
        );
        assert_eq!(edit(remove(exact("no")), b"x\n"), Ok(Change::Nothing));
        let replace = |lines, with: &str| vec![LineEdit::Replace { lines, with: RawText::from(with), max: 9 }];
        assert_eq!(
            edit(
                replace(matching("^allow_url_include *= *[Oo]n$"), "allow_url_include = Off"),
                b"a=1\nallow_url_include=On\r\n"
            ),
            rewritten(b"a=1\nallow_url_include = Off\r\n")
        );
        assert_eq!(edit(replace(matching("(a+)b"), "${1}c"), b"xaab\nno"), rewritten(b"xaac\nno"));
        assert_eq!(edit(replace(exact("old"), "$1"), b"old\nold "), rewritten(b"$1\nold "));
        let ensure = |line: &str| vec![LineEdit::Ensure { line: RawText::from(line) }];
        assert_eq!(edit(ensure("exit 0"), b"#!/bin/sh"), rewritten(b"#!/bin/sh\nexit 0\n"));
        assert_eq!(edit(ensure("exit 0"), b""), rewritten(b"exit 0\n"));
        assert_eq!(edit(ensure("exit 0"), b"exit 0\r\nx\n"), Ok(Change::Nothing));
    }

    #[test]
    fn what_would_grow_each_time_is_refused() {
        let edits = vec![LineEdit::Replace { lines: matching("^a"), with: RawText::from("aa"), max: 9 }];
        assert!(matches!(edit(edits, b"a\n"), Err(Obstacle::Blocked(_))));
        let edits = vec![LineEdit::Ensure { line: RawText::from("b") }, LineEdit::Remove { lines: exact("b"), max: 1 }];
        assert_eq!(edit(edits, b"a\n"), Ok(Change::Nothing));
    }

    #[test]
    fn a_new_line_cannot_bring_a_second_one_with_it() {
        for line in ["a\nb", "a\r", "a\0b"] {
            assert!(matches!(
                edit(vec![LineEdit::Ensure { line: RawText::from(line) }], b"x\n"),
                Err(Obstacle::Blocked(_))
            ));
        }
    }

    #[test]
    fn more_lines_than_planned_bad_patterns_and_account_files_are_refused() {
        let edits = vec![LineEdit::Remove { lines: matching("."), max: 2 }];
        assert!(matches!(edit(edits, b"a\nb\nc\n"), Err(Obstacle::Blocked(_))));
        for pattern in ["(", "a{999999}{999999}", &"a".repeat(2000)] {
            let edits = vec![LineEdit::Remove { lines: matching(pattern), max: 2 }];
            assert!(matches!(edit(edits, b"a\n"), Err(Obstacle::Blocked(_))), "{pattern}");
        }
        let linked = file_with(b"a\n", |meta| meta.links = Some(2));
        let edits = || vec![LineEdit::Ensure { line: RawText::from("x") }];
        let at = |path: &str| Action::EditFile { path: EvidencePath::new(path).unwrap(), edits: edits() };
        assert!(matches!(at("/etc/rc.local").change(&linked, Some(b"a\n")), Err(Obstacle::Blocked(_))));
        assert!(matches!(at("/etc/group").change(&file(b"a\n"), Some(b"a\n")), Err(Obstacle::Blocked(_))));
    }

    proptest! {
        #[test]
        fn twice_is_once(content in "[ab\r\n]{0,12}", pattern in "[ab^$.*()|]{0,6}", with in "[ab$1]{0,3}") {
            let content = content.into_bytes();
            let edits = vec![
                LineEdit::Replace { lines: matching(&pattern), with: RawText::from(with.as_str()), max: 99 },
                LineEdit::Ensure { line: RawText::from("ab") },
            ];
            if let Ok(Change::Rewrite(after)) = edit(edits.clone(), &content) {
                prop_assert_eq!(edit(edits, &after), Ok(Change::Nothing));
            }
        }
    }
}
