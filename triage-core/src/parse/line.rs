//! Reading a text file line by line, within limits.

use super::Limits;
use crate::model::{EvidencePath, Gap, GapReason, Outcome};
use std::borrow::Cow;

/// The most gaps that one file gives one by one; a file of garbage is one fact, not a million.
const MAX_GAPS: usize = 100;

/// One line as it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    /// Its number, from 1.
    pub(crate) number: u64,
    /// Its bytes without the newline; a carriage return before it is kept, because the readers of these files keep it.
    pub(crate) text: &'a [u8],
}

/// The lines of a file. A final newline does not begin another line.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let is_empty = bytes.is_empty();
    bytes.split(|&b| b == b'\n').zip(1..).filter(move |_| !is_empty).map(|(text, number)| Line { number, text })
}

/// What a parser has read so far, and what it could not read.
pub(crate) struct Reading<'a, T> {
    path: &'a EvidencePath,
    limits: &'a Limits,
    records: Vec<T>,
    gaps: Vec<Gap>,
}

impl<'a, T> Reading<'a, T> {
    pub(crate) fn new(path: &'a EvidencePath, limits: &'a Limits) -> Self {
        Self { path, limits, records: Vec::new(), gaps: Vec::new() }
    }

    /// Adds a record; false when there is room for no more, which is then a gap.
    #[must_use]
    pub(crate) fn push(&mut self, record: T) -> bool {
        if self.records.len() < self.limits.max_records {
            self.records.push(record);
            return true;
        }
        let detail = format!("more than {} records", self.limits.max_records);
        self.gaps.push(Gap::new(self.path.clone(), GapReason::LimitReached, detail));
        false
    }

    /// Says that a line could not be read.
    pub(crate) fn unreadable(&mut self, line: u64, why: &str) {
        self.gap(GapReason::Unreadable, line, why);
    }

    /// Says that something up to this line was left out because a limit was reached.
    pub(crate) fn limited(&mut self, line: u64, why: &str) {
        self.gap(GapReason::LimitReached, line, why);
    }

    /// Says whether a line is short enough to be looked at; a longer one is a gap.
    pub(crate) fn fits(&mut self, line: &Line<'_>) -> bool {
        let fits = line.text.len() <= self.limits.max_line_bytes;
        if !fits {
            let why = format!("longer than {} bytes", self.limits.max_line_bytes);
            self.gap(GapReason::LimitReached, line.number, &why);
        }
        fits
    }

    /// The longest line in bytes.
    pub(crate) fn limit(&self) -> usize {
        self.limits.max_line_bytes
    }

    pub(crate) fn finish(self) -> Outcome<Vec<T>> {
        Outcome { value: self.records, gaps: self.gaps }
    }

    fn gap(&mut self, reason: GapReason, line: u64, why: &str) {
        let detail = match self.gaps.len() {
            0..MAX_GAPS => format!("line {line}: {why}"),
            MAX_GAPS => format!("line {line} and further lines"),
            _ => return,
        };
        self.gaps.push(Gap::new(self.path.clone(), reason, detail));
    }
}

/// Reads line by line: a record, nothing (a blank line, a comment), or why the line makes no sense.
pub(crate) fn each_line<T>(
    path: &EvidencePath,
    bytes: &[u8],
    limits: &Limits,
    mut read: impl FnMut(Line<'_>) -> Result<Option<T>, &'static str>,
) -> Outcome<Vec<T>> {
    let mut reading = Reading::new(path, limits);
    for line in lines(bytes) {
        if !reading.fits(&line) {
            continue;
        }
        match read(line) {
            Ok(Some(record)) => {
                if !reading.push(record) {
                    break;
                }
            }
            Ok(None) => {}
            Err(why) => reading.unreadable(line.number, why),
        }
    }
    reading.finish()
}

/// Splits off the first word and the blanks (space, tab) around it.
pub(crate) fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = trim_start(text);
    let end = text.iter().position(|&b| is_blank(b)).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end)?;
    (!word.is_empty()).then(|| (word, trim_start(rest)))
}

/// Drops leading spaces and tabs.
pub(crate) fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&b| !is_blank(b)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Splits at the first occurrence of `separator`.
pub(crate) fn split_once<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = find(text, separator)?;
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}

/// Splits at the last occurrence of `separator`.
pub(crate) fn rsplit_once<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(separator.len().max(1)).rposition(|window| window == separator)?;
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}

/// Where `needle` first stands in `text`.
pub(crate) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len().max(1)).position(|window| window == needle)
}

/// Lines with those that end in a backslash joined to the next, without the backslash and the newline, and where each begins.
///
/// A comment line is never continued, whatever the program does: text that a program might read is rather shown than hidden. A line that
/// is too long is a gap.
pub(crate) fn joined<'a, T>(bytes: &'a [u8], reading: &mut Reading<'_, T>) -> Vec<(u64, Cow<'a, [u8]>)> {
    let mut out = Vec::new();
    let mut open: Option<(u64, Vec<u8>)> = None;
    for line in lines(bytes) {
        let text = line.text.strip_suffix(b"\r").unwrap_or(line.text);
        let is_comment = open.is_none() && trim_start(text).starts_with(b"#");
        let continued = text.strip_suffix(b"\\").filter(|_| !is_comment);
        match (open.take(), continued) {
            (None, None) => out.push((line.number, Cow::Borrowed(text))),
            (None, Some(text)) => open = Some((line.number, text.to_vec())),
            (Some((number, mut whole)), _) => {
                whole.extend_from_slice(continued.unwrap_or(text));
                if continued.is_some() {
                    open = Some((number, whole));
                } else {
                    out.push((number, Cow::Owned(whole)));
                }
            }
        }
    }
    out.extend(open.map(|(number, whole)| (number, Cow::Owned(whole))));
    out.retain(|(number, text)| reading.fits(&Line { number: *number, text }));
    out
}

/// Blank-separated words in which `"` and `'` keep blanks together and a backslash keeps the next byte.
pub(crate) fn quoted_words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (_, b'\\') => word.get_or_insert_default().extend(bytes.next()),
            (Some(open), byte) if byte == open => quote = None,
            (None, b'"' | b'\'') => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (None, byte) if byte.is_ascii_whitespace() => words.extend(word.take()),
            (_, byte) => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

/// The text as a lossy string: for names of settings, which are compared and never opened.
pub(crate) fn name(text: &[u8]) -> String {
    crate::model::escape(text)
}

/// A decimal number, with nothing around it but blanks.
pub(crate) fn number<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}
