//! Which time a log tells of: its first and last timestamp, and the holes in between.
//!
//! Pure: bytes in, a window out, in memory that does not depend on them. Times are taken as they are written: a log without a zone is in
//! the host's local time, one without a year (RFC 3164) is compared only with itself.

use serde::{Deserialize, Serialize};

/// Bytes of a line in which its time is looked for.
const LINE: usize = 256;
/// Holes that are named.
const HOLES: usize = 8;
/// A hole is that many times the usual distance between two lines …
const USUAL: i64 = 24;
/// … and at least that many seconds.
const HOLE: i64 = 4 * 3600;
/// A step backwards of at most that many seconds is disorder and not a clock that was set.
const DISORDER: i64 = 60;
/// Bytes of one record of `wtmp` and `btmp` on x86-64 (`utmp(5)`), and where its seconds are.
const UTMP: usize = 384;
const UTMP_SECONDS: usize = 340;

/// The time that one log tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// How its times are written.
    pub format: TimeFormat,
    /// The first time, as it is written there.
    pub first: String,
    /// The last.
    pub last: String,
    /// Lines, or records, with a time.
    pub entries: u64,
    /// The largest times without an entry, in order: more than 24 times the usual distance, and at least four hours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holes: Vec<Hole>,
    /// How often time goes back by more than a minute: a clock that was set, or lines that were put in.
    pub backward_steps: u64,
    /// Says that only its beginning was looked at.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
    /// First and last in seconds, to compare with its neighbours; none where the year is not written.
    #[serde(skip)]
    pub(super) span: Option<(i64, i64)>,
    /// The usual distance between two entries, in seconds.
    #[serde(skip)]
    pub(super) usual: i64,
}

/// A time without an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// The last time before it, as it is written.
    pub from: String,
    /// The first time after it.
    pub to: String,
    /// Its length.
    pub seconds: u64,
}

/// How a log writes its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum TimeFormat {
    /// RFC 3164: `Nov 23 08:17:01`; local time, no year.
    Syslog,
    /// `2026-11-23T08:17:01+01:00`, `2026-11-23 08:17:01`, `2026/11/23 08:17:01`, with or without brackets.
    Iso,
    /// `[23/Nov/2026:08:17:01 +0100]`.
    CommonLog,
    /// `[Mon Nov 23 08:17:01.123456 2026]`, the error log of Apache.
    Ctime,
    /// `[2026-Nov-23 08:17:01]` of FreePBX, `[23-Nov-2026 08:17:01 UTC]` of PHP.
    NamedMonth,
    /// `msg=audit(1795421821.123:4)`: seconds since 1970.
    Audit,
    /// Records of `utmp(5)`: seconds since 1970.
    Utmp,
}

impl TimeFormat {
    const TEXT: [Self; 6] = [Self::Iso, Self::Syslog, Self::CommonLog, Self::Ctime, Self::NamedMonth, Self::Audit];

    fn has_year(self) -> bool {
        self != Self::Syslog
    }

    /// The seconds and the text of the time at the beginning of a line. Without a year they are those of the year 2000.
    fn read(self, line: &[u8]) -> Option<(i64, &[u8])> {
        let open = line.strip_prefix(b"[").unwrap_or(line);
        match self {
            Self::Iso => iso(open),
            Self::Syslog => syslog(open),
            Self::CommonLog => {
                let at = line.windows(2).position(|two| matches!(two, [b'[', digit] if digit.is_ascii_digit()))?;
                common(line.get(at + 1..)?)
            }
            Self::Ctime => ctime(open),
            Self::NamedMonth => named_month(open),
            Self::Audit => {
                let at = line.windows(10).position(|ten| ten == b"msg=audit(")?;
                let number = line.get(at + 10..)?;
                let length = number.iter().position(|byte| !byte.is_ascii_digit())?;
                let digits = number.get(..length).filter(|digits| (9..=11).contains(&digits.len()))?;
                Some((int(digits)?, digits))
            }
            Self::Utmp => None,
        }
    }
}

fn int(digits: &[u8]) -> Option<i64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

fn month(name: &[u8]) -> Option<i64> {
    const NAMES: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    NAMES.iter().position(|known| known.as_slice() == name).and_then(|at| i64::try_from(at + 1).ok())
}

