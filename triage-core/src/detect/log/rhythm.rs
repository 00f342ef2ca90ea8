//! How regularly a log was written: its holes, steps back in time, and runs of zero bytes.

use crate::parse::log_time::LogTime;

/// A step back of more than that many seconds is neither disorder nor the end of summer time.
const BACK: i64 = 4200;
/// A hole is at least that many seconds …
const HOLE: i64 = 12 * 3600;
/// … and that many times the usual distance of two lines …
const USUAL: i64 = 100;
/// … and that many times the next largest hole.
const LARGER: i64 = 3;
/// Holes that are remembered.
const HOLES: usize = 16;
/// A log with fewer lines has no rhythm.
const ENTRIES: u64 = 300;
/// Bytes of zero from which on they are a run.
const ZEROS: usize = 16;
/// Half a year: what lies further back in a log without years is the next one.
const HALF_A_YEAR: i64 = 183 * 86_400;

/// A time without a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hole {
    pub(super) seconds: i64,
    pub(super) from: i64,
}

/// A step back in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) line: u64,
    pub(super) seconds: i64,
}

/// When the lines of a log were written.
#[derive(Clone, Debug, Default)]
pub(super) struct Rhythm {
    pub(super) first: Option<i64>,
    pub(super) last: Option<i64>,
    pub(super) entries: u64,
    sum: i64,
    holes: Vec<Hole>,
    pub(super) steps: u64,
    pub(super) step: Option<Step>,
    /// The first line with a run of zero bytes, and how many there are.
    pub(super) zeros: Option<(u64, u64)>,
    /// Says that its times have no year, and are compared with no other log's.
    pub(super) is_without_year: bool,
    years: i64,
}

impl Rhythm {
    /// Notes the time of a line.
    pub(super) fn see(&mut self, number: u64, time: LogTime) {
        let mut seconds = time.seconds + self.years;
        if !time.has_year {
            self.is_without_year = true;
            if self.last.is_some_and(|last| last - seconds > HALF_A_YEAR) {
                self.years += 366 * 86_400;
                seconds += 366 * 86_400;
            }
        }
        self.entries += 1;
        if let Some(last) = self.last {
            let distance = seconds - last;
            if distance < -BACK {
                self.steps += 1;
                if self.step.is_none_or(|step| -distance > step.seconds) {
                    self.step = Some(Step { line: number, seconds: -distance });
                }
            }
            self.sum += distance.max(0);
            self.hole(Hole { seconds: distance, from: last });
        }
        self.first.get_or_insert(seconds);
        self.last = Some(seconds);
    }

    fn hole(&mut self, hole: Hole) {
        if hole.seconds < HOLE / LARGER || (self.holes.len() == HOLES && self.holes.last() >= Some(&hole)) {
            return;
        }
        self.holes.push(hole);
        self.holes.sort_unstable_by(|a, b| b.cmp(a));
        self.holes.truncate(HOLES);
    }

    /// Notes what zero bytes a line begins with, and gives the rest.
    pub(super) fn without_zeros<'a>(&mut self, number: u64, text: &'a [u8]) -> &'a [u8] {
        if text.first() != Some(&0) {
            return text;
        }
        let zeros = text.iter().take_while(|byte| **byte == 0).count();
        if zeros >= ZEROS {
            let known = self.zeros.get_or_insert((number, 0));
            known.1 += zeros as u64;
        }
        text.get(zeros..).unwrap_or_default()
    }

    /// Adds the next file of the same log; false where their times cannot be compared.
    pub(super) fn join(&mut self, other: &Self) {
        if let (Some(last), Some(first)) = (self.last, other.first)
            && first > last
            && !self.is_without_year
            && !other.is_without_year
        {
            self.hole(Hole { seconds: first - last, from: last });
        }
        other.holes.iter().for_each(|hole| self.hole(*hole));
        self.entries += other.entries;
        self.sum += other.sum;
        self.first = self.first.or(other.first);
        self.last = other.last.or(self.last);
        self.is_without_year |= other.is_without_year;
    }

    /// The hole that stands out, if one does: the rest of the log has none like it.
    pub(super) fn hole_against_it(&self) -> Option<Hole> {
        let largest = *self.holes.first()?;
        let next = self.holes.get(1).map_or(HOLE / LARGER, |hole| hole.seconds);
        let usual =
            self.sum.saturating_sub(largest.seconds) / i64::try_from(self.entries.max(2) - 1).unwrap_or(i64::MAX);
        let stands_out = self.entries >= ENTRIES
            && largest.seconds >= HOLE
            && largest.seconds >= next.saturating_mul(LARGER)
            && largest.seconds >= usual.saturating_mul(USUAL)
            // A log that begins or ends with a single early or late line has no rhythm there.
            && self.sum >= largest.seconds.saturating_mul(2);
        stands_out.then_some(largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rhythm(times: impl IntoIterator<Item = i64>) -> Rhythm {
        let mut rhythm = Rhythm::default();
        for (seconds, number) in times.into_iter().zip(1..) {
            rhythm.see(number, LogTime { seconds, offset: Some(0), has_year: true });
        }
        rhythm
    }

    #[test]
    fn quiet_nights_and_weekends_are_the_rhythm_and_a_lost_week_is_not() {
        // Eight weeks of an office: a line every ten minutes from eight to six, five days a week.
        let office = |day: i64| (0..60).map(move |n| day * 86_400 + 28_800 + n * 600);
        let days = (0..56).filter(|day| day % 7 < 5);
        let honest: Vec<i64> = days.flat_map(office).collect();
        assert_eq!(rhythm(honest.iter().copied()).hole_against_it(), None);
        let cut = honest.iter().copied().filter(|at| !(15 * 86_400..29 * 86_400).contains(at));
        let hole = rhythm(cut).hole_against_it().unwrap();
        assert!(hole.seconds > 14 * 86_400, "{hole:?}");
    }

    #[test]
    fn the_end_of_summer_time_is_no_step_back_and_two_hours_are() {
        assert_eq!(rhythm([7200, 3600, 7300]).steps, 0);
        let set = rhythm([9000, 1000, 2000]);
        assert_eq!((set.steps, set.step), (1, Some(Step { line: 2, seconds: 8000 })));
    }

    #[test]
    fn zero_bytes_are_told_and_what_follows_is_read() {
        let mut rhythm = Rhythm::default();
        let text = [vec![0; 100], b"rest".to_vec()].concat();
        assert_eq!(rhythm.without_zeros(3, &text), b"rest");
        assert_eq!(rhythm.zeros, Some((3, 100)));
    }

    #[test]
    fn a_log_without_years_goes_on_in_january() {
        let mut rhythm = Rhythm::default();
        for (seconds, number) in [951_782_400, 946_684_800 + 100].into_iter().zip(1..) {
            rhythm.see(
                number,
                LogTime {
                    seconds: seconds + if number == 1 { 300 * 86_400 } else { 0 },
                    offset: None,
                    has_year: false,
                },
            );
        }
        assert_eq!(rhythm.steps, 0);
    }
}
