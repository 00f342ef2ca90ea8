//! Digests besides SHA-256, made from the bytes that pass to the bundle anyway.

use crate::sweep::ExtraDigests;
use sha1::Digest as _;
use std::fmt::Write as _;
use std::io::{self, Read};

/// The digests that were asked for, of what they have seen so far.
pub(super) struct Digests {
    md5: Option<md5::Md5>,
    sha1: Option<sha1::Sha1>,
}

impl Digests {
    pub(super) fn new(wanted: ExtraDigests) -> Self {
        Self { md5: wanted.md5.then(md5::Md5::default), sha1: wanted.sha1.then(sha1::Sha1::default) }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
    }

    pub(super) fn update_zeros(&mut self, mut count: u64) {
        let zeros = [0; 4096];
        while count > 0 && (self.md5.is_some() || self.sha1.is_some()) {
            let most = usize::try_from(count).unwrap_or(usize::MAX).min(zeros.len());
            self.update(zeros.get(..most).unwrap_or_default());
            count -= most as u64;
        }
    }

    /// `reader`, of whose bytes the first `size` are seen: what is beyond them is not stored.
    pub(super) fn watch<'a>(&'a mut self, size: u64, reader: &'a mut dyn Read) -> Watch<'a> {
        Watch { digests: self, left: size, reader }
    }

    /// MD5 and SHA-1 in lower-case hexadecimal digits.
    pub(super) fn finish(self) -> (Option<String>, Option<String>) {
        (self.md5.map(|md5| hex(&md5.finalize())), self.sha1.map(|sha1| hex(&sha1.finalize())))
    }
}

pub(super) struct Watch<'a> {
    digests: &'a mut Digests,
    left: u64,
    reader: &'a mut dyn Read,
}

impl Read for Watch<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let counted = usize::try_from(self.left).unwrap_or(usize::MAX).min(read);
        self.digests.update(buffer.get(..counted).unwrap_or_default());
        self.left -= counted as u64;
        Ok(read)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_of_the_stored_bytes_also_of_a_file_that_grew_or_shrank() {
        let wanted = ExtraDigests { md5: true, sha1: true };
        // RFC 1321 and FIPS 180-2 for `abc`; the reader has grown by then.
        let mut digests = Digests::new(wanted);
        let mut out = Vec::new();
        digests.watch(3, &mut &b"abcdef"[..]).read_to_end(&mut out).unwrap();
        assert_eq!(
            digests.finish(),
            (
                Some("900150983cd24fb0d6963f7d28e17f72".to_owned()),
                Some("a9993e364706816aba3e25717850c26c9cd0d89d".to_owned())
            )
        );
        let (mut short, mut whole) = (Digests::new(wanted), Digests::new(wanted));
        short.update(b"ab");
        short.update_zeros(5000);
        whole.update(&[b"ab".as_slice(), &[0; 5000]].concat());
        assert_eq!(short.finish(), whole.finish());
        assert_eq!(Digests::new(ExtraDigests::default()).finish(), (None, None));
    }
}
