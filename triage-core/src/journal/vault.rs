//! The vault: the content of everything that a run changed, under its own digest.
//!
//! Nothing is ever taken out of it: the copy here may be the only one of an intruder's file that is left.

use super::JournalError;
use crate::model::{Digest, Hasher};
use crate::sys::{change, look};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};

const INCOMING: &[u8] = b".incoming";

/// The vault of one run: files named by the SHA-256 of their content, 0600 in a folder of 0700.
#[derive(Debug)]
pub struct Vault {
    dir: OwnedFd,
    what: String,
}

impl Vault {
    pub(super) fn new(dir: OwnedFd, what: String) -> Self {
        Self { dir, what }
    }

    /// Keeps the content of an open file from its beginning and returns its digest, when it is on the device. Holes in the file are
    /// holes in the copy, where the file system has them. What is there already is read again and replaced where it is damaged.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub fn store_file(&self, file: &File) -> Result<Digest, JournalError> {
        self.keep(|sink| copy_sparse(file, sink))
    }

    /// Keeps everything that `content` gives, as [`Vault::store_file`] does.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub fn store(&self, content: &mut dyn Read) -> Result<Digest, JournalError> {
        self.keep(|sink| copy(content, |piece| sink(Piece::Data(piece))))
    }

    /// Opens an object for reading. Whoever reads it holds what was read against its digest.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] when it is missing or became a link.
    pub fn open(&self, digest: &Digest) -> Result<File, JournalError> {
        let what = format!("{}/{digest}", self.what);
        let damaged = |detail: &str| JournalError::Damaged { what: what.clone(), detail: detail.to_owned() };
        match look::open_file(&self.dir, digest.to_string().as_bytes()) {
            Ok(file) => Ok(File::from(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(damaged("it is missing")),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => Err(damaged("it became a link")),
            Err(source) => Err(JournalError::Io { doing: "reading", what, source }),
        }
    }

    fn keep(
        &self,
        content: impl FnOnce(&mut dyn FnMut(Piece<'_>) -> io::Result<()>) -> io::Result<()>,
    ) -> Result<Digest, JournalError> {
        let failed =
            |source: io::Error| JournalError::Io { doing: "writing to the vault", what: self.what.clone(), source };
        match change::unlink(&self.dir, INCOMING) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let incoming = change::create_new(&self.dir, INCOMING, 0o600).map_err(failed)?;
        let mut hasher = Hasher::new();
        let mut writer = SparseWriter::new(&incoming);
        content(&mut |piece| {
            piece.hash(&mut hasher);
            writer.write(&piece)
        })
        .and_then(|()| writer.finish())
        .map_err(failed)?;
        let digest = hasher.finish();
        let is_kept = self.contains(&digest)? && self.verify(&digest).is_ok();
        if is_kept {
            change::unlink(&self.dir, INCOMING).map_err(failed)?;
        } else {
            change::sync(&incoming).map_err(failed)?;
            change::replace(&self.dir, INCOMING, digest.to_string().as_bytes()).map_err(failed)?;
        }
        change::sync(&self.dir).map_err(failed)?;
        Ok(digest)
    }

    /// Says whether there is an object of that name, without reading it.
    pub fn contains(&self, digest: &Digest) -> Result<bool, JournalError> {
        match look::stat_at(&self.dir, digest.to_string().as_bytes()) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(JournalError::io("looking into the vault", self.what.clone())(error)),
        }
    }

    /// Reads an object again and holds it against its name.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] when it is missing or altered.
    pub fn verify(&self, digest: &Digest) -> Result<(), JournalError> {
        self.read(digest, |_| Ok(()))
    }

    /// Writes an object's content to an open file. Nothing may come to rest on the content before this has returned, because damage
    /// shows only at the end.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] when it is missing or altered.
    pub fn copy_to(&self, digest: &Digest, file: impl AsFd) -> Result<(), JournalError> {
        let mut writer = SparseWriter::new(file);
        self.read(digest, |piece| writer.write(piece))?;
        let what = format!("{}/{digest}", self.what);
        writer.finish().map_err(JournalError::io("reading", what))
    }

    fn read(&self, digest: &Digest, mut sink: impl FnMut(&Piece<'_>) -> io::Result<()>) -> Result<(), JournalError> {
        let what = format!("{}/{digest}", self.what);
        let file = self.open(digest)?;
        let mut hasher = Hasher::new();
        copy_sparse(&file, &mut |piece| {
            piece.hash(&mut hasher);
            sink(&piece)
        })
        .map_err(|source| JournalError::Io { doing: "reading", what: what.clone(), source })?;
        let found = hasher.finish();
        if found == *digest {
            Ok(())
        } else {
            Err(JournalError::Damaged { what, detail: format!("its content has the digest {found}") })
        }
    }
}

/// A part of a file's content.
enum Piece<'a> {
    Data(&'a [u8]),
    /// So many zeros that take no room.
    Hole(u64),
}

impl Piece<'_> {
    fn hash(&self, hasher: &mut Hasher) {
        static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
        match self {
            Self::Data(bytes) => hasher.update(bytes),
            Self::Hole(count) => {
                let mut count = *count;
                while count > 0 {
                    let piece = usize::try_from(count).unwrap_or(usize::MAX).min(ZEROS.len());
                    hasher.update(ZEROS.get(..piece).unwrap_or_default());
                    count -= piece as u64;
                }
            }
        }
    }
}

/// Writes a file from its beginning and leaves its holes out.
struct SparseWriter<F> {
    file: F,
    length: u64,
    ends_with_hole: bool,
}

impl<F: AsFd> SparseWriter<F> {
    fn new(file: F) -> Self {
        Self { file, length: 0, ends_with_hole: false }
    }

    fn write(&mut self, piece: &Piece<'_>) -> io::Result<()> {
        let count = match piece {
            Piece::Data(bytes) => {
                change::write_all(&self.file, bytes)?;
                bytes.len() as u64
            }
            Piece::Hole(count) => {
                change::skip(&self.file, *count)?;
                *count
            }
        };
        self.length = self.length.saturating_add(count);
        self.ends_with_hole = matches!(piece, Piece::Hole(_));
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        if self.ends_with_hole { change::truncate(&self.file, self.length) } else { Ok(()) }
    }
}

/// Gives a file's content from its beginning, holes as such where the file system tells them.
fn copy_sparse(file: &File, sink: &mut dyn FnMut(Piece<'_>) -> io::Result<()>) -> io::Result<()> {
    let mut file = file.try_clone()?;
    let size = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    let mut at = 0;
    while at < size {
        let data = match rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(at)) {
            Ok(data) => data.min(size),
            // From here on there is none.
            Err(Errno::NXIO) => size,
            // The file system knows no holes.
            Err(_) => {
                file.seek(SeekFrom::Start(at))?;
                return copy(&mut file, |piece| sink(Piece::Data(piece)));
            }
        };
        if data > at {
            sink(Piece::Hole(data - at))?;
            at = data;
            continue;
        }
        let end = rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(at)).map_or(size, |end| end.min(size));
        file.seek(SeekFrom::Start(at))?;
        copy(&mut Read::by_ref(&mut file).take(end - at), |piece| sink(Piece::Data(piece)))?;
        at = end;
    }
    // What has grown meanwhile is part of what is hashed, so that it shows.
    file.seek(SeekFrom::Start(size))?;
    copy(&mut file, |piece| sink(Piece::Data(piece)))
}

/// Gives all that a reader has, piece by piece.
fn copy(from: &mut dyn Read, mut sink: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => sink(buffer.get(..count).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods)]
    use super::*;
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};

    fn vault(folder: &std::path::Path) -> Vault {
        Vault::new(OwnedFd::from(File::open(folder).unwrap()), "vault".to_owned())
    }

    #[test]
    fn holes_stay_holes_on_the_way_in_and_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 << 20).unwrap();
        file.write_all_at(b"begin", 0).unwrap();
        file.write_all_at(b"middle", 32 << 20).unwrap();
        let vault = vault(folder.path());
        let digest = vault.store_file(&file).unwrap();
        let mut whole = vec![0; 64 << 20];
        file.read_exact_at(&mut whole, 0).unwrap();
        assert_eq!(digest, Digest::of(&whole));
        let kept = std::fs::metadata(folder.path().join(digest.to_string())).unwrap();
        let back = tempfile::tempfile().unwrap();
        vault.copy_to(&digest, &back).unwrap();
        let mut again = Vec::new();
        File::read_to_end(
            &mut {
                (&back).rewind().unwrap();
                back.try_clone().unwrap()
            },
            &mut again,
        )
        .unwrap();
        assert!(again == whole, "the content is another");
        let blocks = file.metadata().unwrap().blocks();
        assert!(blocks < 1000, "no holes here to begin with: {blocks}");
        assert!(
            kept.blocks() < 1000 && back.metadata().unwrap().blocks() < 1000,
            "{} {}",
            kept.blocks(),
            back.metadata().unwrap().blocks()
        );
    }

    #[test]
    fn a_file_that_is_one_hole_and_an_empty_one_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path());
        for size in [0, 1 << 20] {
            let file = tempfile::tempfile().unwrap();
            file.set_len(size).unwrap();
            let digest = vault.store_file(&file).unwrap();
            let back = tempfile::tempfile().unwrap();
            vault.copy_to(&digest, &back).unwrap();
            assert_eq!(back.metadata().unwrap().len(), size);
            vault.verify(&digest).unwrap();
        }
    }
}
