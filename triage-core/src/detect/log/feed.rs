//! Logs line by line, whole or in the parts that a large file comes in, packed or not.
//!
//! A line that lies across the edge of two parts is seen once, and whole. What is packed is unpacked as it passes: memory is one line and the
//! window of the decoder, whatever the log unpacks to.

use crate::model::{EvidencePath, Gap, GapReason};
use crate::source::XzDecoder;
use crate::sweep::{Swept, Window};
use memchr::memchr;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// The most bytes that one packed log is read of.
const UNPACKED: u64 = 1 << 30;
/// The longest line, in bytes; of a longer one its beginning is read.
const LINE: usize = 64 << 10;
/// Logarithm of the largest window of a Zstandard frame.
const WINDOW_LOG: u32 = 27;
/// Bytes that are unpacked at a time.
const CHUNK: usize = 256 << 10;
/// Packed bytes that are given to a decoder at a time, so that what comes of them (1,032 bytes for one, 32,768 for one) fits into memory.
const GZIP_STEP: usize = 16 << 10;
const ZSTD_STEP: usize = 1 << 10;
/// The largest log that is packed with xz, in bytes.
const XZ: usize = 64 << 20;

/// Who takes the lines of one log.
pub(in crate::detect) trait LineSink: Send {
    /// Takes the next line, without its line end; `number` counts from 1.
    fn line(&mut self, number: u64, text: &[u8]);
}

/// Cuts bytes into lines.
struct Lines<S> {
    sink: S,
    held: Vec<u8>,
    number: u64,
    /// Bytes that came so far.
    taken: u64,
    most: u64,
}

impl<S: LineSink> Lines<S> {
    fn new(sink: S, most: u64) -> Self {
        Self { sink, held: Vec::new(), number: 0, taken: 0, most }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.taken += bytes.len() as u64;
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            let (line, tail) = rest.split_at_checked(end).unwrap_or((rest, b""));
            self.number += 1;
            if self.held.is_empty() {
                self.sink.line(self.number, line.get(..LINE).unwrap_or(line));
            } else {
                self.hold(line);
                self.sink.line(self.number, &self.held);
                self.held.clear();
            }
            rest = tail.get(1..).unwrap_or_default();
        }
        self.hold(rest);
    }

    /// Takes what a decoder wrote, as far as the limit allows.
    fn take(&mut self, unpacked: &mut Vec<u8>) -> Result<(), (GapReason, String)> {
        let room = usize::try_from(self.most.saturating_sub(self.taken)).unwrap_or(usize::MAX);
        self.feed(unpacked.get(..room).unwrap_or(unpacked));
        let is_over = unpacked.len() > room;
        unpacked.clear();
        let why =
            || (GapReason::LimitReached, format!("unpacks to more than {} bytes; the rest was not read", self.most));
        if is_over { Err(why()) } else { Ok(()) }
    }

    fn hold(&mut self, part: &[u8]) {
        let room = LINE.saturating_sub(self.held.len());
        self.held.extend_from_slice(part.get(..room).unwrap_or(part));
    }

    fn finish(mut self) -> S {
        if !self.held.is_empty() {
            self.number += 1;
            self.sink.line(self.number, &self.held);
        }
        self.sink
    }
}

/// How a log is packed.
enum Packed {
    No,
    Gzip(Box<flate2::write::MultiGzDecoder<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Vec<u8>>>),
    /// Its decoder only reads, so what there is of it is kept until its end.
    Xz(Vec<u8>),
}

/// A log that is being read.
struct Feed<S> {
    lines: Lines<S>,
    packed: Packed,
    /// Bytes of the file that were taken.
    at: u64,
    trouble: Option<(GapReason, String)>,
}

