//! A package file of `dpkg`: an archive of `ar` with `debian-binary`, `control.tar` and `data.tar` (`deb(5)`).
//!
//! Only the outline is read here: which bytes are the control part and which are the files. Nothing in such a file says who made it;
//! who wants to know asks a database that has its digests.

use std::ops::Range;
use thiserror::Error;

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60;
/// A package has three members; a few more are allowed (`_gpgorigin`).
const MAX_MEMBERS: usize = 16;

/// Where the parts of a package file are in its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deb {
    /// `control.tar`, compressed or not.
    pub control: Range<usize>,
    /// `data.tar`, compressed or not.
    pub data: Range<usize>,
}

/// Why bytes are no package file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DebError {
    /// Not an archive of `ar`.
    #[error("no archive of ar")]
    NotAnArchive,
    /// Its members do not fit the bytes.
    #[error("the archive is damaged at byte {0}")]
    Damaged(usize),
    /// It lacks a part, has it twice, or is of a version that is not known.
    #[error("{0}")]
    NotAPackage(&'static str),
}

/// Says whether bytes begin as a package file does.
pub fn is_deb(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC) && bytes.get(MAGIC.len()..).is_some_and(|rest| rest.starts_with(b"debian-binary"))
}

/// Reads the outline.
///
/// # Errors
/// [`DebError`]. A member that stands twice is an error: readers differ in which they take.
pub fn parse(bytes: &[u8]) -> Result<Deb, DebError> {
    if !bytes.starts_with(MAGIC) {
        return Err(DebError::NotAnArchive);
    }
    let (mut control, mut data, mut version) = (None, None, None);
    let mut at = MAGIC.len();
    for _ in 0..MAX_MEMBERS {
        if at >= bytes.len() {
            break;
        }
        let header = bytes.get(at..at.saturating_add(HEADER)).ok_or(DebError::Damaged(at))?;
        let size = field(header, 48, 10).filter(|_| header.ends_with(b"`\n"));
        let size = size.and_then(|text| std::str::from_utf8(text).ok()?.parse::<usize>().ok());
        let start = at + HEADER;
        let end = size.and_then(|size| start.checked_add(size)).filter(|end| *end <= bytes.len());
        let range = start..end.ok_or(DebError::Damaged(at))?;
        let name = field(header, 0, 16).unwrap_or_default();
        let name = name.strip_suffix(b"/").unwrap_or(name);
        let place = match name {
            b"debian-binary" => Some(&mut version),
            name if name.starts_with(b"control.tar") => Some(&mut control),
            name if name.starts_with(b"data.tar") => Some(&mut data),
            _ => None,
        };
        if let Some(place) = place
            && place.replace(range.clone()).is_some()
        {
            return Err(DebError::NotAPackage("a part of the package stands in it twice"));
        }
        // Members begin at even places.
        at = range.end + range.end % 2;
    }
    if at < bytes.len() {
        return Err(DebError::NotAPackage("it has more members than a package"));
    }
    let version = version.and_then(|range: Range<usize>| bytes.get(range)).unwrap_or_default();
    if !version.starts_with(b"2.") {
        return Err(DebError::NotAPackage("it is no package of version 2"));
    }
    match (control, data) {
        (Some(control), Some(data)) => Ok(Deb { control, data }),
        _ => Err(DebError::NotAPackage("it has no control.tar or no data.tar")),
    }
}

fn field(header: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    header.get(at..at + length).map(<[u8]>::trim_ascii_end)
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        for (name, content) in members {
            out.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "100644", content.len()).bytes());
            out.extend_from_slice(content);
            if content.len() % 2 == 1 {
                out.push(b'\n');
            }
        }
        out
    }

    #[test]
    fn the_parts_are_found_whatever_they_are_packed_with() {
        let bytes = ar(&[("debian-binary", b"2.0\n"), ("control.tar.xz", b"abc"), ("data.tar.zst", b"defg")]);
        assert!(is_deb(&bytes));
        let deb = parse(&bytes).unwrap();
        assert_eq!((&bytes[deb.control], &bytes[deb.data]), (&b"abc"[..], &b"defg"[..]));
    }

    #[test]
    fn a_second_data_part_that_another_reader_would_take_is_refused() {
        let twice = ar(&[("debian-binary", b"2.0\n"), ("control.tar", b""), ("data.tar", b"a"), ("data.tar.gz", b"b")]);
        assert!(matches!(parse(&twice), Err(DebError::NotAPackage(_))));
        let many = ar(&[("x", &b""[..]); 40]);
        assert!(matches!(parse(&many), Err(DebError::NotAPackage(_))));
        let future = ar(&[("debian-binary", b"3.0\n"), ("control.tar", b""), ("data.tar", b"")]);
        assert!(matches!(parse(&future), Err(DebError::NotAPackage(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fall(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in 0..300_usize) {
            let _ = parse(&bytes);
            let whole = ar(&[("debian-binary", b"2.0\n"), ("control.tar", &bytes), ("data.tar", &bytes)]);
            let _ = parse(&whole[..cut.min(whole.len())]);
            prop_assert!(parse(&whole).is_ok());
        }
    }
}
