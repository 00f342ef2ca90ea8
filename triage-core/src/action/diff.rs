//! What differs between two versions of a text, as `diff -u` prints it.

use super::preview::grouped;
use crate::model::EvidencePath;
use std::fmt::Write as _;

/// Lines of context around a changed one.
const CONTEXT: usize = 3;
/// The longest diff, in lines.
pub(super) const MAX_LINES: usize = 200;
/// The longest shown line, in characters after escaping.
const MAX_WIDTH: usize = 400;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edit<'a> {
    Keep(&'a [u8]),
    Drop(&'a [u8]),
    Add(&'a [u8]),
}

/// The edits that lead from `old` to `new`.
///
/// Our actions take lines out, change them in place or add some, so that one pass finds the edits; a general difference is quadratic in a
/// file that an intruder wrote. What is none of these is shown as one block that goes and one that comes.
fn edits<'a>(old: &'a [u8], new: &'a [u8]) -> Vec<Edit<'a>> {
    fn lines(bytes: &[u8]) -> Vec<&[u8]> {
        bytes.split_inclusive(|&byte| byte == b'\n').collect()
    }
    let (old, new) = (lines(old), lines(new));
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (old.get(head..).unwrap_or_default(), new.get(head..).unwrap_or_default());
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let middle = |lines: &[&'a [u8]]| lines.get(..lines.len().saturating_sub(tail)).unwrap_or_default().to_vec();
    let (gone, come) = (middle(old_rest), middle(new_rest));
    let mut edits: Vec<Edit<'a>> = old.iter().take(head).map(|line| Edit::Keep(line)).collect();
    if let Some(script) = thinned(&gone, &come, Edit::Drop).or_else(|| thinned(&come, &gone, Edit::Add)) {
        edits.extend(script);
    } else if gone.len() == come.len() {
        for (old, new) in gone.iter().zip(&come) {
            if old == new {
                edits.push(Edit::Keep(old));
            } else {
                edits.extend([Edit::Drop(old), Edit::Add(new)]);
            }
        }
    } else {
        edits.extend(gone.iter().map(|line| Edit::Drop(line)));
        edits.extend(come.iter().map(|line| Edit::Add(line)));
    }
    edits.extend(old.iter().skip(old.len() - tail).map(|line| Edit::Keep(line)));
    edits
}

/// The edits between two lists of which the shorter is the longer without some lines; none where it is not.
fn thinned<'a>(longer: &[&'a [u8]], shorter: &[&'a [u8]], mark: fn(&'a [u8]) -> Edit<'a>) -> Option<Vec<Edit<'a>>> {
    let mut rest = shorter.iter().peekable();
    let mut edits = Vec::with_capacity(longer.len());
    for line in longer {
        edits.push(if rest.next_if_eq(&line).is_some() { Edit::Keep(line) } else { mark(line) });
    }
    rest.next().is_none().then_some(edits)
}

/// A unified diff as `diff -u` prints it, with escaped lines.
pub(super) fn diff(path: &EvidencePath, old: &[u8], new: &[u8], secrets: fn(&[u8]) -> String) -> String {
    let edits = edits(old, new);
    let mut out = format!("--- {path}\n+++ {path}\n");
    let mut shown = 0;
    let mut left_out = 0;
    let (mut old_line, mut new_line) = (1, 1);
    let mut hunks = hunks(&edits).into_iter().peekable();
    for (at, edit) in edits.iter().enumerate() {
        while hunks.next_if(|hunk| hunk.end <= at).is_some() {}
        let hunk = hunks.peek().filter(|hunk| hunk.contains(&at));
        if let Some(hunk) = hunk {
            if hunk.start == at && shown < MAX_LINES {
                let inside = edits.get(hunk.clone()).unwrap_or_default();
                let old_count = inside.iter().filter(|edit| !matches!(edit, Edit::Add(_))).count();
                let new_count = inside.iter().filter(|edit| !matches!(edit, Edit::Drop(_))).count();
                let start = |line: usize, count: usize| if count == 0 { line - 1 } else { line };
                let (old_start, new_start) = (start(old_line, old_count), start(new_line, new_count));
                let _ = writeln!(out, "@@ -{old_start},{old_count} +{new_start},{new_count} @@");
            }
            let (mark, line) = match edit {
                Edit::Keep(line) => (' ', line),
                Edit::Drop(line) => ('-', line),
                Edit::Add(line) => ('+', line),
            };
            if shown < MAX_LINES {
                let body = line.strip_suffix(b"\n").unwrap_or(line);
                let _ = writeln!(out, "{mark}{}", cut(&secrets(body)));
                if !line.ends_with(b"\n") {
                    out.push_str("\\ No newline at end of file\n");
                }
                shown += 1;
            } else {
                left_out += 1;
            }
        }
        old_line += usize::from(!matches!(edit, Edit::Add(_)));
        new_line += usize::from(!matches!(edit, Edit::Drop(_)));
    }
    if left_out > 0 {
        let _ = writeln!(out, "… {} more lines of this change are not shown", grouped(left_out));
    }
    out
}

/// The stretches of edits that are shown: each change with its context, overlapping ones as one.
fn hunks(edits: &[Edit<'_>]) -> Vec<std::ops::Range<usize>> {
    let mut hunks: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, edit) in edits.iter().enumerate() {
        if matches!(edit, Edit::Keep(_)) {
            continue;
        }
        let (start, end) = (at.saturating_sub(CONTEXT), (at + CONTEXT + 1).min(edits.len()));
        match hunks.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => hunks.push(start..end),
        }
    }
    hunks
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(MAX_WIDTH) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn shown(old: &str, new: &str) -> String {
        let path = EvidencePath::new("/a").unwrap();
        diff(&path, old.as_bytes(), new.as_bytes(), |line| String::from_utf8_lossy(line).into_owned())
    }

    #[test]
    fn a_line_that_comes_is_shown_where_it_comes() {
        assert_eq!(shown("a\nc\n", "a\nb\nc\n"), "--- /a\n+++ /a\n@@ -1,2 +1,3 @@\n a\n+b\n c\n");
        assert_eq!(shown("a\nb\nc\n", "a\nx\nc\n"), "--- /a\n+++ /a\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
        assert_eq!(shown("", "a\n"), "--- /a\n+++ /a\n@@ -0,0 +1,1 @@\n+a\n");
    }

    proptest! {
        #[test]
        fn the_edits_lead_from_the_old_to_the_new(old in "[ab\n]{0,14}", new in "[ab\n]{0,14}") {
            let script = edits(old.as_bytes(), new.as_bytes());
            let side = |added: bool| -> Vec<u8> {
                script.iter().filter_map(|edit| match edit {
                    Edit::Keep(line) => Some(*line),
                    Edit::Drop(line) => (!added).then_some(*line),
                    Edit::Add(line) => added.then_some(*line),
                }).flatten().copied().collect()
            };
            prop_assert_eq!(side(false), old.as_bytes());
            prop_assert_eq!(side(true), new.as_bytes());
        }
    }
}
