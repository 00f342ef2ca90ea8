//! Reading a seekable Zstandard stream at places: only the frames that hold what is wanted are decoded.
//!
//! Neither the seek table nor the frames are trusted: sizes are bounded, and what does not decode to its stated size is damaged.

use crate::source::Backing;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use zeekstd::SeekTable;
use zstd::zstd_safe;

/// Largest frame that is decoded in one piece. Ours have 4 MiB; only the last, with the index, may be larger, and is streamed.
const MAX_FRAME: u64 = 64 << 20;
/// Largest frame that is held against the seek table; the last one grows with the number of files, 24 bytes each.
const MAX_CHECKED: usize = 512 << 20;
/// Decoded frames that are kept, because neighbouring files lie in one frame.
const KEPT: usize = 8;

type Decoded = Arc<OnceLock<Result<Arc<Vec<u8>>, String>>>;

/// A seekable stream.
pub(super) struct Frames {
    backing: Backing,
    table: SeekTable,
    kept: Mutex<VecDeque<(u32, Decoded)>>,
}

fn damaged(detail: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, detail.into())
}

impl Frames {
    /// Reads the seek table. `NotFound` where there is none; any other error is of one that is wrong.
    pub(super) fn open(backing: &Backing) -> io::Result<Self> {
        let table = SeekTable::from_seekable(&mut backing.section())
            .map_err(|error| io::Error::new(io::ErrorKind::NotFound, error.to_string()))?;
        if table.num_frames() == 0 || table.size_comp() > backing.len() {
            return Err(damaged("the seek table does not fit the file"));
        }
        Ok(Self { backing: backing.clone(), table, kept: Mutex::default() })
    }

    /// Bytes after decompression.
    pub(super) fn len(&self) -> u64 {
        self.table.size_decomp()
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.backing.bytes_read()
    }

    /// Where the last frame begins, after decompression, and a reader of it.
    pub(super) fn last(&self) -> io::Result<(u64, impl Read)> {
        let last = self.table.num_frames().saturating_sub(1);
        let (start, from, to) = self.place(last)?;
        let section = self.backing.section_at(from, to.saturating_sub(from));
        Ok((start, zstd::stream::read::Decoder::new(section)?.single_frame()))
    }

    /// Start after decompression, and start and end in the file.
    fn place(&self, frame: u32) -> io::Result<(u64, u64, u64)> {
        let get = || {
            let start = self.table.frame_start_decomp(frame)?;
            Ok((start, self.table.frame_start_comp(frame)?, self.table.frame_end_comp(frame)?))
        };
        get().map_err(|error: zeekstd::Error| damaged(error.to_string()))
    }

    /// Holds the seek table against the frames: reading at places has to give what reading from the beginning gives. Without
    /// this, a table could lead into bytes that a decoder of the whole stream skips, and one bundle would be two.
    pub(super) fn check(&self) -> io::Result<()> {
        let table = self.table.clone().into_serializer().encoded_len();
        let whole = self.table.size_comp().checked_add(u64::try_from(table).unwrap_or(u64::MAX));
        if whole != Some(self.backing.len()) {
            return Err(damaged("the seek table does not cover the file"));
        }
        for frame in 0..self.table.num_frames() {
            let (_, from, to) = self.place(frame)?;
            let size = self.table.frame_size_decomp(frame).map_err(|error| damaged(error.to_string()))?;
            let length = usize::try_from(to.saturating_sub(from)).ok().filter(|&length| length <= MAX_CHECKED);
            let length = length.ok_or_else(|| damaged("a frame is larger than any that this format has"))?;
            let packed = self.backing.bytes_at(from, length)?;
            let is_whole = zstd_safe::find_frame_compressed_size(&packed).is_ok_and(|found| found == length);
            let has_size = zstd_safe::get_frame_content_size(&packed).is_ok_and(|found| found == Some(size));
            if !is_whole || !has_size {
                return Err(damaged("the seek table does not agree with the frames"));
            }
        }
        Ok(())
    }

    fn decode(&self, frame: u32) -> io::Result<Vec<u8>> {
        let (_, from, to) = self.place(frame)?;
        let size = self.table.frame_size_decomp(frame).map_err(|error| damaged(error.to_string()))?;
        let packed = to.saturating_sub(from);
        let capacity = usize::try_from(size).ok().filter(|_| size <= MAX_FRAME && packed <= MAX_FRAME);
        let (Some(capacity), Ok(packed)) = (capacity, usize::try_from(packed)) else {
            return Err(damaged("a frame is larger than any that this format has"));
        };
        let plain = zstd::bulk::decompress(&self.backing.bytes_at(from, packed)?, capacity)?;
        if plain.len() == capacity { Ok(plain) } else { Err(damaged("a frame does not have its stated size")) }
    }

    /// One decoded frame. Two readers of the same frame wait for one decoding; those of different frames do not wait.
    fn frame(&self, frame: u32) -> io::Result<Arc<Vec<u8>>> {
        let decoded = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = kept.iter().position(|(have, _)| *have == frame)
                && let Some(found) = kept.remove(at)
            {
                kept.push_back(found);
            } else {
                kept.push_back((frame, Decoded::default()));
                if kept.len() > KEPT {
                    kept.pop_front();
                }
            }
            kept.back().map(|(_, decoded)| Arc::clone(decoded)).unwrap_or_default()
        };
        let result = decoded.get_or_init(|| self.decode(frame).map(Arc::new).map_err(|error| error.to_string()));
        result.clone().map_err(damaged)
    }

    /// A reader of what lies between two places.
    pub(super) fn reader(self: &Arc<Self>, start: u64, end: u64) -> FrameReader {
        FrameReader { frames: Arc::clone(self), position: start, end: end.min(self.len()), current: None }
    }
}

/// A reader of a part of a seekable stream.
pub(super) struct FrameReader {
    frames: Arc<Frames>,
    position: u64,
    end: u64,
    /// The frame that the position is in, and where it begins.
    current: Option<(u64, Arc<Vec<u8>>)>,
}

impl FrameReader {
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The same reader at another place.
    pub(super) fn between(mut self, start: u64, end: u64) -> Self {
        (self.position, self.end) = (start, end.min(self.frames.len()));
        self
    }

    /// What the current frame has from the position on.
    fn window(&self) -> Option<&[u8]> {
        let (start, frame) = self.current.as_ref()?;
        let offset = usize::try_from(self.position.checked_sub(*start)?).ok()?;
        frame.get(offset..).filter(|rest| !rest.is_empty())
    }
}

impl Read for FrameReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        if left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        if self.window().is_none() {
            let index = self.frames.table.frame_index_decomp(self.position);
            let (start, ..) = self.frames.place(index)?;
            self.current = Some((start, self.frames.frame(index)?));
        }
        let window = self.window().ok_or_else(|| damaged("the seek table does not agree with the frames"))?;
        let count = window.len().min(left).min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), window.get(..count)) {
            to.copy_from_slice(from);
        }
        self.position += u64::try_from(count).unwrap_or(0);
        Ok(count)
    }
}
