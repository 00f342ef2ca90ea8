//! The calls of one source (the files of `Master.csv`, a table), as far as a conclusion needs them.
//!
//! Of calls at home only the hours are remembered; those that leave the country are kept one by one, within a limit.

use super::number;
use crate::model::EvidencePath;
use std::collections::{BTreeMap, HashMap};

/// The most calls abroad that are kept.
const ABROAD: usize = 400_000;
/// The most different names (extensions, contexts, destinations) that are kept.
const NAMES: usize = 100_000;
/// Lines that are shown of one thing.
const SHOWN: usize = 4;
/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// What is asked of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// Seconds since 1970 as if the host's clock were UTC.
    pub(super) start: i64,
    pub(super) src: &'a [u8],
    pub(super) dst: &'a [u8],
    pub(super) context: &'a [u8],
    pub(super) channel: &'a [u8],
    pub(super) last_app: &'a [u8],
    pub(super) billable: u64,
    pub(super) is_answered: bool,
    /// Seconds that its clock is ahead of UTC, where that is known.
    pub(super) offset: Option<i32>,
    pub(super) line: Option<u64>,
}

/// A call abroad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Abroad {
    pub(super) start: i64,
    pub(super) billable: u32,
    pub(super) destination: u32,
    pub(super) src: u32,
    pub(super) context: u32,
    /// The first digits of the number, which numbers of one range share.
    pub(super) range: u32,
    pub(super) is_answered: bool,
}

/// Something about single calls that is told with examples.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) count: u64,
    pub(super) answered: u64,
    pub(super) seconds: u64,
    pub(super) first: Option<i64>,
    pub(super) last: Option<i64>,
    /// Different days, up to a limit that says enough.
    pub(super) days: std::collections::BTreeSet<i64>,
    pub(super) examples: Vec<String>,
}

impl Seen {
    fn add(&mut self, call: &Call<'_>) {
        self.count += 1;
        self.answered += u64::from(call.is_answered);
        self.seconds += call.billable;
        self.first = Some(self.first.map_or(call.start, |first| first.min(call.start)));
        self.last = Some(self.last.map_or(call.start, |last| last.max(call.start)));
        if self.days.len() < 100 {
            self.days.insert(call.start.div_euclid(DAY));
        }
        if self.examples.len() < SHOWN {
            self.examples.push(describe(call));
        }
    }
}

/// One call in a line, for people.
pub(super) fn describe(call: &Call<'_>) -> String {
    let escape = crate::model::escape;
    let line = call.line.map_or_else(String::new, |line| format!("line {line}: "));
    format!(
        "{line}{} local time, {} to {} in {}, channel {}, {} s",
        local(call.start),
        escape(call.src),
        escape(call.dst),
        escape(call.context),
        escape(call.channel),
        call.billable
    )
}

/// A time on the host's clock.
pub(super) fn local(seconds: i64) -> String {
    let text = crate::model::Timestamp::new(seconds, 0).to_string();
    text.trim_end_matches('Z').replace('T', " ")
}

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    numbers: HashMap<Vec<u8>, u32>,
    pub(super) all: Vec<Vec<u8>>,
}

impl Names {
    fn number(&mut self, name: &[u8]) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        if self.all.len() >= NAMES {
            return u32::MAX;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let name = name.get(..80).unwrap_or(name).to_vec();
        self.all.push(name.clone());
        self.numbers.insert(name, number);
        number
    }

    pub(super) fn name(&self, number: u32) -> String {
        let name = usize::try_from(number).ok().and_then(|at| self.all.get(at));
        name.map_or_else(|| "others".to_owned(), |name| crate::model::escape(name))
    }
}

/// All that is remembered of the calls of one source.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    pub(super) calls: u64,
    pub(super) first: Option<i64>,
    pub(super) last: Option<i64>,
    /// Answered calls at home by the hour, of working days and of weekends.
    pub(super) hours: [[u64; 24]; 2],
    pub(super) abroad: Vec<Abroad>,
    pub(super) left_out: u64,
    pub(super) destinations: Names,
    pub(super) sources: Names,
    pub(super) contexts: Names,
    /// When each context was first used.
    pub(super) context_first: BTreeMap<u32, i64>,
    pub(super) nines: Seen,
    pub(super) originated: Seen,
    pub(super) dear: Seen,
    /// The host's clock against UTC, where a source says so: from when on, and by how much.
    pub(super) offsets: BTreeMap<i64, i32>,
    /// Where the first line stands.
    pub(super) path: Option<EvidencePath>,
    /// Lines that are no call.
    pub(super) unread: u64,
}

/// Contexts that calls come in by.
const INCOMING: [&[u8]; 6] =
    [b"from-trunk", b"from-pstn", b"from-did", b"ext-did", b"from-sip-external", b"from-analog"];