impl<S: LineSink> Feed<S> {
    /// For a file that begins with these bytes.
    fn of(head: &[u8], sink: S, most: u64) -> Self {
        let mut trouble = None;
        let packed = match head {
            [0x1f, 0x8b, ..] => Packed::Gzip(Box::new(flate2::write::MultiGzDecoder::new(Vec::new()))),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Packed::Xz(Vec::new()),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let made = zstd::stream::write::Decoder::new(Vec::new()).and_then(|mut decoder| {
                    decoder.window_log_max(WINDOW_LOG)?;
                    Ok(decoder)
                });
                match made {
                    Ok(decoder) => Packed::Zstd(Box::new(decoder)),
                    Err(error) => {
                        trouble = Some(damaged(&error));
                        Packed::No
                    }
                }
            }
            _ => Packed::No,
        };
        let most = if matches!(packed, Packed::No) { u64::MAX } else { most };
        Self { lines: Lines::new(sink, most), packed, at: 0, trouble }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.at += bytes.len() as u64;
        if self.trouble.is_some() {
            return;
        }
        let Self { lines, packed, .. } = self;
        let result = match packed {
            Packed::No => {
                lines.feed(bytes);
                Ok(())
            }
            Packed::Gzip(decoder) => bytes.chunks(GZIP_STEP).try_for_each(|part| {
                let written = guarded(|| decoder.write_all(part));
                written.and(lines.take(decoder.get_mut()))
            }),
            Packed::Zstd(decoder) => bytes.chunks(ZSTD_STEP).try_for_each(|part| {
                let written = guarded(|| decoder.write_all(part));
                written.and(lines.take(decoder.get_mut()))
            }),
            Packed::Xz(held) if held.len() + bytes.len() > XZ => {
                Err((GapReason::LimitReached, format!("packed with xz, and larger than {XZ} bytes")))
            }
            Packed::Xz(held) => {
                held.extend_from_slice(bytes);
                Ok(())
            }
        };
        self.trouble = result.err();
    }

    fn finish(mut self) -> (S, Option<(GapReason, String)>) {
        let Self { lines, packed, trouble, .. } = &mut self;
        let result = match packed {
            _ if trouble.is_some() => Ok(()),
            Packed::No => Ok(()),
            Packed::Gzip(decoder) => {
                let ended = guarded(|| decoder.try_finish());
                ended.and(lines.take(decoder.get_mut()))
            }
            Packed::Zstd(decoder) => {
                let ended = guarded(|| decoder.flush());
                ended.and(lines.take(decoder.get_mut()))
            }
            Packed::Xz(held) => {
                let mut reader = XzDecoder::new(held.as_slice());
                let mut chunk = vec![0; CHUNK];
                loop {
                    match guarded(|| reader.read(&mut chunk)) {
                        Ok(0) => break Ok(()),
                        Ok(read) => {
                            let mut part = chunk.get(..read).unwrap_or_default().to_vec();
                            if let Err(why) = lines.take(&mut part) {
                                break Err(why);
                            }
                        }
                        Err(why) => break Err(why),
                    }
                }
            }
        };
        let trouble = self.trouble.or(result.err());
        (self.lines.finish(), trouble)
    }
}

/// The decoders of others read hostile bytes in there.
fn guarded<T>(work: impl FnOnce() -> io::Result<T>) -> Result<T, (GapReason, String)> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| damaged(&error)),
        Err(_) => Err((GapReason::Unreadable, "the unpacker failed on it".to_owned())),
    }
}

fn damaged(error: &io::Error) -> (GapReason, String) {
    (GapReason::Unreadable, format!("cannot be unpacked to its end: {error}"))
}

/// The logs that are being read, each by one thread at a time.
pub(in crate::detect) struct Feeds<S> {
    open: Mutex<HashMap<EvidencePath, Feed<S>>>,
}

impl<S> Default for Feeds<S> {
    fn default() -> Self {
        Self { open: Mutex::default() }
    }
}

