//! Shows a file that is too large for memory to the visitors in overlapping parts, while it is read for another purpose.

use super::{Swept, Visitor};
use std::io::{self, Read};

/// The largest part, in bytes. A quarter of what a file in memory may have, because each reading thread holds one.
const WINDOW: usize = 8 << 20;

/// How much of a part is shown again at the beginning of the next: what lies across an edge is seen whole if it is no longer than that.
const OVERLAP: usize = 1 << 20;

/// A part of a large file.
#[derive(Debug)]
pub struct Window<'a> {
    /// The file: without content, and without a digest because it is still being read.
    pub file: Swept<'a>,
    /// Where the part begins, in bytes.
    pub offset: u64,
    /// Line ends before the part.
    pub lines_before: u64,
    /// The part.
    pub bytes: &'a [u8],
    /// Says that the file ends with it.
    pub is_last: bool,
}

/// A reader that shows what passes through it.
pub(super) struct Windows<'a> {
    file: Swept<'a>,
    visitors: &'a [&'a dyn Visitor],
    is_wanted: bool,
    inner: &'a mut dyn Read,
    buffer: &'a mut Vec<u8>,
    /// Bytes of a part, and how many of them stand in the next too.
    size: usize,
    overlap: usize,
    offset: u64,
    lines_before: u64,
    /// Bytes at the beginning of the buffer that were shown already.
    shown: usize,
}

impl<'a> Windows<'a> {
    /// Shows `file` to `visitors` while `inner` is read; `buffer` is memory to use. A part has at most `memory_cap` bytes.
    pub(super) fn new(
        file: Swept<'a>,
        visitors: &'a [&'a dyn Visitor],
        inner: &'a mut dyn Read,
        buffer: &'a mut Vec<u8>,
        memory_cap: u64,
    ) -> Self {
        let size = usize::try_from(memory_cap).unwrap_or(WINDOW).clamp(2, WINDOW);
        buffer.clear();
        Self {
            file,
            visitors,
            is_wanted: visitors.iter().any(|visitor| visitor.wants_windows()),
            inner,
            buffer,
            size,
            overlap: OVERLAP.min(size / 2),
            offset: 0,
            lines_before: 0,
            shown: 0,
        }
    }

    /// Shows what is left after the last byte has been read.
    pub(super) fn finish(mut self) {
        if self.buffer.len() > self.shown {
            self.show(true);
        }
    }

    fn show(&mut self, is_last: bool) {
        let Swept { path, meta, sha256, content } = self.file;
        let window = Window {
            file: Swept { path, meta, sha256, content },
            offset: self.offset,
            lines_before: self.lines_before,
            bytes: self.buffer,
            is_last,
        };
        self.visitors.iter().for_each(|visitor| visitor.visit_window(&window));
    }

    fn keep(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.size.saturating_sub(self.buffer.len());
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() >= self.size {
                self.show(false);
                let gone = self.size - self.overlap;
                let lines = self.buffer.iter().take(gone).filter(|&&byte| byte == b'\n').count();
                self.lines_before += lines as u64;
                self.offset += gone as u64;
                self.buffer.drain(..gone);
                self.shown = self.buffer.len();
            }
        }
    }
}

/// Shows a file that is in memory in parts, as if it were not.
pub(super) fn show(file: &Swept<'_>, visitors: &[&dyn Visitor]) {
    let Some(bytes) = file.content else { return };
    let (mut at, mut lines_before) = (0, 0);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let part = rest.get(..WINDOW).unwrap_or(rest);
        let is_last = part.len() == rest.len();
        let window =
            Window { file: Swept { content: None, ..*file }, offset: at as u64, lines_before, bytes: part, is_last };
        for visitor in visitors {
            visitor.visit_window(&window);
        }
        if is_last {
            break;
        }
        let gone = WINDOW - OVERLAP;
        lines_before += part.iter().take(gone).filter(|&&byte| byte == b'\n').count() as u64;
        at += gone;
    }
}

impl Read for Windows<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if self.is_wanted {
            self.keep(buffer.get(..read).unwrap_or_default());
        }
        Ok(read)
    }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::type_complexity, clippy::naive_bytecount)]
mod tests {
    use super::*;
    use crate::model::{EvidencePath, FileKind, FileMeta, Mode};
    use proptest::prelude::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Seen(Mutex<Vec<(u64, u64, Vec<u8>, bool)>>);

    impl Visitor for Seen {
        fn visit(&self, _: &Swept<'_>) {}
        fn wants_windows(&self) -> bool {
            true
        }
        fn visit_window(&self, window: &Window<'_>) {
            let part = (window.offset, window.lines_before, window.bytes.to_vec(), window.is_last);
            self.0.lock().unwrap().push(part);
        }
    }

    fn windows(content: &[u8], cap: u64, chunk: usize) -> Vec<(u64, u64, Vec<u8>, bool)> {
        let (path, meta) = (EvidencePath::new("/x").unwrap(), FileMeta::bare(FileKind::File, Mode::new(0o644), 0));
        let (seen, mut inner, mut memory) = (Seen::default(), content, b"left over".to_vec());
        let visitors: [&dyn Visitor; 1] = [&seen];
        let file = Swept { path: &path, meta: &meta, sha256: None, content: None };
        let mut reader = Windows::new(file, &visitors, &mut inner, &mut memory, cap);
        let mut through = Vec::new();
        let mut part = vec![0; chunk];
        while let Ok(read @ 1..) = reader.read(&mut part) {
            through.extend_from_slice(&part[..read]);
        }
        reader.finish();
        assert_eq!(through, content);
        seen.0.into_inner().unwrap()
    }

    #[test]
    fn parts_overlap_and_know_their_place() {
        let parts = windows(b"a\nb\nc\nd\ne\n", 4, 3);
        let told: Vec<_> =
            parts.iter().map(|(offset, lines, bytes, last)| (*offset, *lines, &bytes[..], *last)).collect();
        assert_eq!(
            told,
            [
                (0, 0, &b"a\nb\n"[..], false),
                (2, 1, b"b\nc\n", false),
                (4, 2, b"c\nd\n", false),
                (6, 3, b"d\ne\n", false),
            ]
        );
    }

    proptest! {
        #[test]
        fn every_byte_is_shown_and_short_things_are_shown_whole(
            content in proptest::collection::vec(any::<u8>(), 0..300), cap in 2_u64..40, chunk in 1_usize..50,
        ) {
            let parts = windows(&content, cap, chunk);
            let mut covered = 0;
            for (offset, lines, bytes, _) in &parts {
                let at = *offset as usize;
                prop_assert!(at <= covered && bytes.len() <= cap as usize);
                prop_assert_eq!(&content[at..at + bytes.len()], &bytes[..]);
                prop_assert_eq!(content[..at].iter().filter(|&&b| b == b'\n').count() as u64, *lines);
                covered = at + bytes.len();
            }
            prop_assert_eq!(covered, content.len());
            let short = cap as usize / 2;
            for start in 0..content.len().saturating_sub(short) {
                let is_whole = parts.iter().any(|(offset, _, bytes, _)| {
                    *offset as usize <= start && start + short <= *offset as usize + bytes.len()
                });
                prop_assert!(is_whole, "{short} bytes at {start}");
            }
        }
    }
}
