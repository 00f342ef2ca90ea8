//! `utmp`, `wtmp` and `btmp` (`utmp(5)`): who is logged in, who was, who failed to.
//!
//! The files have no header, and their layout is that of the machine that wrote them: 384 bytes an entry where 64-bit programs
//! share it with 32-bit ones (x86-64, 32-bit machines, POWER, s390x), 400 where they do not (aarch64), each in either byte order.
//! The layout that makes the most sense of the first entries is taken. Layouts: glibc's `bits/types/struct_utmp.h`.

use super::Limits;
use super::bytes::{Endian, array, piece, until_nul};
use super::unpack::unpack;
use crate::model::{EvidencePath, Gap, GapReason, Login, LoginKind, Outcome, RawText, Timestamp};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How an entry is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    size: usize,
    endian: Endian,
}

/// The most common first: of equally good ones the first is taken.
const LAYOUTS: [Layout; 4] = [
    Layout { size: 384, endian: Endian::Little },
    Layout { size: 400, endian: Endian::Little },
    Layout { size: 384, endian: Endian::Big },
    Layout { size: 400, endian: Endian::Big },
];

/// How many entries the layout is judged by.
const JUDGED: usize = 200;

/// What an entry says, apart from its place.
struct Entry<'a> {
    kind: i16,
    pid: i32,
    line: &'a [u8],
    user: &'a [u8],
    host: &'a [u8],
    time: Timestamp,
    address: Option<IpAddr>,
}

/// Reads one of the three files, gzipped or not. Entries of terminals that nobody uses (`ut_type` 0, all else too) are left out;
/// an entry of zeros in the midst of others is [`LoginKind::Zeroed`].
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Login>> {
    let mut gaps = Vec::new();
    let mut gap = |reason, detail: String| gaps.push(Gap::new(path.clone(), reason, detail));
    let (bytes, trouble) = unpack(bytes);
    if let Some(trouble) = trouble {
        gap(GapReason::Unreadable, trouble.to_owned());
    }
    let Some(layout) = layout(&bytes) else {
        if !bytes.is_empty() {
            gap(GapReason::Unreadable, "no layout of a login database makes sense of it".to_owned());
        }
        return Outcome { value: Vec::new(), gaps };
    };
    let mut logins = Vec::new();
    let mut senseless = 0_u64;
    let entries = bytes.chunks_exact(layout.size);
    let rest = entries.remainder().len();
    for (raw, number) in entries.zip(1_u64..) {
        let Some(login) = login(path, raw, layout, number) else {
            senseless += 1;
            continue;
        };
        if login.event == LoginKind::Empty {
            continue;
        }
        if logins.len() >= limits.max_records {
            gap(GapReason::LimitReached, format!("more than {} records", limits.max_records));
            break;
        }
        logins.push(login);
    }
    if senseless > 0 {
        gap(GapReason::Unreadable, format!("{senseless} entries make no sense"));
    }
    if rest > 0 {
        gap(
            GapReason::Unreadable,
            format!("the last {rest} bytes are no whole entry: it was cut off, or is being written"),
        );
    }
    Outcome { value: logins, gaps }
}

fn login(path: &EvidencePath, raw: &[u8], layout: Layout, number: u64) -> Option<Login> {
    let entry = entry(raw, layout)?;
    let event = if raw.iter().all(|&b| b == 0) { LoginKind::Zeroed } else { kind(entry.kind)? };
    Some(Login {
        path: path.clone(),
        entry: number,
        event,
        time: entry.time,
        end: None,
        user: RawText::from(entry.user),
        line: RawText::from(entry.line),
        host: RawText::from(entry.host),
        address: entry.address,
        pid: Some(entry.pid).filter(|&pid| pid != 0),
        service: RawText::default(),
    })
}

