//! Local times of a host in UTC, by the host's own zone.
//!
//! Call records and many logs have the host's local time and no zone. A zone is never guessed: it is the evidence's `/etc/localtime`, or nothing
//! is said. Where a clock was put back an hour is there twice, and where it was put forward one is missing; both are told.

use crate::model::{TimeNote, Timestamp};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use std::fmt;

/// The largest zone file, in bytes; the largest genuine one has 4 KiB.
const MAX_BYTES: usize = 1 << 16;

/// A host's time zone.
#[derive(Clone)]
pub struct LocalZone(TimeZone);

impl LocalZone {
    /// UTC itself, which a host has that has no `/etc/localtime`.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone of a zone file (RFC 8536); none where it is none.
    pub fn from_tzif(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_BYTES {
            return None;
        }
        // The reader of others sees hostile bytes here.
        let read = std::panic::catch_unwind(|| TimeZone::tzif("", bytes).ok());
        read.ok().flatten().map(Self)
    }

    /// A time as databases and logs write it, `2026-01-02 03:04:05` with or without a fraction, in UTC; none where it is no time.
    pub fn resolve(&self, text: &[u8]) -> Option<(Timestamp, Option<TimeNote>)> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= 40)?;
        let local: DateTime = text.trim().parse().ok()?;
        let ambiguous = self.0.to_ambiguous_timestamp(local);
        let note = match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => None,
            AmbiguousOffset::Fold { .. } => Some(TimeNote::Twice),
            AmbiguousOffset::Gap { .. } => Some(TimeNote::Never),
        };
        let time = ambiguous.compatible().ok()?;
        let total = time.as_nanosecond();
        let seconds = i64::try_from(total.div_euclid(1_000_000_000)).ok()?;
        let nanoseconds = u32::try_from(total.rem_euclid(1_000_000_000)).ok()?;
        Some((Timestamp::new(seconds, nanoseconds), note))
    }
}

impl fmt::Debug for LocalZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalZone")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A zone file of version 2 that has nothing but a rule.
    pub(crate) fn zone_file(rule: &str) -> Vec<u8> {
        let header = |types: u8| {
            let mut header = b"TZif2".to_vec();
            header.extend([0; 15]);
            for count in [0, 0, 0, 0, types, 4 * types] {
                header.extend([0, 0, 0, count]);
            }
            header
        };
        let mut file = header(1);
        file.extend(b"\0\0\0\0\0\0UTC\0");
        file.extend(header(1));
        file.extend(b"\0\0\0\0\0\0UTC\0");
        file.extend(format!("\n{rule}\n").bytes());
        file
    }

    #[test]
    fn an_hour_that_was_there_twice_and_one_that_never_was_are_said() {
        let zone = LocalZone::from_tzif(&zone_file("CET-1CEST,M3.5.0,M10.5.0/3")).unwrap();
        let at = |text: &str| zone.resolve(text.as_bytes()).map(|(time, note)| (time.to_string(), note));
        assert_eq!(at("2026-01-02 03:04:05"), Some(("2026-01-02T02:04:05Z".into(), None)));
        assert_eq!(at("2026-07-02T03:04:05.5"), Some(("2026-07-02T01:04:05.5Z".into(), None)));
        assert_eq!(at("2026-10-25 02:30:00"), Some(("2026-10-25T00:30:00Z".into(), Some(TimeNote::Twice))));
        assert_eq!(at("2026-03-29 02:30:00"), Some(("2026-03-29T01:30:00Z".into(), Some(TimeNote::Never))));
        for wrong in
            ["", "0000-00-00 00:00:00", "2026-13-01 00:00:00", "now", "99999999999999999999999999999999999999999"]
        {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_hostile_zone_file_is_no_zone() {
        for bytes in [&b""[..], b"TZif", b"TZif2", &[0xff; 100], &vec![b'T'; MAX_BYTES + 1]] {
            assert!(LocalZone::from_tzif(bytes).is_none());
        }
        let whole = zone_file("CET-1CEST,M3.5.0,M10.5.0/3");
        for end in 0..whole.len() {
            let _ = LocalZone::from_tzif(&whole[..end]);
        }
    }
}
