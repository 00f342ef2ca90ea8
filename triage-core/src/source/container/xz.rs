//! xz (the .xz file format 1.2) through `lzma-rust2`, which is safe Rust and holds one dictionary in memory.
//!
//! The dictionary's size is a claim of the file: one that is larger than any that `xz -9` makes by a factor of eight is refused
//! before it is reserved. A panic of the crate is an error of the stream and nothing more.

use lzma_rust2::XzReader;
use std::io::{self, BufRead, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Largest dictionary, in bytes.
const MAX_DICTIONARY: u64 = 512 << 20;
/// Length of the header of a stream, before its first block.
const STREAM_HEADER: usize = 12;

/// Decodes one stream or several.
pub(crate) struct Decoder<R: Read> {
    state: State<R>,
    /// The largest dictionary that is reserved, in bytes.
    dictionary: u64,
}

enum State<R: Read> {
    /// Nothing was read: the first block's header has not been looked at.
    New(R),
    Open(Box<XzReader<R>>),
    Broken,
}

impl<R: BufRead> Decoder<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { state: State::New(inner), dictionary: MAX_DICTIONARY }
    }

    /// The same with a bound of its own on the memory that a dictionary takes.
    #[must_use]
    pub(crate) fn with_dictionary(self, most: u64) -> Self {
        Self { dictionary: most, ..self }
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let State::New(_) = &self.state
            && let State::New(mut inner) = std::mem::replace(&mut self.state, State::Broken)
        {
            // The buffer is larger than the two headers, so that looking takes nothing from the stream.
            if dictionary(inner.fill_buf()?).is_some_and(|size| size > self.dictionary) {
                let detail = format!("its dictionary is larger than {} bytes", self.dictionary);
                return Err(io::Error::new(io::ErrorKind::InvalidData, detail));
            }
            self.state = State::Open(Box::new(XzReader::new(inner, true)));
        }
        let State::Open(reader) = &mut self.state else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the xz stream is damaged"));
        };
        let read = catch_unwind(AssertUnwindSafe(|| reader.read(buffer)));
        read.unwrap_or_else(|_| {
            self.state = State::Broken;
            Err(io::Error::new(io::ErrorKind::InvalidData, "the xz decoder failed on this stream"))
        })
    }
}

/// The size of the dictionary that the first block asks for (section 5.3.1); none where it is no LZMA2 block.
fn dictionary(head: &[u8]) -> Option<u64> {
    let block = head.get(STREAM_HEADER..)?;
    let (&length, &flags) = (block.first()?, block.get(1)?);
    if length == 0 {
        return None;
    }
    let mut at = 2;
    // The two optional sizes are numbers of 7 bits a byte.
    for _ in 0..usize::from(flags & 0x40 != 0) + usize::from(flags & 0x80 != 0) {
        while block.get(at)? & 0x80 != 0 {
            at += 1;
        }
        at += 1;
    }
    for _ in 0..=usize::from(flags & 3) {
        let (&filter, &length) = (block.get(at)?, block.get(at + 1)?);
        if filter == 0x21 {
            let bits = u32::from(*block.get(at + 2)? & 0x3f);
            return Some(if bits >= 40 { u64::from(u32::MAX) } else { (2 | u64::from(bits & 1)) << (bits / 2 + 11) });
        }
        at += 2 + usize::from(length);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn giant_dictionary_is_refused_before_it_is_reserved() {
        let head = |bits: u8| {
            let mut bytes = b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46".to_vec();
            bytes.extend([2, 0, 0x21, 1, bits, 0, 0, 0, 0, 0, 0, 0]);
            bytes
        };
        assert_eq!(dictionary(&head(28)), Some(64 << 20));
        let giant = head(40);
        assert_eq!(dictionary(&giant), Some(u64::from(u32::MAX)));
        let error = Decoder::new(giant.as_slice()).read(&mut [0; 16]).unwrap_err();
        assert!(error.to_string().contains("dictionary"), "{error}");
        assert_eq!(dictionary(b"\xfd7zXZ\0"), None);
    }
}
