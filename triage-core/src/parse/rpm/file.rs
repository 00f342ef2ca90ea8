//! A package file of rpm: a lead of 96 bytes, a header of signatures, the header of the package, and the compressed payload (`rpm`'s
//! `docs/manual/format.md`).
//!
//! No signature is checked here: who wants to know whether it is genuine holds the digests of its files against a database.

use super::super::bytes::{Endian, piece};
use super::header::Header;
use super::{Installed, installed};
use crate::model::EvidencePath;
use thiserror::Error;

const LEAD: usize = 96;
const LEAD_MAGIC: &[u8] = b"\xed\xab\xee\xdb";
const HEADER_MAGIC: &[u8] = b"\x8e\xad\xe8\x01\0\0\0\0";
/// The most files that are read of one package; kernels and firmware have some thousands.
const MAX_FILES: usize = 200_000;
const SOURCE: u16 = 1;

/// A package file: what its header says, and where its payload begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageFile {
    /// The package and its files, as for one that is installed.
    pub package: Installed,
    /// Where the compressed payload begins.
    pub payload: usize,
}

/// Why bytes are no package file that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct FileError(&'static str);

/// Says whether bytes begin as a package file does.
pub fn is_rpm(bytes: &[u8]) -> bool {
    bytes.starts_with(LEAD_MAGIC)
}

/// Reads the headers. `path` is what the package's own record is said to lie in.
///
/// # Errors
/// [`FileError`].
pub fn read(path: &EvidencePath, bytes: &[u8]) -> Result<PackageFile, FileError> {
    let lead = piece(bytes, 0, LEAD).filter(|lead| is_rpm(lead)).ok_or(FileError("no package of rpm"))?;
    if Endian::Big.u16(lead, 6) == Some(SOURCE) {
        return Err(FileError("a source package, which holds no files of a host"));
    }
    let signatures = header_at(bytes, LEAD).ok_or(FileError("its header of signatures is damaged"))?;
    let start = signatures.end.next_multiple_of(8);
    let main = header_at(bytes, start).ok_or(FileError("its header is damaged"))?;
    let payload = main.end;
    let header = bytes.get(main).and_then(Header::read).ok_or(FileError("its header makes no sense"))?;
    if header.has_bad_files {
        return Err(FileError("the list of its files makes no sense"));
    }
    let package = installed(path, &header, MAX_FILES).ok_or(FileError("its header has no name"))?;
    Ok(PackageFile { package, payload })
}

/// The bytes of a header's index and store, without the magic before them.
fn header_at(bytes: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let start = at.checked_add(HEADER_MAGIC.len())?;
    if piece(bytes, at, HEADER_MAGIC.len())? != HEADER_MAGIC {
        return None;
    }
    let count = usize::try_from(Endian::Big.u32(bytes, start)?).ok()?;
    let length = usize::try_from(Endian::Big.u32(bytes, start + 4)?).ok()?;
    let end = start.checked_add(8)?.checked_add(count.checked_mul(16)?)?.checked_add(length)?;
    (end <= bytes.len()).then_some(start..end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn at() -> EvidencePath {
        EvidencePath::new("/p.rpm").unwrap()
    }

    #[test]
    fn a_cut_or_altered_package_is_refused_and_never_makes_it_fall() {
        assert!(read(&at(), b"").is_err());
        assert!(read(&at(), LEAD_MAGIC).is_err());
        let mut endless = LEAD_MAGIC.to_vec();
        endless.resize(LEAD, 0);
        endless.extend_from_slice(HEADER_MAGIC);
        endless.extend_from_slice(&[0xff; 8]);
        assert_eq!(read(&at(), &endless), Err(FileError("its header of signatures is damaged")));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fall(tail in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = LEAD_MAGIC.to_vec();
            bytes.resize(LEAD, 0);
            bytes.extend_from_slice(HEADER_MAGIC);
            bytes.extend(tail);
            let _ = read(&at(), &bytes);
        }
    }
}
