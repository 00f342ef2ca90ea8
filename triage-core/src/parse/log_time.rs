//! The times that logs write, as seconds.
//!
//! A time that names its zone is a point in time; any other is the host's local one and stays so: nothing is guessed. A time without a
//! year (RFC 3164) is compared with others of its log only.

/// A time as a log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogTime {
    /// Seconds since 1970, of UTC where the zone is known, else of the host's clock as if that were UTC. Without a year they are those of the year 2000.
    pub seconds: i64,
    /// Seconds that the log's clock is ahead of UTC, where the log says so.
    pub offset: Option<i32>,
    /// Says that the year is written.
    pub has_year: bool,
}

impl LogTime {
    fn local(seconds: i64) -> Self {
        Self { seconds, offset: None, has_year: true }
    }

    /// Seconds on the clock that wrote it.
    pub fn on_its_clock(self) -> i64 {
        self.seconds + i64::from(self.offset.unwrap_or(0))
    }
}

fn digit(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}

fn two(bytes: &[u8]) -> Option<i64> {
    match bytes {
        [a, b] => Some(digit(*a)? * 10 + digit(*b)?),
        _ => None,
    }
}

fn four(bytes: &[u8]) -> Option<i64> {
    match bytes {
        [a, b, c, d] => Some(two(&[*a, *b])? * 100 + two(&[*c, *d])?),
        _ => None,
    }
}

fn month(name: &[u8]) -> Option<i64> {
    Some(match name {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    })
}

