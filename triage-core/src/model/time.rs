//! Points in time, as file systems give them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A point in time in UTC: seconds and nanoseconds since 1970, as `statx(2)` gives it.
///
/// RFC 3339 in text and JSON, with as many fractional digits as are not zero. Any 64-bit second can be held, because an
/// intruder can `touch` a file into the year 292 277 026 596; a time that RFC 3339 cannot say is written `@seconds.nanoseconds`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanoseconds: u32,
}

/// Text that is not a time.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not an RFC 3339 time")]
pub struct TimestampError(String);

/// Where the library learns what time it is: from outside, so that a test can say.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

impl Timestamp {
    /// A point `seconds` and `nanoseconds` (below 1 000 000 000, more is cut to that) after 1970-01-01T00:00:00Z.
    pub fn new(seconds: i64, nanoseconds: u32) -> Self {
        Self { seconds, nanoseconds: nanoseconds.min(999_999_999) }
    }

    /// Whole seconds since 1970, negative before.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds within the second.
    pub fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// `20260102T030405Z`, for names of bundles and runs.
    pub fn compact(self) -> String {
        self.to_string().chars().take(19).filter(|c| !matches!(c, '-' | ':')).chain(['Z']).collect()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::new(self.seconds, self.nanoseconds.cast_signed()) {
            Ok(time) => fmt::Display::fmt(&time, f),
            Err(_) => write!(f, "@{}.{:09}", self.seconds, self.nanoseconds),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let wrong = || TimestampError(super::escape(text.as_bytes()));
        if let Some(raw) = text.strip_prefix('@') {
            let (seconds, nanoseconds) = raw.split_once('.').ok_or_else(wrong)?;
            let seconds = seconds.parse().map_err(|_| wrong())?;
            let nanoseconds = nanoseconds.parse().map_err(|_| wrong())?;
            return Ok(Self::new(seconds, nanoseconds));
        }
        let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
        // jiff rounds towards zero and gives a negative fraction before 1970; the file system counts from below.
        let total = time.as_nanosecond();
        let seconds = i64::try_from(total.div_euclid(1_000_000_000)).map_err(|_| wrong())?;
        let nanoseconds = u32::try_from(total.rem_euclid(1_000_000_000)).map_err(|_| wrong())?;
        Ok(Self::new(seconds, nanoseconds))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_survive_text_also_before_1970_and_far_off() {
        for time in [
            Timestamp::new(0, 0),
            Timestamp::new(1_767_323_045, 123_456_789),
            Timestamp::new(-1, 1),
            Timestamp::new(-86_400, 999_999_999),
            Timestamp::new(i64::MAX, 5),
            Timestamp::new(i64::MIN, 0),
        ] {
            assert_eq!(time.to_string().parse(), Ok(time), "{time}");
        }
        assert_eq!(Timestamp::new(1_767_323_045, 500_000_000).to_string(), "2026-01-02T03:04:05.5Z");
    }

    #[test]
    fn compact_form_sorts_and_has_no_separators() {
        assert_eq!(Timestamp::new(1_767_323_045, 9).compact(), "20260102T030405Z");
    }
}
