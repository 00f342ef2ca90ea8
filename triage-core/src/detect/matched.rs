//! How a match is shown: the bytes, and what stands around them in their line.
//!
//! A line of a configuration file holds passwords beside what a rule looks for. So secrets are struck out of what stands around a match,
//! before it is cut: a cut between the name of a secret and its value would let the value through.

use super::find;
use crate::model::Evidence;
use crate::parse::redact::redact;
use std::ops::Range;

/// Bytes of a match that are shown.
const TEXT: usize = 200;
/// Bytes before and after a match that are shown.
const CONTEXT: usize = 80;
/// Bytes before and after a match in which secrets are looked for.
const LOOKED_AT: usize = 1024;

/// A match in `content` at `range` (bytes), which is in line `line` (from 1), with what stands around it in its lines.
pub(super) fn matched(pattern: &str, content: &[u8], range: Range<usize>, line: u64) -> Evidence {
    let offset = range.start as u64;
    let found = content.get(range.clone()).unwrap_or_default();
    let text = found.get(..TEXT).unwrap_or(found);
    let head = content.get(..range.start).unwrap_or_default();
    let head = line_end(head.get(head.len().saturating_sub(LOOKED_AT)..).unwrap_or(head));
    // What follows is no context of a text that was cut before its end, or that ends with its line.
    let is_cut = text.len() < found.len() || text.last() == Some(&b'\n');
    let tail = if is_cut { &[] } else { content.get(range.end..).unwrap_or_default() };
    let tail = line_start(tail.get(..LOOKED_AT).unwrap_or(tail));
    let (before, after) = match redact(&[head, text, tail].concat()) {
        None => (head.to_vec(), tail.to_vec()),
        Some(line) => around(&line, text),
    };
    Evidence::Match {
        pattern: pattern.to_owned(),
        offset,
        line,
        text: text.into(),
        before: before.get(before.len().saturating_sub(CONTEXT)..).unwrap_or_default().into(),
        after: after.get(..CONTEXT).unwrap_or(&after).into(),
    }
}

/// What stands before and after `text` in the line; nothing where a part of it was struck out.
fn around(line: &[u8], text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let parts = find(line, text).and_then(|at| Some((line.get(..at)?, line.get(at + text.len()..)?)));
    parts.map(|(before, after)| (before.to_vec(), after.to_vec())).unwrap_or_default()
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn line_end(text: &[u8]) -> &[u8] {
    text.rsplit(|byte| is_end(*byte)).next().unwrap_or_default()
}

fn line_start(text: &[u8]) -> &[u8] {
    text.split(|byte| is_end(*byte)).next().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shown(content: &[u8], range: Range<usize>) -> (String, String, String) {
        match matched("$a", content, range, 1) {
            Evidence::Match { before, text, after, .. } => (before.to_string(), text.to_string(), after.to_string()),
            other => panic!("{other:?}"),
        }
    }

    fn around_word(content: &str, word: &str) -> (String, String) {
        let at = content.find(word).unwrap();
        let (before, text, after) = shown(content.as_bytes(), at..at + word.len());
        assert_eq!(text, word);
        (before, after)
    }

    #[test]
    fn a_match_is_shown_with_its_line_and_no_more() {
        let (before, after) = around_word("one\nif ($x) eval($y); // z\r\nthree", "eval");
        assert_eq!((before.as_str(), after.as_str()), ("if ($x) ", "($y); // z"));
    }

    #[test]
    fn a_line_of_a_megabyte_does_not_flood_the_report() {
        let content = vec![b'x'; 1 << 20];
        let lengths = |range| {
            let (before, text, after) = shown(&content, range);
            (before.len(), text.len(), after.len())
        };
        assert_eq!(lengths(5000..5010), (80, 10, 80));
        assert_eq!(lengths(0..9000), (0, 200, 0));
        assert_eq!(lengths((1 << 20) - 3..1 << 20), (80, 3, 0));
        // A range that is not there is no reason to fail.
        assert_eq!(lengths(1 << 30..(1 << 30) + 5), (0, 0, 0));
    }

    #[test]
    fn a_password_beside_a_match_is_not_shown_even_where_the_cut_takes_its_name_away() {
        let (before, after) =
            around_word("$amp_conf['AMPDBPASS'] = 'hunter2'; eval($x); $password = 'swordfish';", "eval");
        assert!(before.contains("[redacted]") && !before.contains("hunter2"), "{before}");
        assert!(!after.contains("swordfish"), "{after}");
        let long = format!("mysql --password={} ; wget x", "hunter2-".repeat(10));
        let (before, _) = around_word(&long, "wget");
        assert!(!before.contains("hunter2"), "{before}");
    }
}
