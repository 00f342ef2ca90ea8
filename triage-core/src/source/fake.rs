//! A host's root in memory, for tests: every reader of a [`Source`] is three lines to test.
#![allow(clippy::expect_used)]

use super::{Content, Entry, Item, Opened, ReadError, Selection, Source, SourceError, SourceKind};
use crate::model::{EvidencePath, FileKind, FileMeta, Mode, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor};
use std::ops::ControlFlow;

/// Paths with metadata and content. Parent folders are not made up.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeRoot {
    objects: BTreeMap<EvidencePath, (FileMeta, Vec<u8>)>,
    unreadable: BTreeSet<EvidencePath>,
    unstored: BTreeSet<EvidencePath>,
}

impl FakeRoot {
    /// An empty root.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// With a regular file: 0644, root's, of one link, modified in the first second of 2026.
    pub(crate) fn file(self, path: impl AsRef<[u8]>, content: &[u8]) -> Self {
        let mut meta = FileMeta::bare(FileKind::File, Mode::new(0o644), content.len() as u64);
        meta.links = Some(1);
        meta.mtime = Some(Timestamp::new(1_767_225_600, 0));
        self.object(path, meta, content)
    }

    /// With any object.
    pub(crate) fn object(mut self, path: impl AsRef<[u8]>, meta: FileMeta, content: &[u8]) -> Self {
        self.objects.insert(place(path), (meta, content.to_vec()));
        self
    }

    /// With a file that is listed and gives an error when it is opened.
    pub(crate) fn unreadable(mut self, path: impl AsRef<[u8]>, content: &[u8]) -> Self {
        self = self.file(path.as_ref(), content);
        self.unreadable.insert(place(path));
        self
    }

    /// With a file that is listed and whose content the source does not hold, as in a bundle that left it out.
    pub(crate) fn unstored(mut self, path: impl AsRef<[u8]>, content: &[u8]) -> Self {
        self = self.file(path.as_ref(), content);
        self.unstored.insert(place(path));
        self
    }
}

fn place(path: impl AsRef<[u8]>) -> EvidencePath {
    EvidencePath::new(path).expect("a test's path is a good one")
}

impl Source for FakeRoot {
    fn kind(&self) -> SourceKind {
        SourceKind::Root
    }

    fn label(&self) -> String {
        "fake root".to_owned()
    }

    fn walk(&self, selection: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
        for (path, (meta, content)) in &self.objects {
            if !selection.selects(path) {
                continue;
            }
            let (meta, content, is_readable) = (meta.clone(), content.clone(), !self.unreadable.contains(path));
            let opener: Option<super::Opener> = meta.is_file().then(|| {
                let meta = meta.clone();
                let open = move || -> Result<Opened, ReadError> {
                    if !is_readable {
                        return Err(io::Error::from(io::ErrorKind::PermissionDenied).into());
                    }
                    Ok(Opened { meta, reader: Box::new(Cursor::new(content)) })
                };
                Box::new(open) as super::Opener
            });
            if sink(Item::Entry(Entry { path: path.clone(), meta, content: opener })).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn metadata(&self, path: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
        Ok(self.objects.get(path).map(|(meta, _)| meta.clone()))
    }

    fn open(&self, path: &EvidencePath) -> Result<Option<Opened>, SourceError> {
        if self.unreadable.contains(path) {
            let source = io::Error::from(io::ErrorKind::PermissionDenied);
            return Err(SourceError::Io { doing: "opening", what: path.to_string(), source });
        }
        let Some((meta, content)) = self.objects.get(path) else { return Ok(None) };
        if !meta.is_file() || self.unstored.contains(path) {
            return Ok(None);
        }
        let reader: Box<dyn Content> = Box::new(Cursor::new(content.clone()));
        Ok(Some(Opened { meta: meta.clone(), reader }))
    }
}