/// `08:17:01` in seconds.
fn clock(text: &[u8]) -> Option<i64> {
    let [h, hh, b':', m, mm, b':', s, ss] = text.get(..8)? else { return None };
    let (hours, minutes, seconds) = (int(&[*h, *hh])?, int(&[*m, *mm])?, int(&[*s, *ss])?);
    // A leap second is a second.
    (hours < 24 && minutes < 60 && seconds <= 60).then_some(hours * 3600 + minutes * 60 + seconds)
}

/// Seconds from 1970 to the beginning of a day of the Gregorian calendar.
fn day(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(0..=9999).contains(&year) {
        return None;
    }
    // Years begin in March, so that the leap day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some(days * 86_400)
}

/// `+0100`, `-05:30`, `Z`: seconds to take away; nothing for anything else.
fn zone(text: &[u8]) -> i64 {
    let (sign, rest) = match text.split_first() {
        Some((b'+', rest)) => (1, rest),
        Some((b'-', rest)) => (-1, rest),
        _ => return 0,
    };
    let digits: Vec<u8> = rest.iter().copied().filter(|byte| *byte != b':').take(4).collect();
    let (Some(hours), Some(minutes)) = (digits.get(..2).and_then(int), digits.get(2..4).and_then(int)) else {
        return 0;
    };
    sign * (hours * 3600 + minutes * 60)
}

fn iso(text: &[u8]) -> Option<(i64, &[u8])> {
    let [y1, y2, y3, y4, dash, m1, m2, dash2, d1, d2, gap] = text.get(..11)? else { return None };
    if dash != dash2 || !matches!(dash, b'-' | b'/') || !matches!(gap, b' ' | b'T') {
        return None;
    }
    let date = day(int(&[*y1, *y2, *y3, *y4])?, int(&[*m1, *m2])?, int(&[*d1, *d2])?)?;
    let time = clock(text.get(11..)?)?;
    let rest = text.get(19..).unwrap_or_default();
    let fraction = match rest.split_first() {
        Some((b'.' | b',', digits)) => 1 + digits.iter().take_while(|byte| byte.is_ascii_digit()).count(),
        _ => 0,
    };
    let offset = rest.get(fraction..).unwrap_or_default();
    let offset_length = match offset.first() {
        Some(b'Z') => 1,
        Some(b'+' | b'-') if offset.get(3) == Some(&b':') => 6,
        Some(b'+' | b'-') => 5,
        _ => 0,
    };
    let whole = text.get(..19 + fraction + offset_length).or(text.get(..19))?;
    Some((date + time - zone(offset), whole))
}

fn syslog(text: &[u8]) -> Option<(i64, &[u8])> {
    let [n1, n2, n3, b' ', d1, d2, b' '] = text.get(..7)? else { return None };
    let date = if *d1 == b' ' { int(&[*d2])? } else { int(&[*d1, *d2])? };
    // A leap year, so that the 29th of February is a day.
    Some((day(2000, month(&[*n1, *n2, *n3])?, date)? + clock(text.get(7..)?)?, text.get(..15)?))
}

fn common(text: &[u8]) -> Option<(i64, &[u8])> {
    let [d1, d2, b'/', n1, n2, n3, b'/', y1, y2, y3, y4, b':'] = text.get(..12)? else { return None };
    let date = day(int(&[*y1, *y2, *y3, *y4])?, month(&[*n1, *n2, *n3])?, int(&[*d1, *d2])?)?;
    let offset = text.get(21..26).unwrap_or_default();
    Some((date + clock(text.get(12..)?)? - zone(offset), text.get(..26).or(text.get(..20))?))
}

