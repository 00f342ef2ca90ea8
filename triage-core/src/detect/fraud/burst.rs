//! Bursts of calls abroad that this host has never made: what stolen credentials, a shell and an open dialplan look like in call records.
//!
//! Six hours at a time are weighed. What speaks against them are signs that do not depend on each other: a destination that was never called
//! before, an hour at which nobody is there, one extension in several calls at once, numbers of one range again and again, a
//! destination that lists of fraud name, many times the calls of any day, a context that was never used before. An office that begins to work
//! with another country has one or two of them, a fraud has three and more.

use super::book::{Abroad, Book, DAY};
use super::number;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

/// Seconds that are weighed together.
const WINDOW: i64 = 6 * 3600;
/// How far a window is moved.
const STEP: i64 = 3600;
/// Fewer answered calls are no burst.
const LEAST: usize = 10;
/// A destination that was called on so many days before is a known one.
const KNOWN_DAYS: usize = 3;
/// Calls at once from one extension that a person does not make.
const AT_ONCE: usize = 3;
/// Calls to one range of numbers.
const REPEATS: usize = 8;
/// Times the calls of the busiest of other days.
const TIMES: usize = 4;

/// A sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sign {
    NewDestination,
    OffHours,
    AtOnce,
    Repeats,
    Listed,
    OverRhythm,
    NewContext,
}

impl Sign {
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::NewDestination => "destinations that were not called before",
            Self::OffHours => "hours at which hardly anybody calls here",
            Self::AtOnce => "one extension in three or more calls abroad at once",
            Self::Repeats => "numbers of one range again and again",
            Self::Listed => "destinations that lists of such fraud name",
            Self::OverRhythm => "four times the calls of the busiest other day",
            Self::NewContext => "a context of the dialplan that was not used before",
        }
    }
}

/// A burst, or several that follow each other.
#[derive(Clone, Debug)]
pub(super) struct Burst {
    /// The calls, as places in [`Book::abroad`], which has to be in order.
    pub(super) calls: Range<usize>,
    pub(super) signs: BTreeSet<Sign>,
    pub(super) answered: usize,
}

/// What the host did on the days before.
struct Past {
    /// Days on which each destination was called, in order.
    days: HashMap<u32, Vec<i64>>,
    /// Answered calls abroad by day.
    by_day: BTreeMap<i64, usize>,
}

impl Past {
    fn of(calls: &[Abroad]) -> Self {
        let mut past = Self { days: HashMap::new(), by_day: BTreeMap::new() };
        for call in calls.iter().filter(|call| call.is_answered) {
            let day = call.start.div_euclid(DAY);
            let days = past.days.entry(call.destination).or_default();
            if days.last() != Some(&day) {
                days.push(day);
            }
            *past.by_day.entry(day).or_default() += 1;
        }
        past
    }

    fn knows(&self, call: &Abroad) -> bool {
        // The day before belongs to what may be one burst.
        let until = call.start.div_euclid(DAY) - 1;
        self.days.get(&call.destination).is_some_and(|days| days.partition_point(|day| *day < until) >= KNOWN_DAYS)
    }

    /// The calls of the busiest day but those of this window and its neighbours.
    fn busiest_other(&self, day: i64) -> usize {
        self.by_day.iter().filter(|(other, _)| (**other - day).abs() > 1).map(|(_, count)| *count).max().unwrap_or(0)
    }
}

/// The bursts of a book, whose calls are put into order.
pub(super) fn find(book: &mut Book) -> Vec<Burst> {
    book.abroad.sort_unstable();
    let calls = &book.abroad;
    let past = Past::of(calls);
    let mut found: Vec<Burst> = Vec::new();
    let mut from = 0;
    while let Some(first) = calls.get(from) {
        let begin = first.start.div_euclid(STEP) * STEP;
        let end = from + calls.get(from..).unwrap_or_default().partition_point(|call| call.start < begin + WINDOW);
        let next = from + calls.get(from..).unwrap_or_default().partition_point(|call| call.start < begin + STEP);
        if let Some(burst) = weigh(book, &past, from..end) {
            match found.last_mut() {
                // Windows overlap, and a fraud goes on for nights.
                Some(last) if burst.calls.start <= last.calls.end => {
                    last.calls.end = last.calls.end.max(burst.calls.end);
                    last.signs.extend(burst.signs);
                    last.answered = 0;
                }
                _ => found.push(burst),
            }
        }
        from = next.max(from + 1);
    }
    for burst in &mut found {
        let all = calls.get(burst.calls.clone()).unwrap_or_default();
        burst.answered = all.iter().filter(|call| call.is_answered).count();
    }
    found
}

fn weigh(book: &Book, past: &Past, range: Range<usize>) -> Option<Burst> {
    let calls: Vec<&Abroad> = book.abroad.get(range.clone())?.iter().filter(|call| call.is_answered).collect();
    if calls.len() < LEAST {
        return None;
    }
    let most = |is: &dyn Fn(&Abroad) -> bool| calls.iter().filter(|call| is(call)).count() * 2 > calls.len();
    let mut signs = BTreeSet::new();
    let mut add = |sign, holds: bool| {
        if holds {
            signs.insert(sign);
        }
    };
    let start = calls.first()?.start;
    // A book that has just begun knows nothing of what is usual.
    let has_past = book.first.is_some_and(|first| start - first > 7 * DAY);
    add(Sign::NewDestination, has_past && most(&|call| !past.knows(call)));
    add(Sign::OffHours, most(&|call| book.is_off_hours(call.start)));
    add(Sign::AtOnce, at_once(&calls) >= AT_ONCE);
    let mut by_range: HashMap<u32, usize> = HashMap::new();
    for call in &calls {
        *by_range.entry(call.range).or_default() += 1;
    }
    add(Sign::Repeats, by_range.values().max().is_some_and(|count| *count >= REPEATS && count * 3 >= calls.len()));
    let listed = |call: &Abroad| {
        let at = usize::try_from(call.destination).ok();
        let name = at.and_then(|at| book.destinations.all.get(at));
        name.is_some_and(|name| number::known(name).is_some())
    };
    add(Sign::Listed, most(&listed));
    let usual = past.busiest_other(start.div_euclid(DAY));
    add(Sign::OverRhythm, has_past && calls.len() >= usual.saturating_mul(TIMES).max(LEAST * 2));
    let is_new = |call: &Abroad| book.context_first.get(&call.context).is_some_and(|first| start - *first < DAY);
    add(Sign::NewContext, has_past && most(&is_new));
    (signs.len() >= 2).then_some(Burst { calls: range, signs, answered: 0 })
}

/// The most calls that one extension was in at once.
fn at_once(calls: &[&Abroad]) -> usize {
    let mut by_source: HashMap<u32, Vec<(i64, i64)>> = HashMap::new();
    for call in calls {
        by_source.entry(call.src).or_default().push((call.start, call.start + i64::from(call.billable)));
    }
    let mut most = 0;
    for spans in by_source.values() {
        let mut edges: Vec<(i64, i32)> = spans.iter().flat_map(|(from, to)| [(*from, 1), (*to, -1)]).collect();
        edges.sort_unstable();
        let mut open = 0_i32;
        for (_, change) in edges {
            open += change;
            most = most.max(usize::try_from(open).unwrap_or(0));
        }
    }
    most
}