/// `ut_type`, as `bits/utmp.h` numbers it.
fn kind(number: i16) -> Option<LoginKind> {
    Some(match number {
        0 => LoginKind::Empty,
        1 => LoginKind::RunLevel,
        2 => LoginKind::Boot,
        3 => LoginKind::NewTime,
        4 => LoginKind::OldTime,
        5 => LoginKind::Init,
        6 => LoginKind::LoginProcess,
        7 => LoginKind::User,
        8 => LoginKind::Dead,
        9 => LoginKind::Accounting,
        _ => return None,
    })
}

fn entry(raw: &[u8], Layout { size, endian }: Layout) -> Option<Entry<'_>> {
    let (seconds, microseconds, address) = if size == 400 {
        (endian.i64(raw, 344)?, endian.i64(raw, 352)?, array::<16>(raw, 360)?)
    } else {
        // The 32 bits are read without a sign: glibc means to go on with them until 2106.
        (i64::from(endian.u32(raw, 340)?), i64::from(endian.i32(raw, 344)?), array::<16>(raw, 348)?)
    };
    let nanoseconds = u32::try_from(microseconds).ok().and_then(|us| us.checked_mul(1000)).unwrap_or(0);
    Some(Entry {
        kind: endian.u16(raw, 0)?.cast_signed(),
        pid: endian.i32(raw, 4)?,
        line: until_nul(piece(raw, 8, 32)?),
        user: until_nul(piece(raw, 44, 32)?),
        host: until_nul(piece(raw, 76, 256)?),
        time: Timestamp::new(seconds, nanoseconds),
        address: address_of(address),
    })
}