fn ctime(text: &[u8]) -> Option<(i64, &[u8])> {
    let rest = text.get(4..).filter(|_| text.get(3) == Some(&b' '))?;
    let (seconds, _) = syslog(rest)?;
    let after = rest.get(15..)?;
    let fraction = after.iter().position(|byte| *byte == b' ').filter(|length| *length <= 10)?;
    let year = int(after.get(fraction + 1..fraction + 5)?)?;
    let date = day(year, 1, 1)?;
    // Both sides of the leap day: the seconds since the first of March, and those before it, are the same in each year.
    let leap = i64::from(day(year, 3, 1)? - date < day(2000, 3, 1)? - day(2000, 1, 1)?);
    let since = seconds - day(2000, 1, 1)?;
    let late = if since >= day(2000, 3, 1)? - day(2000, 1, 1)? { leap * 86_400 } else { 0 };
    Some((date + since - late, text.get(..4 + 15 + fraction + 5)?))
}

fn named_month(text: &[u8]) -> Option<(i64, &[u8])> {
    let date = text.get(..11)?;
    let (year, name, of_month) = if date.get(4) == Some(&b'-') {
        (date.get(..4)?, date.get(5..8)?, date.get(9..)?)
    } else {
        (date.get(7..)?, date.get(3..6)?, date.get(..2)?)
    };
    Some((day(int(year)?, month(name)?, int(of_month)?)? + clock(text.get(12..)?)?, text.get(..20)?))
}

/// Finds the window of one log, piece by piece.
pub struct WindowFinder {
    is_utmp: bool,
    format: Option<TimeFormat>,
    /// The beginning of the line, or the record, that a piece ended in.
    held: Vec<u8>,
    entries: u64,
    first: Option<(i64, String)>,
    last: Option<(i64, String)>,
    /// The times before and after the largest distances.
    largest: Vec<(i64, i64, String, String)>,
    sum: i64,
    backward_steps: u64,
    /// Added to a log without years each time it comes round to January.
    years: i64,
}

impl WindowFinder {
    /// A finder for the file of that name: `wtmp` and `btmp` are records, everything else is lines.
    pub fn new(file_name: &[u8]) -> Self {
        let is_utmp = file_name.starts_with(b"wtmp") || file_name.starts_with(b"btmp");
        Self {
            is_utmp,
            format: is_utmp.then_some(TimeFormat::Utmp),
            held: Vec::new(),
            entries: 0,
            first: None,
            last: None,
            largest: Vec::new(),
            sum: 0,
            backward_steps: 0,
            years: 0,
        }
    }