/// Seconds from 1970 to the beginning of a day of the Gregorian calendar.
pub fn day(year: i64, month: i64, day: i64) -> Option<i64> {
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

/// `08:17:01` in seconds.
fn clock(text: &[u8]) -> Option<i64> {
    let [h, hh, b':', m, mm, b':', s, ss] = text.get(..8)? else { return None };
    let (hours, minutes, seconds) = (two(&[*h, *hh])?, two(&[*m, *mm])?, two(&[*s, *ss])?);
    // A leap second is a second.
    (hours < 24 && minutes < 60 && seconds <= 60).then_some(hours * 3600 + minutes * 60 + seconds)
}

/// `+0100`, `-05:30`, `Z`.
fn zone(text: &[u8]) -> Option<i32> {
    let (sign, rest) = match text.split_first()? {
        (b'Z', _) => return Some(0),
        (b'+', rest) => (1, rest),
        (b'-', rest) => (-1, rest),
        _ => return None,
    };
    let minutes = if rest.get(2) == Some(&b':') { rest.get(3..5)? } else { rest.get(2..4)? };
    let seconds = two(rest.get(..2)?)? * 3600 + two(minutes)? * 60;
    i32::try_from(sign * seconds).ok()
}

/// `23/Nov/2026:08:17:01 +0100`, as the access logs of Apache and nginx have it.
pub fn common(text: &[u8]) -> Option<LogTime> {
    let [d1, d2, b'/', n1, n2, n3, b'/', y1, y2, y3, y4, b':'] = text.get(..12)? else { return None };
    let date = day(four(&[*y1, *y2, *y3, *y4])?, month(&[*n1, *n2, *n3])?, two(&[*d1, *d2])?)?;
    let offset = zone(text.get(21..26)?)?;
    let seconds = date + clock(text.get(12..20)?)? - i64::from(offset);
    Some(LogTime { seconds, offset: Some(offset), has_year: true })
}

/// `2026-11-23 08:17:01`, `2026/11/23T08:17:01.123+01:00`; a zone where there is one.
pub fn iso(text: &[u8]) -> Option<LogTime> {
    let [y1, y2, y3, y4, dash, m1, m2, dash2, d1, d2, gap] = text.get(..11)? else { return None };
    if dash != dash2 || !matches!(dash, b'-' | b'/') || !matches!(gap, b' ' | b'T') {
        return None;
    }
    let date = day(four(&[*y1, *y2, *y3, *y4])?, two(&[*m1, *m2])?, two(&[*d1, *d2])?)?;
    let seconds = date + clock(text.get(11..)?)?;
    let rest = text.get(19..).unwrap_or_default();
    let fraction = match rest.split_first() {
        Some((b'.' | b',', digits)) => 1 + digits.iter().take_while(|byte| byte.is_ascii_digit()).count(),
        _ => 0,
    };
    match rest.get(fraction..).and_then(zone) {
        Some(offset) => Some(LogTime { seconds: seconds - i64::from(offset), offset: Some(offset), has_year: true }),
        None => Some(LogTime::local(seconds)),
    }
}

/// `Nov 23 08:17:01` (RFC 3164): no year.
pub fn syslog(text: &[u8]) -> Option<LogTime> {
    let [n1, n2, n3, b' ', d1, d2, b' '] = text.get(..7)? else { return None };
    let date = if *d1 == b' ' { digit(*d2)? } else { two(&[*d1, *d2])? };
    // A leap year, so that the 29th of February is a day.
    let seconds = day(2000, month(&[*n1, *n2, *n3])?, date)? + clock(text.get(7..)?)?;
    Some(LogTime { seconds, offset: None, has_year: false })
}

/// `Mon Nov 23 08:17:01.123456 2026`, as Apache's error log has it.
pub fn ctime(text: &[u8]) -> Option<LogTime> {
    let rest = text.get(4..).filter(|_| text.get(3) == Some(&b' '))?;
    let [n1, n2, n3, b' ', d1, d2, b' '] = rest.get(..7)? else { return None };
    let date = if *d1 == b' ' { digit(*d2)? } else { two(&[*d1, *d2])? };
    let of_day = clock(rest.get(7..)?)?;
    let after = rest.get(15..)?;
    let fraction = after.iter().position(|byte| *byte == b' ').filter(|length| *length <= 10)?;
    let year = four(after.get(fraction + 1..fraction + 5)?)?;
    Some(LogTime::local(day(year, month(&[*n1, *n2, *n3])?, date)? + of_day))
}

/// `2026-Nov-23 08:17:01` of `FreePBX`, `23-Nov-2026 08:17:01 Europe/Berlin` of PHP.
pub fn named_month(text: &[u8]) -> Option<LogTime> {
    let date = text.get(..11)?;
    let (year, name, of_month) = if date.get(4) == Some(&b'-') {
        (date.get(..4)?, date.get(5..8)?, date.get(9..)?)
    } else {
        (date.get(7..)?, date.get(3..6)?, date.get(..2)?)
    };
    let seconds = day(four(year)?, month(name)?, two(of_month)?)? + clock(text.get(12..)?)?;
    // PHP names its zone; only this one says how far from UTC it is.
    let offset = text.get(20..24).filter(|zone| *zone == b" UTC").map(|_| 0);
    Some(LogTime { seconds, offset, has_year: true })
}

/// The time at the beginning of a line, in brackets or not, in any of the ways above but that of access logs.
pub fn leading(line: &[u8]) -> Option<LogTime> {
    let text = line.strip_prefix(b"[").unwrap_or(line);
    match text.first()? {
        b'0'..=b'9' => iso(text).or_else(|| named_month(text)),
        _ => syslog(text).or_else(|| ctime(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_795_421_821;

    #[test]
    fn every_way_to_write_one_time_gives_the_same_seconds() {
        for (text, offset) in [
            (&b"[2026-11-23 08:17:01] VERBOSE[1]"[..], None),
            (b"2026-11-23T09:17:01.5+01:00 pbx", Some(3600)),
            (b"2026/11/23 08:17:01 [error]", None),
            (b"2026-11-23 08:17:01,123 fail2ban", None),
            (b"[Mon Nov 23 08:17:01.123456 2026] [core]", None),
            (b"[2026-Nov-23 08:17:01] [freepbx.INFO]", None),
            (b"[23-Nov-2026 08:17:01 UTC] PHP", Some(0)),
        ] {
            let time = leading(text).unwrap();
            assert_eq!((time.seconds, time.offset), (AT, offset), "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(common(b"23/Nov/2026:07:17:01 -0100] \"GET").unwrap().seconds, AT);
        let short = syslog(b"Feb 29 00:00:01 pbx").unwrap();
        assert!(!short.has_year && short.seconds == 951_782_401);
    }

    #[test]
    fn what_is_no_time_is_none_and_nothing_panics() {
        for text in
            [&b""[..], b"[", b"2026-13-01 00:00:00", b"Foo 23 08:17:01", b"23/Nov/2026:25:00:00 +0000", b"\xff\xfe"]
        {
            assert_eq!((leading(text), common(text)), (None, None), "{text:?}");
        }
        let text = b"[Mon Nov 23 08:17:01.123456 2026]";
        for end in 0..text.len() {
            let _ = leading(text.get(..end).unwrap_or_default());
        }
    }
}
