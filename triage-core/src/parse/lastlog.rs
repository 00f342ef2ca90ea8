//! `lastlog(8)`: the last login of each account, at the place that its user id gives.
//!
//! An entry is the time, 32 bytes of terminal and 256 of host (glibc's `bits/utmp.h`); the time has four bytes where `wtmp` has entries
//! of 384, else eight. The file is sparse, so empty entries are skipped.

use super::Limits;
use super::bytes::{Endian, piece, until_nul};
use super::unpack::unpack;
use crate::model::{EvidencePath, Gap, GapReason, Login, LoginKind, Outcome, RawText, Timestamp};

/// Bytes of the time, and which of them comes first. The most common first.
const LAYOUTS: [(usize, Endian); 4] = [(4, Endian::Little), (8, Endian::Little), (4, Endian::Big), (8, Endian::Big)];

const TEXT: usize = 32 + 256;

/// Reads the file. `entry` of each record is the user id.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Login>> {
    let mut gaps = Vec::new();
    let mut gap = |reason, detail: String| gaps.push(Gap::new(path.clone(), reason, detail));
    let (bytes, trouble) = unpack(bytes);
    if let Some(trouble) = trouble {
        gap(GapReason::Unreadable, trouble.to_owned());
    }
    let mut best: Option<(usize, (usize, Endian))> = None;
    for layout in LAYOUTS {
        let bad: usize = used(&bytes, layout).take(1000).map(|(_, raw)| badness(raw, layout)).sum();
        let score = bad * 2 + usize::from(!bytes.len().is_multiple_of(layout.0 + TEXT));
        if best.is_none_or(|(other, _)| score < other) {
            best = Some((score, layout));
        }
    }
    let mut logins = Vec::new();
    let Some((_, layout)) = best else { return Outcome { value: logins, gaps } };
    let mut senseless = 0_u64;
    for (uid, raw) in used(&bytes, layout) {
        let Some((time, line, host)) = entry(raw, layout) else {
            senseless += 1;
            continue;
        };
        if logins.len() >= limits.max_records {
            gap(GapReason::LimitReached, format!("more than {} records", limits.max_records));
            break;
        }
        logins.push(Login {
            path: path.clone(),
            entry: uid,
            event: LoginKind::Last,
            time,
            end: None,
            user: RawText::default(),
            line: RawText::from(line),
            host: RawText::from(host),
            address: None,
            pid: None,
            service: RawText::default(),
        });
    }
    if senseless > 0 {
        gap(GapReason::Unreadable, format!("{senseless} entries make no sense"));
    }
    let rest = bytes.len() % (layout.0 + TEXT);
    if rest > 0 {
        gap(GapReason::Unreadable, format!("the last {rest} bytes are no whole entry"));
    }
    Outcome { value: logins, gaps }
}

/// The entries that are not all zeros, with their user ids.
fn used(bytes: &[u8], (width, _): (usize, Endian)) -> impl Iterator<Item = (u64, &[u8])> {
    (0..).zip(bytes.chunks_exact(width + TEXT)).filter(|(_, raw)| raw.iter().any(|&b| b != 0))
}

/// How little sense an entry makes: a time after 2038 is likelier one whose bytes are read from the wrong end.
fn badness(raw: &[u8], layout: (usize, Endian)) -> usize {
    match entry(raw, layout) {
        Some((time, ..)) => usize::from(time.seconds() > i64::from(i32::MAX)),
        None => 2,
    }
}

/// Time, terminal and host of an entry that makes sense.
fn entry(raw: &[u8], (width, endian): (usize, Endian)) -> Option<(Timestamp, &[u8], &[u8])> {
    let seconds = if width == 8 { endian.i64(raw, 0)? } else { i64::from(endian.u32(raw, 0)?) };
    let (line, host) = (until_nul(piece(raw, width, 32)?), until_nul(piece(raw, width + 32, 256)?));
    let is_text = |text: &[u8]| text.iter().all(|&b| b >= 0x20 && b != 0x7f);
    // 1980 to 2106.
    let is_time = (315_532_800..i64::from(u32::MAX)).contains(&seconds);
    (is_time && is_text(line) && is_text(host)).then(|| (Timestamp::new(seconds, 0), line, host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(width: usize, is_big: bool, seconds: i64, host: &str) -> Vec<u8> {
        let mut time = seconds.to_le_bytes()[..width].to_vec();
        if is_big {
            time.reverse();
        }
        let mut out = vec![0; width + TEXT];
        out[..width].copy_from_slice(&time);
        out[width..width + 5].copy_from_slice(b"pts/1");
        out[width + 32..width + 32 + host.len()].copy_from_slice(host.as_bytes());
        out
    }

    fn read(bytes: &[u8]) -> Outcome<Vec<Login>> {
        parse(&EvidencePath::new("/var/log/lastlog").unwrap(), bytes, &Limits::default())
    }

    #[test]
    fn the_place_is_the_user_id_in_every_layout() {
        for (width, is_big) in [(4, false), (4, true), (8, false), (8, true)] {
            let mut bytes = write(width, is_big, 1_767_323_045, "192.0.2.1");
            bytes.extend(vec![0; (width + TEXT) * 999]);
            bytes.extend(write(width, is_big, 1_767_323_046, "h.example.org"));
            let outcome = read(&bytes);
            assert_eq!(outcome.gaps, []);
            let found: Vec<_> = outcome.value.iter().map(|l| (l.entry, l.time.seconds(), l.host.to_string())).collect();
            let expected =
                [(0, 1_767_323_045, "192.0.2.1".to_owned()), (1000, 1_767_323_046, "h.example.org".to_owned())];
            assert_eq!(found, expected, "{width} {is_big}");
        }
    }

    #[test]
    fn a_cut_file_keeps_what_is_whole() {
        let bytes = [write(4, false, 1_767_323_045, "a"), write(4, false, 1_767_323_045, "b")].concat();
        let outcome = read(&bytes[..bytes.len() - 1]);
        assert_eq!((outcome.value.len(), outcome.gaps.len()), (1, 1));
    }

    #[test]
    fn garbage_is_a_gap_and_no_login() {
        let outcome = read(&[0xff; 292 * 50]);
        assert_eq!(outcome.value, []);
        assert!(outcome.gaps[0].detail.contains("make no sense"), "{:?}", outcome.gaps);
    }
}