    /// Takes the next piece.
    pub fn feed(&mut self, piece: &[u8]) {
        if self.is_utmp {
            return self.feed_records(piece);
        }
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, tail) = rest.split_at(end);
            if self.held.is_empty() {
                self.line(line);
            } else {
                self.hold(line);
                let held = std::mem::take(&mut self.held);
                self.line(&held);
            }
            rest = tail.get(1..).unwrap_or_default();
        }
        self.hold(rest);
    }

    fn hold(&mut self, part: &[u8]) {
        let room = LINE.saturating_sub(self.held.len());
        self.held.extend(part.iter().take(room));
    }

    fn feed_records(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while self.held.len() + rest.len() >= UTMP {
            let (head, tail) = rest.split_at(UTMP - self.held.len());
            self.held.extend_from_slice(head);
            rest = tail;
            let seconds = self.held.get(UTMP_SECONDS..UTMP_SECONDS + 4).and_then(|bytes| bytes.try_into().ok());
            if let Some(seconds) = seconds.map(i32::from_le_bytes).filter(|seconds| *seconds > 0) {
                let text = crate::model::Timestamp::new(seconds.into(), 0).to_string();
                self.entry(seconds.into(), text);
            }
            self.held.clear();
        }
        self.held.extend_from_slice(rest);
    }

    fn line(&mut self, line: &[u8]) {
        let line = line.get(..LINE).unwrap_or(line);
        let found = match self.format {
            Some(format) => format.read(line),
            None => TimeFormat::TEXT.into_iter().find_map(|format| {
                let found = format.read(line)?;
                self.format = Some(format);
                Some(found)
            }),
        };
        let Some((seconds, text)) = found else { return };
        let seconds = if self.format.is_some_and(TimeFormat::has_year) { seconds } else { self.with_year(seconds) };
        self.entry(seconds, crate::model::escape(text));
    }

    /// A log without years goes on: what lies half a year back is the next one.
    fn with_year(&mut self, seconds: i64) -> i64 {
        const YEAR: i64 = 366 * 86_400;
        let now = seconds + self.years * YEAR;
        match &self.last {
            Some((last, _)) if last - now > YEAR / 2 => {
                self.years += 1;
                now + YEAR
            }
            _ => now,
        }
    }

    fn entry(&mut self, seconds: i64, text: String) {
        self.entries += 1;
        if let Some((last, from)) = &self.last {
            let distance = seconds - last;
            if distance >= HOLE {
                self.largest.push((distance, *last, from.clone(), text.clone()));
                if self.largest.len() > HOLES {
                    self.largest.sort_by_key(|hole| -hole.0);
                    self.largest.truncate(HOLES);
                }
            }
            if distance < -DISORDER {
                self.backward_steps += 1;
            }
            self.sum += distance.max(0);
        }
        self.first.get_or_insert_with(|| (seconds, text.clone()));
        self.last = Some((seconds, text));
    }

    /// The window; none where nothing in it is a time. `is_cut` says that there was more.
    pub fn finish(mut self, is_cut: bool) -> Option<Window> {
        if !self.is_utmp && !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.line(&held);
        }
        let format = self.format?;
        let ((first, first_text), (last, last_text)) = (self.first?, self.last?);
        // The holes themselves say nothing about what is usual.
        let in_holes: i64 = self.largest.iter().map(|hole| hole.0).sum();
        let others =
            i64::try_from(self.entries).unwrap_or(i64::MAX) - 1 - i64::try_from(self.largest.len()).unwrap_or(0);
        let usual = if others > 0 { (self.sum - in_holes).max(0) / others } else { 0 };
        let mut holes = self.largest;
        // Two or three entries have no usual distance.
        holes.retain(|hole| others >= 8 && is_hole(hole.0, usual));
        holes.sort_by_key(|hole| hole.1);
        Some(Window {
            format,
            first: first_text,
            last: last_text,
            entries: self.entries,
            holes: holes
                .into_iter()
                .map(|(seconds, _, from, to)| Hole { from, to, seconds: seconds.unsigned_abs() })
                .collect(),
            backward_steps: self.backward_steps,
            is_cut,
            span: format.has_year().then_some((first, last)),
            usual,
        })
    }
}

