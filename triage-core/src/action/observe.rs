//! Looking at one object: what a plan records of it, and what a step is held against.

use super::{Present, State};
use crate::model::{EvidencePath, Hasher};
use crate::source::{Source, SourceError};
use std::io::{self, Read};

/// The most that is read at once.
const LARGEST_PIECE: usize = 64 * 1024;

/// Looks at one object through a source: its metadata, and for a regular file the digest of its content, hashed as a
/// stream whatever its size. The content itself comes with it when it is a regular file of at most `content_limit` bytes.
///
/// A file that the source lists and whose content it does not hold has no digest.
///
/// # Errors
/// When the object is there and cannot be looked at or read, when it changes while it is read, and when its content is not
/// what the source vouches for.
pub fn observe(
    source: &dyn Source,
    path: &EvidencePath,
    content_limit: u64,
) -> Result<(State, Option<Vec<u8>>), SourceError> {
    // A file says of itself, once it is open, all that there is to say: most objects are files, and looked up once.
    let opened = source.open(path);
    let Ok(Some(mut opened)) = opened else {
        let Some(meta) = source.metadata(path)? else { return Ok((State::Absent, None)) };
        if meta.is_file() {
            opened?;
        }
        return Ok((State::Present(Box::new(Present { meta, sha256: None })), None));
    };
    let failed = |source| SourceError::Io { doing: "reading", what: path.to_string(), source };

    let mut hasher = Hasher::new();
    let mut kept = Some(Vec::new());
    // One byte more than there is, so that a file that grows shows. Buffers of full length for thousands of small files would cost more than reading them.
    let room =
        usize::try_from(opened.meta.size).map_or(LARGEST_PIECE, |size| size.saturating_add(1).min(LARGEST_PIECE));
    let mut buffer = vec![0; room];
    loop {
        let count = match opened.reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        let piece = buffer.get(..count).unwrap_or_default();
        hasher.update(piece);
        if let Some(bytes) = &mut kept {
            if (bytes.len() + piece.len()) as u64 > content_limit {
                kept = None;
            } else {
                bytes.extend_from_slice(piece);
            }
        }
    }
    if let Some(how) = opened.reader.changed() {
        return Err(failed(io::Error::other(format!("it changed while it was read: {how}"))));
    }
    let sha256 = hasher.finish();
    if opened.reader.expected().is_some_and(|expected| expected != sha256) {
        return Err(SourceError::Damaged {
            what: path.to_string(),
            detail: format!("its content has the digest {sha256}, which the source does not vouch for"),
        });
    }
    Ok((State::Present(Box::new(Present { meta: opened.meta, sha256: Some(sha256) })), kept))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::model::{Digest, FileKind, FileMeta, Mode};
    use crate::source::fake::FakeRoot;
    use crate::source::{Content, Item, Opened, Selection, SourceKind};
    use std::io::Cursor;
    use std::ops::ControlFlow;

    fn path(text: &str) -> EvidencePath {
        EvidencePath::new(text).unwrap()
    }

    #[test]
    fn large_content_is_hashed_and_not_kept() {
        let content = vec![7; 200_000];
        let root = FakeRoot::new().file("/a", &content);
        let (State::Present(seen), kept) = observe(&root, &path("/a"), 199_999).unwrap() else { panic!() };
        assert_eq!((seen.sha256, kept), (Some(Digest::of(&content)), None));
        assert_eq!(observe(&root, &path("/a"), 200_000).unwrap().1, Some(content));
    }

    #[test]
    fn what_is_no_file_is_not_opened_and_what_is_not_there_is_absent() {
        let root = FakeRoot::new().object("/fifo", FileMeta::bare(FileKind::Fifo, Mode::new(0o600), 0), b"never read");
        let (State::Present(seen), None) = observe(&root, &path("/fifo"), 99).unwrap() else { panic!() };
        assert_eq!(seen.sha256, None);
        assert_eq!(observe(&root, &path("/none"), 99).unwrap(), (State::Absent, None));
        let unstored = FakeRoot::new().unstored("/a", b"x");
        assert!(
            matches!(observe(&unstored, &path("/a"), 99).unwrap(), (State::Present(seen), None) if seen.sha256.is_none())
        );
    }

    /// One file that changes while it is read, or that is not what its source vouches for.
    struct Unsteady {
        changed: bool,
        expected: Digest,
    }

    struct Reader {
        bytes: Cursor<&'static [u8]>,
        changed: bool,
        expected: Digest,
    }

    impl Read for Reader {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.bytes.read(buffer)
        }
    }

    impl Content for Reader {
        fn changed(&self) -> Option<String> {
            self.changed.then(|| "its size grew".to_owned())
        }

        fn expected(&self) -> Option<Digest> {
            Some(self.expected)
        }
    }

    impl Source for Unsteady {
        fn kind(&self) -> SourceKind {
            SourceKind::Root
        }

        fn label(&self) -> String {
            "unsteady".to_owned()
        }

        fn walk(&self, _: &Selection, _: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
            Ok(())
        }

        fn metadata(&self, _: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
            Ok(Some(FileMeta::bare(FileKind::File, Mode::new(0o644), 1)))
        }

        fn open(&self, _: &EvidencePath) -> Result<Option<Opened>, SourceError> {
            let reader = Reader { bytes: Cursor::new(b"x"), changed: self.changed, expected: self.expected };
            let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), 1);
            Ok(Some(Opened { meta, reader: Box::new(reader) }))
        }
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_not_taken_for_what_was_hashed() {
        let good = Digest::of(b"x");
        let observed = |changed, expected| observe(&Unsteady { changed, expected }, &path("/a"), 99);
        assert!(observed(false, good).is_ok());
        assert!(matches!(observed(true, good), Err(SourceError::Io { .. })));
        assert!(matches!(observed(false, Digest::of(b"y")), Err(SourceError::Damaged { .. })));
    }
}