impl Book {
    pub(super) fn add(&mut self, call: &Call<'_>) {
        self.calls += 1;
        self.first = Some(self.first.map_or(call.start, |first| first.min(call.start)));
        self.last = Some(self.last.map_or(call.start, |last| last.max(call.start)));
        if let Some(offset) = call.offset
            && self.offsets.len() < 64
            && self.offsets.range(..=call.start).next_back().is_none_or(|(_, known)| *known != offset)
        {
            self.offsets.insert(call.start, offset);
        }
        if call.dst == b"9998" {
            self.nines.add(call);
        }
        if is_originated(call) {
            self.originated.add(call);
        }
        if INCOMING.iter().any(|context| call.context.starts_with(context)) {
            return;
        }
        let context = self.contexts.number(call.context);
        let first = self.context_first.entry(context).or_insert(call.start);
        *first = (*first).min(call.start);
        let number = number::international(call.dst).or_else(|| number::premium(call.dst));
        let Some(number) = number else {
            if call.is_answered {
                self.hour(call.start);
            }
            return;
        };
        if call.is_answered && number::known(number).is_some_and(|(_, kind)| kind != number::Kind::Watched) {
            self.dear.add(call);
        }
        if self.abroad.len() >= ABROAD {
            self.left_out += 1;
            return;
        }
        let range = number
            .get(..8)
            .unwrap_or(number)
            .iter()
            .fold(0_u32, |sum, byte| sum.wrapping_mul(10).wrapping_add(u32::from(byte.wrapping_sub(b'0'))));
        self.abroad.push(Abroad {
            start: call.start,
            billable: u32::try_from(call.billable).unwrap_or(u32::MAX),
            destination: self.destinations.number(number::destination(number)),
            src: self.sources.number(call.src),
            context,
            range,
            is_answered: call.is_answered,
        });
    }

    fn hour(&mut self, start: i64) {
        let (is_weekend, hour) = hour_of(start);
        if let Some(count) = self.hours.get_mut(is_weekend).and_then(|hours| hours.get_mut(hour)) {
            *count += 1;
        }
    }

    /// Says whether hardly a call is made at this hour here. The hours beside it count too: people come early and stay late.
    pub(super) fn is_off_hours(&self, start: i64) -> bool {
        let all: u64 = self.hours.iter().flatten().sum();
        if all < 200 {
            return false;
        }
        let (is_weekend, hour) = hour_of(start);
        let hours = self.hours.get(is_weekend).copied().unwrap_or_default();
        let around = [hour, (hour + 1) % 24, (hour + 23) % 24];
        let calls: u64 = around.iter().filter_map(|hour| hours.get(*hour)).sum();
        calls * 200 < all
    }

    /// Takes over what another book has, of a later file of the same source.
    pub(super) fn join(&mut self, other: Self) {
        let names = |number: u32, names: &Names| usize::try_from(number).ok().and_then(|at| names.all.get(at).cloned());
        self.calls += other.calls;
        self.unread += other.unread;
        self.left_out += other.left_out;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = [self.last, other.last].into_iter().flatten().max();
        for (mine, theirs) in self.hours.iter_mut().flatten().zip(other.hours.iter().flatten()) {
            *mine += theirs;
        }
        for (context, first) in &other.context_first {
            let Some(name) = names(*context, &other.contexts) else { continue };
            let number = self.contexts.number(&name);
            let known = self.context_first.entry(number).or_insert(*first);
            *known = (*known).min(*first);
        }
        for call in &other.abroad {
            if self.abroad.len() >= ABROAD {
                self.left_out += 1;
                continue;
            }
            let mut call = *call;
            for (number, mine, theirs) in [
                (&mut call.destination, &mut self.destinations, &other.destinations),
                (&mut call.src, &mut self.sources, &other.sources),
                (&mut call.context, &mut self.contexts, &other.contexts),
            ] {
                *number = names(*number, theirs).map_or(u32::MAX, |name| mine.number(&name));
            }
            self.abroad.push(call);
        }
        for (mine, theirs) in
            [(&mut self.nines, other.nines), (&mut self.originated, other.originated), (&mut self.dear, other.dear)]
        {
            mine.count += theirs.count;
            mine.answered += theirs.answered;
            mine.seconds += theirs.seconds;
            mine.first = [mine.first, theirs.first].into_iter().flatten().min();
            mine.last = [mine.last, theirs.last].into_iter().flatten().max();
            mine.days.extend(theirs.days);
            let room = SHOWN.saturating_sub(mine.examples.len());
            mine.examples.extend(theirs.examples.into_iter().take(room));
        }
        self.offsets.extend(other.offsets);
        self.path = self.path.take().or(other.path);
    }
}

/// Whether it is a weekend, and the hour.
fn hour_of(start: i64) -> (usize, usize) {
    // 1970 began on a Thursday.
    let weekday = (start.div_euclid(DAY) + 3).rem_euclid(7);
    (usize::from(weekday >= 5), usize::try_from(start.rem_euclid(DAY) / 3600).unwrap_or(0))
}

/// A call that nobody dialled: `channel originate Local/NUMBER@CONTEXT application wait` gives a call of a local channel whose last application
/// is `Wait`, to a number outside.
fn is_originated(call: &Call<'_>) -> bool {
    let Some(rest) = call.channel.strip_prefix(b"Local/") else { return false };
    let number = rest.split(|byte| *byte == b'@').next().unwrap_or_default();
    call.last_app.eq_ignore_ascii_case(b"Wait") && (number::is_outside(number) || number::is_outside(call.dst))
}
