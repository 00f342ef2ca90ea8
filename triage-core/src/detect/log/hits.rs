//! What rules found in one log: how often, when, from where, and a few lines that show it.

use crate::model::escape;
use std::collections::{BTreeMap, HashMap};

/// The most addresses that are counted apart in one file; the rest are one number.
const SOURCES: usize = 5_000;
/// Lines that are kept for each way a request was answered.
const SAMPLES: usize = 3;
/// Bytes of a line that is kept.
const TEXT: usize = 600;

/// How a server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    /// It did what it was asked, or failed in doing so.
    Done,
    /// It sent elsewhere, or the answer does not tell.
    Unclear,
    /// It refused: the request was a probe.
    Refused,
}

impl Answer {
    /// What a status says (RFC 9110, section 15). A program that fails (500) did run; one that was never reached (502, 503) did not, or not
    /// to its end. 499 of nginx says that the client went away, which commands that take long look like.
    pub(super) fn of(status: u16) -> Self {
        match status {
            200..=299 | 304 | 500 => Self::Done,
            400..=498 => Self::Refused,
            _ => Self::Unclear,
        }
    }
}

/// Counts by name, of which only so many are kept apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Counter {
    counts: HashMap<Vec<u8>, u64>,
    others: u64,
}

impl Counter {
    pub(super) fn add(&mut self, name: &[u8], count: u64) {
        if let Some(known) = self.counts.get_mut(name) {
            *known += count;
        } else if self.counts.len() < SOURCES {
            self.counts.insert(name.get(..128).unwrap_or(name).to_vec(), count);
        } else {
            self.others += count;
        }
    }

    pub(super) fn join(&mut self, other: Self) {
        // ORDER: which of too many are kept apart must not depend on chance.
        let mut theirs: Vec<(Vec<u8>, u64)> = other.counts.into_iter().collect();
        theirs.sort_unstable();
        for (name, count) in theirs {
            self.add(&name, count);
        }
        self.others += other.others;
    }

    /// The names, the most frequent first.
    pub(super) fn names(&self) -> Vec<&[u8]> {
        self.sorted().into_iter().map(|(name, _)| name).collect()
    }

    fn sorted(&self) -> Vec<(&[u8], u64)> {
        let mut all: Vec<(&[u8], u64)> = self.counts.iter().map(|(name, count)| (name.as_slice(), *count)).collect();
        all.sort_unstable_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
        all
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The most frequent, with their counts, and how many there are.
    pub(super) fn describe(&self, most: usize) -> String {
        let all = self.sorted();
        let shown: Vec<String> =
            all.iter().take(most).map(|(name, count)| format!("{} ({count})", escape(name))).collect();
        match all.len().saturating_sub(most) {
            0 if self.others == 0 => shown.join(", "),
            0 => format!("{}, and others ({})", shown.join(", "), self.others),
            more => format!("{}, and {more} more", shown.join(", ")),
        }
    }
}

/// A time as a log wrote it, with what orders it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) seconds: i64,
    pub(super) text: Vec<u8>,
}

impl Moment {
    pub(super) fn text(&self) -> String {
        escape(&self.text)
    }
}

/// The first and the last time of something.
#[derive(Clone, Debug, Default)]
pub(super) struct Span {
    pub(super) first: Option<Moment>,
    pub(super) last: Option<Moment>,
}

impl Span {
    pub(super) fn add(&mut self, seconds: i64, text: &[u8]) {
        if self.first.as_ref().is_none_or(|first| seconds < first.seconds) {
            self.first = Some(Moment { seconds, text: text.to_vec() });
        }
        match &mut self.last {
            // Nearly every line is the latest so far.
            Some(last) if seconds >= last.seconds => {
                last.seconds = seconds;
                last.text.clear();
                last.text.extend_from_slice(text);
            }
            Some(_) => {}
            None => self.last = Some(Moment { seconds, text: text.to_vec() }),
        }
    }

    pub(super) fn join(&mut self, other: Self) {
        if let Some(first) = other.first {
            let earliest = self.first.take().map_or(first.clone(), |known| known.min(first));
            self.first = Some(earliest);
        }
        if let Some(last) = other.last {
            let latest = self.last.take().map_or(last.clone(), |known| known.max(last));
            self.last = Some(latest);
        }
    }
}

/// A line that shows what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) line: u64,
    pub(super) text: Vec<u8>,
    /// What was asked for, decoded, where that is not how it stands in the line.
    pub(super) decoded: Option<Vec<u8>>,
}

impl Sample {
    pub(super) fn new(line: u64, text: &[u8], decoded: Option<&[u8]>) -> Self {
        let short = |text: &[u8]| text.get(..TEXT).unwrap_or(text).to_vec();
        Self { line, text: short(text), decoded: decoded.map(short) }
    }
}

/// What one rule found in one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Hits {
    /// Lines, by how they were answered; all of them as done where nobody answers.
    pub(super) counts: BTreeMap<Answer, u64>,
    pub(super) span: Span,
    pub(super) sources: Counter,
    /// The addresses whose requests were not refused.
    pub(super) served: Counter,
    pub(super) samples: BTreeMap<Answer, Vec<Sample>>,
}

impl Hits {
    /// Counts a line.
    pub(super) fn add(&mut self, answer: Answer, source: Option<&[u8]>, sample: impl FnOnce() -> Sample) {
        *self.counts.entry(answer).or_default() += 1;
        if let Some(source) = source {
            self.sources.add(source, 1);
            if answer != Answer::Refused {
                self.served.add(source, 1);
            }
        }
        let samples = self.samples.entry(answer).or_default();
        if samples.len() < SAMPLES {
            samples.push(sample());
        }
    }

    pub(super) fn count(&self, answer: Answer) -> u64 {
        self.counts.get(&answer).copied().unwrap_or(0)
    }

    /// How bad the best answered line is.
    pub(super) fn worst(&self) -> Answer {
        self.counts.keys().next().copied().unwrap_or(Answer::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_bounded_and_the_frequent_ones_are_named() {
        let mut counter = Counter::default();
        for n in 0..20_000_u32 {
            counter.add(format!("2001:db8::{n:x}").as_bytes(), 1);
        }
        counter.add(b"2001:db8::7", 10);
        assert_eq!(counter.counts.len(), SOURCES);
        assert!(counter.describe(1).starts_with("2001:db8::7 (11), and 4999 more"), "{}", counter.describe(1));
    }

    #[test]
    fn an_answer_says_whether_it_was_a_probe() {
        for (status, answer) in [
            (200, Answer::Done),
            (500, Answer::Done),
            (403, Answer::Refused),
            (404, Answer::Refused),
            (302, Answer::Unclear),
            (499, Answer::Unclear),
            (0, Answer::Unclear),
        ] {
            assert_eq!(Answer::of(status), answer, "{status}");
        }
    }
}