/// Says whether so many seconds without an entry are more than usual.
pub(super) fn is_hole(seconds: i64, usual: i64) -> bool {
    seconds >= HOLE && seconds >= usual.saturating_mul(USUAL)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn window(text: &str) -> Option<Window> {
        let mut finder = WindowFinder::new(b"log");
        // In pieces, as a stream gives them.
        text.as_bytes().chunks(7).for_each(|piece| finder.feed(piece));
        finder.finish(false)
    }

    #[test]
    fn every_usual_way_to_write_a_time_is_read_and_kept_as_written() {
        const AT: i64 = 1_795_421_821;
        for (line, format, text, seconds) in [
            ("Nov 23 08:17:01 pbx sshd[1]: x", TimeFormat::Syslog, "Nov 23 08:17:01", None),
            ("Nov  3 08:17:01 pbx sshd[1]: x", TimeFormat::Syslog, "Nov  3 08:17:01", None),
            ("2026-11-23T09:17:01.5+01:00 pbx x", TimeFormat::Iso, "2026-11-23T09:17:01.5+01:00", Some(AT)),
            ("2026-11-23 08:17:01 startup archives", TimeFormat::Iso, "2026-11-23 08:17:01", Some(AT)),
            ("2026-11-23 08:17:01,123 fail2ban", TimeFormat::Iso, "2026-11-23 08:17:01,123", Some(AT)),
            ("[2026-11-23 08:17:01] VERBOSE[12] pbx.c", TimeFormat::Iso, "2026-11-23 08:17:01", Some(AT)),
            ("2026/11/23 08:17:01 [error] 1#1", TimeFormat::Iso, "2026/11/23 08:17:01", Some(AT)),
            (
                "192.0.2.1 - - [23/Nov/2026:07:17:01 -0100] \"GET /\"",
                TimeFormat::CommonLog,
                "23/Nov/2026:07:17:01 -0100",
                Some(AT),
            ),
            (
                "[Mon Nov 23 08:17:01.123456 2026] [core:notice]",
                TimeFormat::Ctime,
                "Mon Nov 23 08:17:01.123456 2026",
                Some(AT),
            ),
            ("[2026-Nov-23 08:17:01] [freepbx.INFO]", TimeFormat::NamedMonth, "2026-Nov-23 08:17:01", Some(AT)),
            ("[23-Nov-2026 08:17:01 UTC] PHP Notice", TimeFormat::NamedMonth, "23-Nov-2026 08:17:01", Some(AT)),
            ("type=USER msg=audit(1795421821.123:4): pid=1", TimeFormat::Audit, "1795421821", Some(AT)),
        ] {
            let found = window(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((found.format, found.first.as_str(), found.last.as_str()), (format, text, text), "{line}");
            assert_eq!(found.span.map(|span| span.0), seconds, "{line}");
        }
        assert_eq!(window("nothing\n2026-13-01 00:00:00\n[Foo 12]\n\n"), None);
    }

    #[test]
    fn dates_of_ctime_agree_with_those_of_iso_around_leap_days() {
        for (year, month, name, date) in [
            (2023, 2, "Feb", 28),
            (2023, 3, "Mar", 1),
            (2024, 2, "Feb", 29),
            (2024, 3, "Mar", 1),
            (2025, 12, "Dec", 31),
        ] {
            let one = window(&format!("[Mon {name} {date:02} 10:00:00 {year}] x")).unwrap().span;
            let other = window(&format!("{year}-{month:02}-{date:02} 10:00:00 x")).unwrap().span;
            assert_eq!(one, other, "{year} {name} {date}");
        }
    }

    #[test]
    fn a_night_that_was_cut_out_is_a_hole_and_a_quiet_log_has_none() {
        let mut busy = String::new();
        for hour in (0..24).filter(|hour| !(2..9).contains(hour)) {
            for minute in 0..60 {
                let _ = writeln!(busy, "Nov 23 {hour:02}:{minute:02}:00 pbx cron: x");
            }
        }
        let found = window(&busy).unwrap();
        assert_eq!(found.entries, 17 * 60);
        assert_eq!(found.holes.len(), 1);
        assert_eq!((found.holes[0].from.as_str(), found.holes[0].to.as_str()), ("Nov 23 01:59:00", "Nov 23 09:00:00"));
        let mut quiet = String::new();
        for day in 1..29 {
            let _ = writeln!(quiet, "2026-11-{day:02} 03:00:00 x");
        }
        assert_eq!(window(&quiet).unwrap().holes, []);
    }

    #[test]
    fn december_is_followed_by_january_and_a_clock_that_was_set_back_is_told() {
        let found = window("Dec 31 23:59:59 a\nJan  1 00:00:01 b\nJan  1 00:00:02 c\n").unwrap();
        assert_eq!((found.backward_steps, found.holes.len()), (0, 0));
        assert_eq!(window("2026-11-23 10:00:00\n2026-11-23 08:00:00\n").unwrap().backward_steps, 1);
    }

    #[test]
    fn logins_are_records_of_384_bytes() {
        let mut finder = WindowFinder::new(b"wtmp.1");
        let mut bytes = Vec::new();
        for seconds in [1_795_421_821_i32, 0, 1_795_425_421] {
            let mut record = vec![0; UTMP];
            record[UTMP_SECONDS..UTMP_SECONDS + 4].copy_from_slice(&seconds.to_le_bytes());
            bytes.extend(record);
        }
        bytes.extend([1; 100]);
        bytes.chunks(1000).for_each(|piece| finder.feed(piece));
        let found = finder.finish(false).unwrap();
        assert_eq!((found.entries, found.first.as_str()), (2, "2026-11-23T08:17:01Z"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_hold_more_than_a_line(pieces: Vec<Vec<u8>>, name in "wtmp|log") {
            let mut finder = WindowFinder::new(name.as_bytes());
            for piece in &pieces {
                finder.feed(piece);
                assert!(finder.held.len() < UTMP.max(LINE + 1));
            }
            finder.finish(false);
        }

        #[test]
        fn almost_times_are_no_reason_to_panic(line in "\\[?[0-9A-Z][0-9a-zA-Z:/. +,-]{0,40}") {
            window(&line);
        }
    }
}
