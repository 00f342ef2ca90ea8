//! How one text differs from another, as a unified diff that is short enough for a finding.

use crate::model::escape;
use crate::parse::redact::redact;
use std::fmt::Write as _;

/// Texts longer than that, in bytes, are not compared line by line.
pub(super) const MAX_TEXT: u64 = 256 * 1024;

/// The most pairs of lines that are compared, after what is the same at both ends is left away.
const MAX_PAIRS: usize = 1_000_000;

/// The most lines that are shown.
const MAX_LINES: usize = 40;

/// The most characters of a line that are shown.
const MAX_WIDTH: usize = 160;

/// Lines of context around a change.
const CONTEXT: usize = 2;

#[derive(Clone, Copy)]
enum Edit<'a> {
    Keep(&'a [u8]),
    Drop(&'a [u8]),
    Add(&'a [u8]),
}

/// The difference; none where one of the two is no text, or where they are the same.
pub(super) fn unified(old: &[u8], new: &[u8]) -> Option<String> {
    let is_text = |bytes: &[u8]| bytes.len() as u64 <= MAX_TEXT && !bytes.contains(&0);
    if old == new || !is_text(old) || !is_text(new) {
        return None;
    }
    let edits = edits(&lines(old), &lines(new));
    let mut text = String::new();
    let (mut shown, mut left_out) = (0, 0);
    let (mut old_line, mut new_line) = (1, 1);
    let mut is_open = false;
    for (at, edit) in edits.iter().enumerate() {
        let near = edits.get(at.saturating_sub(CONTEXT)..(at + CONTEXT + 1).min(edits.len())).unwrap_or_default();
        let is_shown = near.iter().any(|edit| !matches!(edit, Edit::Keep(_)));
        let (mark, line) = match edit {
            Edit::Keep(line) => (' ', line),
            Edit::Drop(line) => ('-', line),
            Edit::Add(line) => ('+', line),
        };
        if is_shown && shown < MAX_LINES {
            if !is_open {
                let _ = writeln!(text, "@@ -{old_line} +{new_line} @@");
            }
            let safe = redact(line);
            let line: String = escape(safe.as_deref().unwrap_or(line)).chars().take(MAX_WIDTH).collect();
            let _ = writeln!(text, "{mark}{line}");
            shown += 1;
        } else if is_shown && mark != ' ' {
            left_out += 1;
        }
        is_open = is_shown;
        old_line += usize::from(mark != '+');
        new_line += usize::from(mark != '-');
    }
    if left_out > 0 {
        let _ = writeln!(text, "… {left_out} more lines of this change are not shown");
    }
    Some(text)
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.strip_suffix(b"\n").unwrap_or(text).split(|&b| b == b'\n').collect()
}

/// What has to be dropped and added: by the longest common subsequence where that costs little, else all of what differs.
fn edits<'a>(old: &[&'a [u8]], new: &[&'a [u8]]) -> Vec<Edit<'a>> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let part = |lines: &[&'a [u8]]| lines.get(head..lines.len() - tail).unwrap_or_default().to_vec();
    let (a, b) = (part(old), part(new));
    let mut edits: Vec<Edit<'a>> = old.iter().take(head).map(|line| Edit::Keep(line)).collect();
    if a.len().saturating_mul(b.len()) > MAX_PAIRS {
        edits.extend(a.iter().map(|line| Edit::Drop(line)));
        edits.extend(b.iter().map(|line| Edit::Add(line)));
    } else {
        middle(&a, &b, &mut edits);
    }
    edits.extend(old.iter().skip(old.len() - tail).map(|line| Edit::Keep(line)));
    edits
}

fn middle<'a>(a: &[&'a [u8]], b: &[&'a [u8]], edits: &mut Vec<Edit<'a>>) {
    let width = b.len() + 1;
    // The length of the longest common subsequence of what is left of both from each pair of places on.
    let mut longest = vec![0_u32; (a.len() + 1) * width];
    let at = |longest: &[u32], i: usize, j: usize| longest.get(i * width + j).copied().unwrap_or(0);
    for (i, left) in a.iter().enumerate().rev() {
        for (j, right) in b.iter().enumerate().rev() {
            let value = if left == right {
                at(&longest, i + 1, j + 1) + 1
            } else {
                at(&longest, i + 1, j).max(at(&longest, i, j + 1))
            };
            if let Some(place) = longest.get_mut(i * width + j) {
                *place = value;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    loop {
        match (a.get(i), b.get(j)) {
            (Some(left), Some(right)) if left == right => {
                edits.push(Edit::Keep(left));
                (i, j) = (i + 1, j + 1);
            }
            (Some(left), other) if other.is_none() || at(&longest, i + 1, j) >= at(&longest, i, j + 1) => {
                edits.push(Edit::Drop(left));
                i += 1;
            }
            (_, Some(right)) => {
                edits.push(Edit::Add(right));
                j += 1;
            }
            (_, None) => return,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_inserted_line_is_the_only_one_with_a_plus() {
        let old = "<?php\na();\nb();\nc();\nd();\ne();\n";
        let new = "<?php\na();\nb();\nx();\nc();\nd();\ne();\n";
        let text = unified(old.as_bytes(), new.as_bytes()).unwrap();
        assert_eq!(text, "@@ -2 +2 @@\n a();\n b();\n+x();\n c();\n d();\n");
    }

    #[test]
    fn two_changes_apart_are_two_hunks() {
        let old: Vec<String> = (0..40).map(|n| format!("line {n}")).collect();
        let mut new = old.clone();
        new[3] = "changed".to_owned();
        new.remove(30);
        let text = unified(old.join("\n").as_bytes(), new.join("\n").as_bytes()).unwrap();
        assert_eq!(text.matches("@@ ").count(), 2, "{text}");
        assert!(text.contains("-line 3\n+changed\n") && text.contains("-line 30\n"), "{text}");
    }

    #[test]
    fn hostile_lines_cannot_forge_a_line_of_the_diff_nor_fill_a_finding() {
        let text = unified(b"a\n", b"a\r\n-b\x1b[31m\xe2\x80\xae\n").unwrap();
        assert!(!text.contains('\x1b') && !text.contains('\r') && !text.contains('\u{202e}'), "{text}");
        let long = "x".repeat(10_000) + "\n";
        let text = unified(b"", long.repeat(20).as_bytes()).unwrap();
        assert!(text.len() < 20_000, "{}", text.len());
        let numbers = |range: std::ops::Range<u32>| range.map(|n| format!("{n}\n")).collect::<Vec<_>>().concat();
        let (many, others) = (numbers(0..30_000), numbers(40_000..70_000));
        let text = unified(many.as_bytes(), others.as_bytes()).unwrap();
        assert!(text.ends_with("… 59960 more lines of this change are not shown\n"), "{}", text.len());
    }

    #[test]
    fn what_is_no_text_has_no_difference() {
        assert_eq!(unified(b"\x7fELF\0", b"x"), None);
        assert_eq!(unified(b"x", b"x"), None);
        assert_eq!(unified(&vec![b'x'; 1 << 20], b"x"), None);
    }
}
