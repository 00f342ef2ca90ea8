//! Files out of one package or archive, as a [`Source`]: what each is, and why one is not given out.

use super::alias;
use crate::model::{Digest, EvidencePath, FileMeta, Hasher};
use crate::source::{Content, Entry, Item, Kept, Opened, Selection, Source, SourceError, SourceKind};
use md5::Digest as _;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::ControlFlow;

/// The digests of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) sha256: Digest,
    pub(super) md5: [u8; 16],
}

impl Sums {
    /// Reads a content to its end.
    pub(super) fn of(mut content: impl Read) -> io::Result<Self> {
        let (mut sha256, mut md5) = (Hasher::new(), md5::Md5::new());
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let piece = buffer.get(..count).unwrap_or_default();
            sha256.update(piece);
            md5.update(piece);
        }
        Ok(Self { sha256: sha256.finish(), md5: md5.finalize().into() })
    }
}

/// A file that can be put back.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    pub(super) meta: FileMeta,
    pub(super) sums: Sums,
    /// Where its content begins in the unpacked stream.
    pub(super) offset: u64,
    /// Why it is not given out.
    pub(super) refusal: Option<String>,
}

/// Opens so many bytes of the unpacked stream from a place.
pub(super) type OpenAt = Box<dyn Fn(u64, u64) -> io::Result<Box<dyn Read + Send>> + Send + Sync>;

/// The files of one package or archive.
pub(super) struct Shelf {
    pub(super) label: String,
    pub(super) sha256: Digest,
    pub(super) kept: Kept,
    pub(super) copies: BTreeMap<EvidencePath, Copy>,
    pub(super) open_at: OpenAt,
}

impl Shelf {
    fn find(&self, path: &EvidencePath) -> Result<Option<&Copy>, SourceError> {
        let found = self.copies.get(path).or_else(|| self.copies.get(&alias(path)?));
        match found.and_then(|copy| copy.refusal.as_ref()) {
            Some(detail) => Err(SourceError::Unvouched { what: path.to_string(), detail: detail.clone() }),
            None => Ok(found),
        }
    }

    fn opened(&self, copy: &Copy) -> io::Result<Opened> {
        let reader = (self.open_at)(copy.offset, copy.meta.size)?;
        Ok(Opened { meta: copy.meta.clone(), reader: Box::new(Checked { reader, sha256: copy.sums.sha256 }) })
    }
}

struct Checked {
    reader: Box<dyn Read + Send>,
    sha256: Digest,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl Content for Checked {
    fn expected(&self) -> Option<Digest> {
        Some(self.sha256)
    }
}

impl Source for Shelf {
    fn kind(&self) -> SourceKind {
        SourceKind::Archive
    }

    fn label(&self) -> String {
        self.label.clone()
    }

    fn kept(&self) -> Kept {
        self.kept
    }

    fn identity(&self) -> Option<Digest> {
        Some(self.sha256)
    }

    fn walk(&self, selection: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
        for (path, copy) in self.copies.iter().filter(|(path, _)| selection.selects(path)) {
            let entry = Entry { path: path.clone(), meta: copy.meta.clone(), content: None };
            if sink(Item::Entry(entry)).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn metadata(&self, path: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
        Ok(self.find(path)?.map(|copy| copy.meta.clone()))
    }

    fn open(&self, path: &EvidencePath) -> Result<Option<Opened>, SourceError> {
        let Some(copy) = self.find(path)? else { return Ok(None) };
        let failed = |source| SourceError::Io { doing: "unpacking", what: path.to_string(), source };
        self.opened(copy).map(Some).map_err(failed)
    }
}
