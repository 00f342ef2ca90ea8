//! The vault: the content of everything that a run changed, under its own digest.
//!
//! Nothing is ever taken out of it: the copy here may be the only one of an intruder's file that is left.

use super::JournalError;
use crate::model::{Digest, Hasher};
use crate::sys::{change, look};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read};
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

    /// Keeps everything that `content` gives and returns its digest, when it is on the device. What is there already is read again
    /// and replaced where it is damaged.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub fn store(&self, content: &mut dyn Read) -> Result<Digest, JournalError> {
        let failed =
            |source: io::Error| JournalError::Io { doing: "writing to the vault", what: self.what.clone(), source };
        match change::unlink(&self.dir, INCOMING) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let incoming = change::create_new(&self.dir, INCOMING, 0o600).map_err(failed)?;
        let mut hasher = Hasher::new();
        copy(content, |piece| {
            hasher.update(piece);
            change::write_all(&incoming, piece)
        })
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
        self.read(digest, |piece| change::write_all(&file, piece))
    }

    fn read(&self, digest: &Digest, sink: impl FnMut(&[u8]) -> io::Result<()>) -> Result<(), JournalError> {
        let what = format!("{}/{digest}", self.what);
        let damaged = |detail: &str| JournalError::Damaged { what: what.clone(), detail: detail.to_owned() };
        let failed = |source| JournalError::Io { doing: "reading", what: what.clone(), source };
        let file = match look::open_file(&self.dir, digest.to_string().as_bytes()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged("it is missing")),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => return Err(damaged("it became a link")),
            Err(error) => return Err(failed(error)),
        };
        let mut hasher = Hasher::new();
        let mut sink = sink;
        copy(&mut File::from(file), |piece| {
            hasher.update(piece);
            sink(piece)
        })
        .map_err(failed)?;
        let found = hasher.finish();
        if found == *digest { Ok(()) } else { Err(damaged(&format!("its content has the digest {found}"))) }
    }
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