/// `ut_addr_v6` is in network order whatever the machine; an IPv4 address is the first four bytes.
fn address_of(raw: [u8; 16]) -> Option<IpAddr> {
    let [a, b, c, d, rest @ ..] = raw;
    if rest != [0; 12] {
        return Some(IpAddr::V6(Ipv6Addr::from(raw)));
    }
    ([a, b, c, d] != [0; 4]).then(|| IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
}

/// The layout that makes the most sense of the first entries; none where no entry makes sense in any.
fn layout(bytes: &[u8]) -> Option<Layout> {
    let mut best = None;
    for layout in LAYOUTS {
        let (mut good, mut seen) = (0_usize, 0_usize);
        for raw in bytes.chunks_exact(layout.size).take(JUDGED) {
            seen += 1;
            good += usize::from(is_sensible(raw, layout));
        }
        // In parts of 1000, so that a longer entry is not worse for being fewer.
        let score =
            (good * 1000).checked_div(seen).unwrap_or(0) * 2 + usize::from(bytes.len().is_multiple_of(layout.size));
        if good > 0 && best.is_none_or(|(other, _)| score > other) {
            best = Some((score, layout));
        }
    }
    best.map(|(_, layout)| layout)
}

/// Zeros make sense in every layout; else the kind, the bytes that pad it, the microseconds and the text have to.
fn is_sensible(raw: &[u8], layout: Layout) -> bool {
    let Some(entry) = entry(raw, layout) else { return false };
    if raw.iter().all(|&b| b == 0) {
        return true;
    }
    let is_text = |text: &[u8]| text.iter().all(|&b| b >= 0x20 && b != 0x7f);
    let microseconds =
        if layout.size == 400 { layout.endian.i64(raw, 352) } else { layout.endian.i32(raw, 344).map(i64::from) };
    // 1980 to 2106, or not set.
    let is_time = entry.time.seconds() == 0 || (315_532_800..i64::from(u32::MAX)).contains(&entry.time.seconds());
    kind(entry.kind).is_some()
        && is_time
        && microseconds.is_some_and(|us| (0..1_000_000).contains(&us))
        && is_text(entry.line)
        && entry.pid >= 0
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An entry in a layout, as a machine of that kind would write it.
    pub(in crate::parse) fn write(
        (size, is_big): (usize, bool),
        kind: i16,
        (user, line, host): (&str, &str, &str),
        (seconds, microseconds): (i64, i64),
        address: &[u8],
    ) -> Vec<u8> {
        fn put<const N: usize>(out: &mut [u8], at: usize, mut little: [u8; N], is_big: bool) {
            if is_big {
                little.reverse();
            }
            out[at..at + N].copy_from_slice(&little);
        }
        let mut out = vec![0; size];
        put(&mut out, 0, kind.to_le_bytes(), is_big);
        put(&mut out, 4, 4321_i32.to_le_bytes(), is_big);
        out[8..8 + line.len()].copy_from_slice(line.as_bytes());
        out[44..44 + user.len()].copy_from_slice(user.as_bytes());
        out[76..76 + host.len()].copy_from_slice(host.as_bytes());
        let at = if size == 400 {
            put(&mut out, 344, seconds.to_le_bytes(), is_big);
            put(&mut out, 352, microseconds.to_le_bytes(), is_big);
            360
        } else {
            put(&mut out, 340, i32::try_from(seconds).unwrap().to_le_bytes(), is_big);
            put(&mut out, 344, i32::try_from(microseconds).unwrap().to_le_bytes(), is_big);
            348
        };
        out[at..at + address.len()].copy_from_slice(address);
        out
    }

    fn read(bytes: &[u8]) -> Outcome<Vec<Login>> {
        parse(&EvidencePath::new("/var/log/wtmp").unwrap(), bytes, &Limits::default())
    }

    const EVE: (&str, &str, &str) = ("eve", "pts/0", "attacker.example.org");

    #[test]
    fn every_layout_is_told_by_its_bytes() {
        for layout in [(384, false), (384, true), (400, false), (400, true)] {
            let mut bytes = write(layout, 2, ("reboot", "~", "6.1.0"), (1_767_323_000, 5), &[]);
            for n in 0..9 {
                bytes.extend(write(layout, 7, EVE, (1_767_323_045 + n, 250_000), &[192, 0, 2, 7]));
            }
            let outcome = read(&bytes);
            assert_eq!(outcome.gaps, [], "{layout:?}");
            assert_eq!(outcome.value.len(), 10, "{layout:?}");
            let login = &outcome.value[1];
            assert_eq!((login.event, login.pid, login.entry), (LoginKind::User, Some(4321), 2));
            assert_eq!(login.time.to_string(), "2026-01-02T03:04:05.25Z");
            assert_eq!((login.user.as_bytes(), login.host.as_bytes()), (&b"eve"[..], &b"attacker.example.org"[..]));
            assert_eq!(login.address, Some("192.0.2.7".parse().unwrap()));
        }
    }

    #[test]
    fn an_address_of_version_6_is_whole() {
        let address: Ipv6Addr = "2001:db8::17".parse().unwrap();
        let login = read(&write((384, false), 7, EVE, (1_767_323_045, 0), &address.octets())).value.remove(0);
        assert_eq!(login.address, Some(IpAddr::V6(address)));
    }

    #[test]
    fn log_cleaner_leaves_zeros_and_they_are_told() {
        let one = write((384, false), 7, EVE, (1_767_323_045, 0), &[]);
        let outcome = read(&[one.clone(), vec![0; 384], one].concat());
        let events: Vec<_> = outcome.value.iter().map(|login| login.event).collect();
        assert_eq!(events, [LoginKind::User, LoginKind::Zeroed, LoginKind::User]);
        assert_eq!(outcome.value[1].entry, 2);
    }

    #[test]
    fn a_cut_entry_is_a_gap_and_hides_no_other() {
        let bytes = write((384, false), 7, EVE, (1_767_323_045, 0), &[]).repeat(3);
        let outcome = read(&bytes[..384 * 2 + 100]);
        assert_eq!((outcome.value.len(), outcome.gaps.len()), (2, 1));
        assert!(outcome.gaps[0].detail.contains("the last 100 bytes"), "{}", outcome.gaps[0]);
    }

    #[test]
    fn text_is_no_login_database() {
        let outcome = read(&b"Jan  2 03:04:05 host sshd[1]: Accepted password\n".repeat(40));
        assert_eq!((outcome.value.len(), outcome.gaps.len()), (0, 1));
    }
}
