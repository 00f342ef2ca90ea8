//! One file out of a bundle, without reading the rest: through the index of a tar, the directory of a zip, or the names of a folder.
//!
//! Nothing is believed that is not held against a digest: the index against the tag manifest, the member against the index or the
//! payload manifest, and that against the tag manifest. What the tag manifest itself is worth, its signature tells.

use super::BundleError;
use super::access::{Access, listed};
use super::escape::{long_path, payload_path};
use super::listing::{MANIFEST, TAG_MANIFEST};
use crate::model::{Digest, EvidencePath, Hasher, escape};
use crate::source::Identities;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

/// Longest line of a manifest.
const MAX_LINE: u64 = 64 << 10;

/// A bundle of which single files are wanted.
pub struct Lookup {
    access: Access,
}

/// The content of one collected file.
pub struct Found {
    /// Where it lies in the bag.
    pub payload: String,
    /// SHA-256 that it has to have.
    pub sha256: Digest,
    /// Its length.
    pub size: u64,
    /// The bytes. Its end is an error where they do not have that digest: what was read until then is not to be used.
    pub reader: Box<dyn Read + Send>,
}

fn damaged(what: &str, detail: impl Into<String>) -> BundleError {
    BundleError::Damaged { what: escape(what.as_bytes()), detail: detail.into() }
}

impl Lookup {
    /// Opens a bundle. Of a `.tar.zst` only the last frame is read, of a zip its directory, of a folder nothing.
    ///
    /// # Errors
    /// When it cannot be read, or its index is not what the tag manifest says.
    pub fn open(path: &Path, identities: &Identities) -> Result<Self, BundleError> {
        Ok(Self { access: Access::open_strictly(path, identities)? })
    }

    /// Finds a collected file; `None` where its content is not in the bundle.
    ///
    /// # Errors
    /// When the bundle is damaged there, or cannot be read.
    pub fn find(&self, path: &EvidencePath) -> Result<Option<Found>, BundleError> {
        let names = [payload_path(path), long_path(path)];
        for payload in names {
            let opened = self.access.open_member(&payload).map_err(|error| reading(&payload, error))?;
            let Some((size, reader)) = opened else { continue };
            let sha256 = match self.access.indexed_digest(&payload) {
                Some(sha256) => sha256,
                None => self.listed_digest(&payload)?,
            };
            let reader = Box::new(Checked { reader, left: size, hasher: Some(Hasher::new()), sha256 });
            return Ok(Some(Found { payload, sha256, size, reader }));
        }
        Ok(None)
    }

    /// The digest that the payload manifest has of a member, when that manifest is what the tag manifest says.
    fn listed_digest(&self, payload: &str) -> Result<Digest, BundleError> {
        let missing = |name: &str| damaged(name, "it is missing");
        let tags = self.access.open_member(TAG_MANIFEST).map_err(|error| reading(TAG_MANIFEST, error))?;
        let (size, tags) = tags.ok_or_else(|| missing(TAG_MANIFEST))?;
        let mut text = Vec::new();
        tags.take(size.min(super::access::MAX_PART))
            .read_to_end(&mut text)
            .map_err(|error| reading(TAG_MANIFEST, error))?;
        let expected = listed(&text, MANIFEST).ok_or_else(|| missing(MANIFEST))?;
        let (size, reader) = self
            .access
            .open_member(MANIFEST)
            .map_err(|error| reading(MANIFEST, error))?
            .ok_or_else(|| missing(MANIFEST))?;
        let mut lines = BufReader::with_capacity(1 << 18, reader.take(size));
        let (mut line, mut hasher, mut found) = (Vec::new(), Hasher::new(), None);
        loop {
            line.clear();
            let count = (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line);
            if count.map_err(|error| reading(MANIFEST, error))? == 0 {
                break;
            }
            hasher.update(&line);
            if found.is_none() && line.len() == payload.len() + 67 {
                found = listed(&line, payload);
            }
        }
        if hasher.finish() != expected {
            return Err(damaged(MANIFEST, "it is not what the tag manifest says"));
        }
        found.ok_or_else(|| damaged(payload, "it is in the bag and no manifest lists it"))
    }
}

fn reading(what: &str, error: io::Error) -> BundleError {
    if error.raw_os_error().is_some() {
        BundleError::Io { doing: "reading", what: escape(what.as_bytes()), source: error }
    } else {
        damaged(what, error.to_string())
    }
}

/// Content that is held against its digest at its end.
struct Checked {
    reader: Box<dyn Read + Send>,
    left: u64,
    hasher: Option<Hasher>,
    sha256: Digest,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wrong = |detail: &str| Err(io::Error::new(io::ErrorKind::InvalidData, detail.to_owned()));
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.reader.read(buffer)?;
        if count == 0 {
            let Some(hasher) = self.hasher.take() else { return Ok(0) };
            return if self.left > 0 || hasher.finish() != self.sha256 {
                wrong("the content does not have the digest that the bundle gives for it")
            } else {
                Ok(0)
            };
        }
        self.left = self.left.saturating_sub(u64::try_from(count).unwrap_or(0));
        if let Some(hasher) = &mut self.hasher {
            hasher.update(buffer.get(..count).unwrap_or_default());
        }
        Ok(count)
    }
}
