//! What is wrong with a file that a person wrote, and where: line, column, the line itself with a caret, and what was probably meant.

use super::text::escape;
use std::fmt;

/// One mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// What the file is: a playbook, a definition.
    pub what: &'static str,
    /// Its name, escaped.
    pub name: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// What is wrong, in one line.
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The line of the file, escaped, and under it a caret.
    snippet: Option<(String, String)>,
}

/// Where something stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u64,
    pub(crate) column: u64,
    /// Characters to underline, at least one.
    pub(crate) width: usize,
}

impl Mistake {
    /// The mistake at a place in the file `name`, whose line there is `source`.
    pub(crate) fn in_line(
        what: &'static str,
        name: &str,
        source: Option<&str>,
        place: Place,
        detail: impl Into<String>,
        hint: Option<String>,
    ) -> Self {
        let snippet = source.map(|source| {
            let skip = usize::try_from(place.column).unwrap_or(usize::MAX).saturating_sub(1);
            let before: String = source.chars().take(skip).collect();
            let marked: String = source.chars().skip(skip).take(place.width).collect();
            let carets = escape(marked.as_bytes()).chars().count().max(1);
            let caret = format!("{}{}", " ".repeat(escape(before.as_bytes()).chars().count()), "^".repeat(carets));
            (escape(source.as_bytes()), caret)
        });
        Self {
            what,
            name: escape(name.as_bytes()),
            line: place.line,
            column: place.column,
            detail: detail.into(),
            hint,
            snippet,
        }
    }
}

/// The whole report: one line of what and where, the place in the file, and the hint.
impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, name, line, column, detail, .. } = self;
        write!(out, "{what} `{name}`, line {line}, column {column}: {detail}")?;
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        if let Some((source, caret)) = &self.snippet {
            write!(out, "\n{margin} |\n{number} | {source}\n{margin} | {caret}")?;
        }
        if let Some(hint) = &self.hint {
            write!(out, "\n{margin} = {hint}")?;
        }
        Ok(())
    }
}

impl Place {
    /// The place of the word that begins there, in the line `source`.
    pub(crate) fn in_line(source: Option<&str>, line: u64, column: u64) -> Self {
        let start = usize::try_from(column).unwrap_or(1).saturating_sub(1);
        let is_word = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '.');
        let width = source.unwrap_or_default().chars().skip(start).take_while(is_word).count();
        Self { line, column, width: width.max(1) }
    }
}

/// The word of `expected` that was probably meant, if one is near enough.
pub(crate) fn nearest<'a>(word: &str, expected: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may be wrong; more is another word.
    let limit = (word.chars().count() / 3).max(1);
    expected
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|&(distance, _)| distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `did you mean …`, or else the list of what there is.
pub(crate) fn suggestion(word: &str, expected: &[&str]) -> Option<String> {
    match nearest(word, expected.iter().copied()) {
        Some(meant) => Some(format!("did you mean `{meant}`?")),
        None if expected.is_empty() => None,
        None => Some(format!("it can be `{}`", expected.join("`, `"))),
    }
}

/// Levenshtein distance with a swap of neighbours counted as one (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let is_swap = i > 0 && j > 0 && a.get(i - 1) == Some(&y) && b.get(j - 1) == Some(&x);
            if is_swap {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_hand_are_one_step_away() {
        assert_eq!(distance("for_each", "for_each"), 0);
        assert_eq!(distance("foreach", "for_each"), 1);
        assert_eq!(distance("ofr_each", "for_each"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        let words = ["title", "phase", "action"];
        assert_eq!(nearest("titel", words), Some("title"));
        assert_eq!(nearest("zzz", words), None);
        assert_eq!(suggestion("zzz", &words).as_deref(), Some("it can be `title`, `phase`, `action`"));
    }

    #[test]
    fn a_hostile_line_cannot_forge_the_report() {
        let place = Place { line: 2, column: 5, width: 1 };
        let mistake = Mistake::in_line("playbook", "n\nok", Some("\u{1b}[2Jx: y"), place, "wrong", None);
        assert_eq!(
            mistake.to_string(),
            "playbook `n\\nok`, line 2, column 5: wrong\n  |\n2 | \\x1b[2Jx: y\n  |        ^"
        );
    }
}
