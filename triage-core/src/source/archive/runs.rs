//! Velociraptor's sparse uploads: the content holds only the runs that were read, and a file `NAME.idx` beside it says where they
//! belong (`actions/proto/vql.proto`, message `Index`, as JSON).

use serde::Deserialize;
use std::io::{self, Read};

/// Largest index that is read, in bytes.
pub(super) const MAX_INDEX: u64 = 4 << 20;
/// Most runs of one file.
const MAX_RUNS: usize = 100_000;

/// Bytes of the file in their order: as many from the stored content, then as many that were never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    stored: u64,
    hole: u64,
}

#[derive(Deserialize)]
struct Index {
    ranges: Vec<Range>,
}

#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    file_length: u64,
    #[serde(default)]
    length: u64,
}

/// Reads an index; with it the size of the whole file. None where the bytes are no index of content of this size.
pub(super) fn parse(bytes: &[u8], stored: u64) -> Option<(Vec<Run>, u64)> {
    let index: Index = serde_json::from_slice(bytes).ok()?;
    if index.ranges.is_empty() || index.ranges.len() > MAX_RUNS {
        return None;
    }
    let (mut size, mut used) = (0_u64, 0_u64);
    let mut runs = Vec::with_capacity(index.ranges.len());
    for range in index.ranges {
        let run =
            Run { stored: range.file_length.min(range.length), hole: range.length.saturating_sub(range.file_length) };
        size = size.checked_add(range.length)?;
        used = used.checked_add(run.stored)?;
        runs.push(run);
    }
    // An index of other content would shift everything: it is not used.
    (used == stored && size < 1 << 50).then_some((runs, size))
}

/// The whole file, with zeros for what was never read.
pub(super) struct Filled<R> {
    inner: R,
    runs: std::vec::IntoIter<Run>,
    now: Run,
}

impl<R: Read> Filled<R> {
    pub(super) fn new(inner: R, runs: Vec<Run>) -> Self {
        Self { inner, runs: runs.into_iter(), now: Run { stored: 0, hole: 0 } }
    }
}

impl<R: Read> Read for Filled<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.now == (Run { stored: 0, hole: 0 }) {
            match self.runs.next() {
                Some(run) => self.now = run,
                // The content's own checksum is looked at when more is asked for than there is.
                None => return self.inner.read(buffer),
            }
        }
        let left = if self.now.stored > 0 { self.now.stored } else { self.now.hole };
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let window = buffer.get_mut(..want).unwrap_or_default();
        if self.now.stored == 0 {
            window.fill(0);
            self.now.hole -= u64::try_from(want).unwrap_or(0);
            return Ok(want);
        }
        let read = self.inner.read(window)?;
        if read == 0 && want > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.now.stored -= u64::try_from(read).unwrap_or(0);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_and_an_index_of_other_content_is_not_used() {
        let index = br#"{"ranges":[{"file_offset":0,"original_offset":0,"file_length":2,"length":2},{"original_offset":2,"length":3},{"file_offset":2,"file_length":1,"length":1}]}"#;
        let (runs, size) = parse(index, 3).unwrap();
        assert_eq!(size, 6);
        let mut all = Vec::new();
        Filled::new(&b"abc"[..], runs.clone()).read_to_end(&mut all).unwrap();
        assert_eq!(all, b"ab\0\0\0c");
        assert!(Filled::new(&b"a"[..], runs).read_to_end(&mut Vec::new()).is_err(), "content that ends early");
        assert_eq!(parse(index, 4), None);
        assert_eq!(parse(b"{\"ranges\":[]}", 0), None);
        let endless = format!(r#"{{"ranges":[{{"length":{}}},{{"length":9}}]}}"#, u64::MAX);
        assert_eq!(parse(endless.as_bytes(), 0), None);
    }
}
