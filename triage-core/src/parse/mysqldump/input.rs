//! The bytes of a dump as they come: a small window, the number of the line, and a budget.

use std::io::{self, Read};

/// How much is read at a time, in bytes.
const CHUNK: usize = 64 << 10;

/// A stream that can be looked ahead in.
pub(super) struct Input<'a> {
    reader: &'a mut dyn Read,
    window: Vec<u8>,
    at: usize,
    is_at_end: bool,
    line: u64,
    left: u64,
    /// Why it ended before its end.
    trouble: Option<Trouble>,
}

/// Why a stream ended early.
pub(super) enum Trouble {
    /// It could not be read on.
    Read(io::Error),
    /// The budget was used up.
    Budget,
}

impl<'a> Input<'a> {
    /// A stream of which no more than `budget` bytes are read.
    pub(super) fn new(reader: &'a mut dyn Read, budget: u64) -> Self {
        Self { reader, window: Vec::new(), at: 0, is_at_end: false, line: 1, left: budget, trouble: None }
    }

    /// The line that is read, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    pub(super) fn take_trouble(&mut self) -> Option<Trouble> {
        self.trouble.take()
    }

    /// The next bytes: `wanted` of them, or fewer at the end.
    pub(super) fn ahead(&mut self, wanted: usize) -> &[u8] {
        if self.window.len() < self.at.saturating_add(wanted) {
            self.fill(wanted);
        }
        let rest = self.window.get(self.at..).unwrap_or_default();
        rest.get(..wanted).unwrap_or(rest)
    }

    /// All that is in memory, and at least one byte where there is one.
    pub(super) fn window(&mut self) -> &[u8] {
        if self.window.len() <= self.at {
            self.fill(1);
        }
        self.window.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&mut self) -> Option<u8> {
        self.window().first().copied()
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        self.line += u64::from(byte == b'\n');
        Some(byte)
    }

    pub(super) fn starts_with(&mut self, text: &[u8]) -> bool {
        self.ahead(text.len()) == text
    }

    /// Goes on by as many bytes as are there.
    pub(super) fn skip(&mut self, count: usize) {
        for _ in 0..count {
            if self.next().is_none() {
                break;
            }
        }
    }

    /// Takes the bytes of the window up to one for which `stops` holds, or all of it.
    pub(super) fn run(&mut self, stops: impl Fn(u8) -> bool, out: &mut dyn FnMut(&[u8])) {
        let rest = self.window();
        let end = rest.iter().position(|&byte| stops(byte)).unwrap_or(rest.len());
        let piece = rest.get(..end).unwrap_or_default();
        let lines = piece.split(|&byte| byte == b'\n').skip(1).count() as u64;
        out(piece);
        self.at += end;
        self.line += lines;
    }

    fn fill(&mut self, wanted: usize) {
        self.window.drain(..self.at.min(self.window.len()));
        self.at = 0;
        while self.window.len() < wanted && !self.is_at_end {
            if self.left == 0 {
                // Whether there is more, only one more byte would tell.
                self.is_at_end = true;
                if matches!(self.reader.read(&mut [0]), Ok(1)) {
                    self.trouble = Some(Trouble::Budget);
                }
                return;
            }
            let had = self.window.len();
            let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(CHUNK.max(wanted));
            self.window.resize(had + most, 0);
            let read = self.reader.read(self.window.get_mut(had..).unwrap_or_default());
            self.window.truncate(had + read.as_ref().map_or(0, |&count| count.min(most)));
            match read {
                Ok(0) => self.is_at_end = true,
                Ok(count) => self.left = self.left.saturating_sub(count as u64),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_at_end = true;
                    self.trouble = Some(Trouble::Read(error));
                }
            }
        }
    }
}
