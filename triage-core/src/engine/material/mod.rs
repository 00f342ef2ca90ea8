//! Good copies of files, and who vouches for them: package files of dpkg and rpm, signed archives of `FreePBX` modules, trees.
//!
//! An altered file is put back only from a copy of which somebody says that it belongs there: the host's own package database has its digest, or
//! the vendor has signed it. A package of another version, a file that nobody knows and an archive whose signature is not good are refused, each
//! with the reason. It reads and writes nothing; what a plan takes from here is bound to its digest, which `apply` holds it against.
//!
//! The database lies on the host, and who was root there can have changed it. A bundle of a host that is known to be good is taken as it
//! is, and so is the vault of a run: a person chose it.

mod known;
mod module;
mod package;
mod shelf;
mod tree;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
pub(crate) mod tests;

pub use tree::{identified, is_pristine, several, vouched};

use crate::model::{Digest, EvidencePath, escape};
use crate::parse::{deb, rpm};
use crate::source::{Source, SourceError};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;

/// The largest package or archive that is read, in bytes: it is held in memory.
const MAX_FILE: u64 = 512 << 20;

/// Why a file cannot serve as a source of good copies.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MaterialError {
    /// The operating system refused or failed.
    #[error("reading `{what}`")]
    Io {
        /// Which file, escaped.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is a package or archive that cannot be used.
    #[error("`{what}` cannot be used as a source of good copies: {detail}")]
    Unusable {
        /// Which file, escaped.
        what: String,
        /// Why.
        detail: String,
    },
    /// Nobody whom we know has signed it.
    #[error("`{what}` is not vouched for: {detail}")]
    Unverified {
        /// Which file, escaped.
        what: String,
        /// What its signature is worth.
        detail: String,
    },
    /// The host's own records cannot be read.
    #[error("reading the host's own records")]
    Host(#[from] SourceError),
}

/// Opens a package file of dpkg or rpm, or an archive of a `FreePBX` module, told by its bytes; none where it is something else.
/// `host` is the host that is put in order: its package database, keys and folders count.
///
/// # Errors
/// [`MaterialError`].
pub fn open(path: &Path, host: &dyn Source) -> Result<Option<Box<dyn Source>>, MaterialError> {
    let what = escape(path.as_os_str().as_bytes());
    let io = |source| MaterialError::Io { what: what.clone(), source };
    let Some(backing) = crate::source::open_backing(path).map_err(io)? else { return Ok(None) };
    let mut head = Vec::new();
    backing.section().take(512).read_to_end(&mut head).map_err(io)?;
    let kind = match head.as_slice() {
        head if deb::is_deb(head) => Kind::Deb,
        head if rpm::is_rpm(head) => Kind::Rpm,
        head if is_open_pgp(head) => Kind::Signed,
        [0x1f, 0x8b, ..] => Kind::Tgz,
        _ => return Ok(None),
    };
    if backing.len() > MAX_FILE {
        if kind == Kind::Tgz {
            return Ok(None);
        }
        let detail = format!("it has {} bytes, and at most {MAX_FILE} are read", backing.len());
        return Err(MaterialError::Unusable { what, detail });
    }
    let mut bytes = Vec::new();
    backing.section().take(MAX_FILE).read_to_end(&mut bytes).map_err(io)?;
    let file = File { path, what, sha256: Digest::of(&bytes), bytes: bytes.into() };
    match kind {
        Kind::Deb => package::deb(&file, host).map(Some),
        Kind::Rpm => package::rpm(&file, host).map(Some),
        Kind::Signed => module::signed(&file, host).map(Some),
        Kind::Tgz => module::plain(&file, host),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Deb,
    Rpm,
    /// A signed message of `OpenPGP`.
    Signed,
    /// It may be a module, or an archive of a host.
    Tgz,
}

/// A file that was read whole.
struct File<'a> {
    path: &'a Path,
    /// What it is called, escaped.
    what: String,
    sha256: Digest,
    bytes: Arc<[u8]>,
}

impl File<'_> {
    fn unusable(&self, detail: impl Into<String>) -> MaterialError {
        MaterialError::Unusable { what: self.what.clone(), detail: detail.into() }
    }
}

/// Says whether bytes begin as a signed message does: a packet with compressed data, a one-pass signature or a signature (RFC 4880, 4.2), or
/// its armour.
fn is_open_pgp(head: &[u8]) -> bool {
    let is_packet = head.first().is_some_and(|&tag| {
        let number = if tag & 0xc0 == 0xc0 { tag & 0x3f } else { (tag & 0x3c) >> 2 };
        tag & 0x80 != 0 && matches!(number, 2 | 4 | 8)
    });
    is_packet || head.trim_ascii_start().starts_with(b"-----BEGIN PGP MESSAGE-----")
}

/// The other name of a place on a host whose `/bin`, `/sbin` and `/lib` are links into `/usr`.
fn alias(path: &EvidencePath) -> Option<EvidencePath> {
    let is_merged = |path: &[u8]| {
        let first = path.split(|&byte| byte == b'/').nth(1).unwrap_or_default();
        matches!(first, b"bin" | b"sbin" | b"lib" | b"lib32" | b"lib64" | b"libx32")
    };
    let bytes = path.as_bytes();
    match bytes.strip_prefix(b"/usr") {
        Some(rest) if is_merged(rest) => EvidencePath::new(rest).ok(),
        None if is_merged(bytes) => EvidencePath::new([b"/usr", bytes].concat()).ok(),
        _ => None,
    }
}
