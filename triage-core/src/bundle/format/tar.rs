//! Tar members (POSIX.1-2001): owner 0, mode 0600, an extended header where the name does not fit the old one, so that the
//! same input gives the same bytes.

use super::super::BundleError;
use super::{Archive, Committed};
use std::io;
use tar::{EntryType, Header};

const BLOCK: u64 = 512;
const ZEROS: [u8; 1024] = [0; 1024];
/// Uncompressed bytes in one frame of a seekable stream.
pub(crate) const MAX_FRAME: usize = 4 << 20;

/// What compresses a tar.
pub(in crate::bundle) trait Stream: Send {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Sees to it that what was written so far can be decoded, whatever becomes of what follows.
    fn checkpoint(&mut self) -> io::Result<()>;
    /// Sees to it that what follows begins a part that can be decoded alone, to the end of the stream.
    fn last_part(&mut self) -> io::Result<()>;
    fn finish(self) -> Result<Committed, BundleError>;
}

pub(in crate::bundle) struct TarArchive<S> {
    stream: S,
    root: String,
    position: u64,
    /// Bytes of padding that the open member needs.
    padding: u64,
}

impl<S: Stream> TarArchive<S> {
    pub(super) fn new(stream: S, root: &str) -> Self {
        Self { stream, root: root.to_owned(), position: 0, padding: 0 }
    }

    /// Goes on behind what the stream holds already.
    pub(in crate::bundle) fn resume(stream: S, root: &str, position: u64) -> Self {
        Self { stream, root: root.to_owned(), position, padding: 0 }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write(bytes)?;
        self.position += u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }

    fn put_padding(&mut self, count: u64) -> io::Result<()> {
        let count = usize::try_from(count).unwrap_or(0).min(ZEROS.len());
        self.put(ZEROS.get(..count).unwrap_or_default())
    }

    fn header(kind: EntryType, name: &[u8], prefix: &[u8], size: u64, mtime: i64) -> Header {
        let mut header = Header::new_ustar();
        if let Some(ustar) = header.as_ustar_mut() {
            for (to, from) in ustar.name.iter_mut().zip(name) {
                *to = *from;
            }
            for (to, from) in ustar.prefix.iter_mut().zip(prefix) {
                *to = *from;
            }
        }
        header.set_entry_type(kind);
        header.set_mode(0o600);
        header.set_uid(0);
        header.set_gid(0);
        // A size of 8 GiB and more is written in base 256, which GNU tar, libarchive and Python read.
        header.set_size(size);
        // The record has the exact time; 11 octal digits are what every reader takes.
        header.set_mtime(u64::try_from(mtime).unwrap_or(0).min(0o77_777_777_777));
        header.set_cksum();
        header
    }
}

/// Splits a name into the two fields of the old header; `None` where it does not fit or is not ASCII.
fn split(name: &str) -> Option<(&[u8], &[u8])> {
    if !name.is_ascii() {
        return None;
    }
    if name.len() <= 100 {
        return Some((b"", name.as_bytes()));
    }
    name.match_indices('/')
        .filter_map(|(at, _)| name.split_at_checked(at))
        .map(|(prefix, rest)| (prefix.as_bytes(), rest.get(1..).unwrap_or_default().as_bytes()))
        .find(|(prefix, rest)| prefix.len() <= 155 && (1..=100).contains(&rest.len()))
}

/// One record of an extended header: `length key=value\n`, where the length counts itself.
fn record(key: &str, value: &str) -> String {
    let bare = key.len() + value.len() + 3;
    let mut length = bare + 1;
    while length != bare + length.to_string().len() {
        length = bare + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

impl<S: Stream> Archive for TarArchive<S> {
    fn begin(&mut self, name: &str, size: u64, mtime_seconds: i64) -> io::Result<u64> {
        let begin = self.position;
        let name = format!("{}/{name}", self.root);
        if let Some((prefix, base)) = split(&name) {
            let header = Self::header(EntryType::Regular, base, prefix, size, mtime_seconds);
            self.put(header.as_bytes())?;
        } else {
            let extended = record("path", &name);
            let length = u64::try_from(extended.len()).unwrap_or(0);
            let header = Self::header(EntryType::XHeader, b"PaxHeader", b"", length, 0);
            self.put(header.as_bytes())?;
            self.put(extended.as_bytes())?;
            self.put_padding(length.next_multiple_of(BLOCK) - length)?;
            let header = Self::header(EntryType::Regular, b"see-PaxHeader", b"", size, mtime_seconds);
            self.put(header.as_bytes())?;
        }
        self.padding = size.next_multiple_of(BLOCK) - size;
        Ok(begin)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.put(bytes)
    }

    fn end(&mut self) -> io::Result<()> {
        let padding = std::mem::take(&mut self.padding);
        self.put_padding(padding)
    }

    fn checkpoint(&mut self) -> io::Result<()> {
        self.stream.checkpoint()
    }

    fn begin_index(&mut self) -> io::Result<bool> {
        self.stream.last_part()?;
        Ok(true)
    }

    fn finish(mut self: Box<Self>) -> Result<Committed, BundleError> {
        self.put(&ZEROS).map_err(super::writing)?;
        self.stream.finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_extended_record_counts_its_own_length() {
        for length in [1, 80, 88, 89, 90, 91, 92, 985, 986, 987, 988, 989] {
            let record = record("path", &"x".repeat(length));
            assert_eq!(record.split_once(' ').unwrap().0.parse::<usize>().unwrap(), record.len());
        }
    }

    #[test]
    fn a_name_of_256_bytes_fits_the_old_header_only_where_a_slash_allows() {
        let name = format!("{}/{}", "a".repeat(155), "b".repeat(100));
        assert_eq!(split(&name), Some(("a".repeat(155).as_bytes(), "b".repeat(100).as_bytes())));
        assert_eq!(split(&format!("{}/{}", "a".repeat(50), "b".repeat(101))), None);
        assert_eq!(split("grün"), None);
    }
}