impl<S: LineSink> Feeds<S> {
    /// Takes a part of a large file; `sink` makes who takes its lines, once.
    pub(in crate::detect) fn part(&self, window: &Window<'_>, sink: impl FnOnce() -> S) {
        let path = window.file.path;
        let known = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
        let mut feed = match known {
            Some(feed) if feed.at >= window.offset => feed,
            _ => Feed::of(window.bytes, sink(), UNPACKED),
        };
        // Parts overlap.
        let seen = usize::try_from(feed.at.saturating_sub(window.offset)).unwrap_or(usize::MAX);
        feed.feed(window.bytes.get(seen..).unwrap_or_default());
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), feed);
    }

    /// Takes a file whose content is here, or that came in parts before. None where nothing of it was read.
    pub(in crate::detect) fn file(&self, file: &Swept<'_>, sink: impl FnOnce() -> S, gaps: &mut Vec<Gap>) -> Option<S> {
        let known = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(file.path);
        let feed = match file.content {
            Some(content) => {
                let mut feed = Feed::of(content, sink(), UNPACKED);
                feed.feed(content);
                feed
            }
            None => known?,
        };
        let (sink, trouble) = feed.finish();
        gaps.extend(trouble.map(|(reason, detail)| Gap::new(file.path.clone(), reason, detail)));
        Some(sink)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::{FileKind, FileMeta, Mode};
    use base64::Engine as _;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Kept(Vec<(u64, Vec<u8>)>);

    impl LineSink for Kept {
        fn line(&mut self, number: u64, text: &[u8]) {
            self.0.push((number, text.to_vec()));
        }
    }

    fn read(bytes: &[u8], step: usize, most: u64) -> (Vec<(u64, Vec<u8>)>, Option<GapReason>) {
        let mut feed = Feed::of(bytes, Kept::default(), most);
        bytes.chunks(step).for_each(|part| feed.feed(part));
        let (sink, trouble) = feed.finish();
        (sink.0, trouble.map(|(reason, _)| reason))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn packed_logs_give_the_same_lines_in_pieces_of_any_size() {
        let text: Vec<u8> = (0..5000).flat_map(|n| format!("line {n}\n").into_bytes()).chain(*b"end").collect();
        let (plain, trouble) = read(&text, 4096, u64::MAX);
        assert_eq!((plain.len(), trouble), (5001, None));
        let members = [gzip(text.get(..777).unwrap()), gzip(text.get(777..).unwrap())].concat();
        for packed in [gzip(&text), members, zstd::encode_all(&*text, 3).unwrap()] {
            for step in [1, 7, 100_000] {
                assert_eq!(read(&packed, step, u64::MAX), (plain.clone(), None));
            }
        }
    }

    #[test]
    fn a_log_that_is_packed_with_xz_is_read_at_its_end() {
        // What `xz -1` makes of two lines.
        let packed = base64::engine::general_purpose::STANDARD
            .decode("/Td6WFoAAATm1rRGAgAhARAAAACocI6GAQAMZmlyc3QKc2Vjb25kCgAAAABsPc58h/0pFgABJQ1xGcS2H7bzfQEAAAAABFla")
            .unwrap();
        let (lines, trouble) = read(&packed, 5, u64::MAX);
        assert_eq!(lines, [(1, b"first".to_vec()), (2, b"second".to_vec())]);
        assert_eq!(trouble, None);
    }

    #[test]
    fn compression_bomb_is_cut_at_the_limit() {
        for bomb in [gzip(&vec![b'\n'; 8 << 20]), zstd::encode_all(&*vec![b'\n'; 8 << 20], 19).unwrap()] {
            let (lines, trouble) = read(&bomb, 4096, 1 << 20);
            assert_eq!((lines.len(), trouble), (1 << 20, Some(GapReason::LimitReached)));
        }
    }

    #[test]
    fn a_packed_log_without_its_end_is_read_as_far_as_it_goes() {
        let text: Vec<u8> = (0..50_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let packed = gzip(&text);
        let (lines, trouble) = read(packed.get(..packed.len() / 2).unwrap(), 4096, u64::MAX);
        assert!(lines.len() > 1000 && trouble == Some(GapReason::Unreadable), "{} {trouble:?}", lines.len());
    }

    #[test]
    fn a_line_without_end_is_cut_and_the_next_is_read() {
        let text = [vec![b'a'; 1 << 20], b"\nb\n".to_vec()].concat();
        let (lines, _) = read(&text, 10_000, u64::MAX);
        assert_eq!(lines.iter().map(|(number, text)| (*number, text.len())).collect::<Vec<_>>(), [(1, LINE), (2, 1)]);
    }

    proptest! {
        #[test]
        fn overlapping_parts_show_each_line_once_and_whole(
            text in "[ab\n]{0,200}", size in 4_usize..40, overlap in 0_usize..3,
        ) {
            let (path, meta) = (EvidencePath::new("/l").unwrap(), FileMeta::bare(FileKind::File, Mode::new(0o644), 0));
            let file = || Swept { path: &path, meta: &meta, sha256: None, content: None };
            let feeds = Feeds::<Kept>::default();
            let mut at = 0;
            while let Some(rest) = text.as_bytes().get(at..).filter(|rest| !rest.is_empty()) {
                let bytes = rest.get(..size).unwrap_or(rest);
                let window = Window { file: file(), offset: at as u64, lines_before: 0, bytes, is_last: false };
                feeds.part(&window, Kept::default);
                if bytes.len() == rest.len() { break }
                at += size - overlap;
            }
            let mut gaps = Vec::new();
            let lines = feeds.file(&file(), Kept::default, &mut gaps).map(|kept| kept.0).unwrap_or_default();
            let mut expected: Vec<Vec<u8>> = text.split('\n').map(|line| line.as_bytes().to_vec()).collect();
            if expected.last().is_some_and(Vec::is_empty) { expected.pop(); }
            prop_assert_eq!(lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>(), expected);
        }
    }
}
