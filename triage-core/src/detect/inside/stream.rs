//! Compressed streams: gzip (RFC 1952), Zstandard (RFC 8878), xz (the .xz file format 1.2). Each holds one content, often a tar.

use super::ArchiveMember;
use super::budget::{Decoded, Spent};
use super::format::{Format, HEAD};
use super::part::text;
use super::trouble::Why;
use super::walk::{Judge, Walk};
use crate::source::XzDecoder;
use std::io::{self, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Logarithm of the largest window of a Zstandard frame: what `zstd -19` makes is below.
const WINDOW_LOG: u32 = 25;
/// The largest dictionary of an xz stream, in bytes: that of `xz -9`.
const DICTIONARY: u64 = 64 << 20;
/// The same of a stream in another, because they are held at once: that of `xz -7`.
const INNER_DICTIONARY: u64 = 16 << 20;

/// Goes through a stream. What it holds is a member if it is no tar.
pub(super) fn walk<J: Judge + ?Sized>(
    walk: &mut Walk<'_, J>,
    format: Format,
    reader: &mut dyn Read,
    (archive, file): (&[u8], &[u8]),
    depth: u16,
) -> Result<(), Spent> {
    let budget = walk.budget.clone();
    let opened = open(format, BufReader::with_capacity(1 << 16, reader), depth);
    let mut decoded = match opened {
        Ok(decoder) => Decoded::new(decoder, &budget),
        Err(error) => return walk.broken(&error, archive),
    };
    let mut head = Vec::new();
    let begun = (&mut decoded).take(HEAD as u64).read_to_end(&mut head);
    if let Err(error) = begun {
        // What gives nothing at all is no stream, whatever its first bytes say.
        if !decoded.is_begun() && Spent::of(&error).is_none() {
            return Ok(());
        }
        let why = Spent::of(&error).map_or_else(|| Ok(Why::Damaged(text(&error))), Err)?;
        walk.troubles.add(why, archive);
        let mut rest = head.as_slice();
        return walk.member(ArchiveMember::new(archive, inner_name(file)), &mut rest, depth + 1);
    }
    let mut content = head.as_slice().chain(decoded);
    if Format::of_head(&head) == Some(Format::Tar) {
        return super::tar::walk(walk, &mut content, archive, depth);
    }
    walk.member(ArchiveMember::new(archive, inner_name(file)), &mut content, depth + 1)
}

fn open<'r>(format: Format, reader: BufReader<&'r mut dyn Read>, depth: u16) -> io::Result<Box<dyn Read + 'r>> {
    Ok(match format {
        Format::Xz => {
            Box::new(XzDecoder::new(reader).with_dictionary(if depth == 0 { DICTIONARY } else { INNER_DICTIONARY }))
        }
        Format::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(reader)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Box::new(decoder)
        }
        _ => Box::new(Gzip { inner: flate2::bufread::MultiGzDecoder::new(reader), is_begun: false, is_over: false }),
    })
}

/// gzip as `gzip -d` reads it: what follows the last member and is none is ignored.
struct Gzip<R> {
    inner: flate2::bufread::MultiGzDecoder<R>,
    is_begun: bool,
    is_over: bool,
}

impl<R: io::BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_over {
            return Ok(0);
        }
        let inner = &mut self.inner;
        let read = catch_unwind(AssertUnwindSafe(|| inner.read(buffer)))
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::InvalidData, "the decoder failed on it")));
        match read {
            Ok(read) => {
                self.is_begun |= read > 0;
                self.is_over = read == 0 && !buffer.is_empty();
                Ok(read)
            }
            Err(error) if self.is_begun && error.to_string().contains("gzip header") => {
                self.is_over = true;
                Ok(0)
            }
            Err(error) => {
                self.is_over = true;
                Err(error)
            }
        }
    }
}

/// The name of what a compressed file holds: without the ending that says how it is compressed.
fn inner_name(file: &[u8]) -> &[u8] {
    let dot = file.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0);
    let ending = dot.and_then(|dot| file.get(dot + 1..)).unwrap_or_default().to_ascii_lowercase();
    match dot {
        Some(dot) if matches!(&*ending, b"gz" | b"xz" | b"zst" | b"z" | b"zstd") => file.get(..dot).unwrap_or(file),
        _ if file.is_empty() => b"content",
        _ => file,
    }
}
