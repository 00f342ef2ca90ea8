//! Read-only evidence: everything that can be looked at is a [`Source`].
//!
//! A live root, a mounted image, an archive and a bundle of ours give the same [`Item`]s, so that every detector works on all
//! of them. A source never writes, never follows a symbolic link, and never opens anything but regular files.

mod archive;
mod container;
mod directory;
#[cfg(test)]
pub(crate) mod fake;
mod follow;
mod image;
mod mounted;
mod oci;
mod reach;
mod resolve;
mod selection;

pub use archive::{ArchiveSource, Layout};
pub(crate) use container::open_backing;
pub(crate) use container::{Backing, Handover, XzDecoder, ZipMember, is_tar_header};
pub use container::{
    Container, ContainerEntry, ContainerError, ContainerFormat, EntrySink, Identities, IdentityError, Limits,
};
pub use directory::{DirectorySource, Inode};
pub use follow::FollowingSource;
pub(crate) use follow::is_system_folder;
pub use image::{DiskImage, Partition, is_disk_image};
pub use oci::{ContainerImage, is_container_image};
pub use reach::{MountNote, Reach};
pub use resolve::{MAX_LINKS, Resolved, Unresolved, read_resolved, resolve};
pub use selection::{Cursor, Pattern, PatternError, Selection};

use crate::model::{EvidencePath, FileMeta, Gap, GapReason, Record};
use std::io::{self, Read};
use std::ops::ControlFlow;
use thiserror::Error;

/// SHA-256 of a file, which is read for that from its beginning to its end.
///
/// # Errors
/// When it is no file or cannot be read.
pub fn sha256_of(path: &std::path::Path) -> io::Result<crate::model::Digest> {
    container::open_backing(path)?.ok_or(io::ErrorKind::InvalidInput)?.sha256()
}

/// What a walk gives.
#[expect(clippy::large_enum_variant, reason = "nearly all are entries; a box each would cost more than it saves")]
pub enum Item {
    /// An object of the file system.
    Entry(Entry),
    /// Something that could not be listed.
    Gap(Gap),
}

/// What a source tells besides its files.
pub enum Observation {
    /// Something that the running host is doing.
    Record(Box<Record>),
    /// Content that has no name on the host any more, such as a deleted program that still runs. It is no part of a walk.
    File(Box<Entry>),
    /// Something that could not be told.
    Gap(Gap),
}

/// One object of the file system, and the right to read it.
pub struct Entry {
    /// Where it is on the host.
    pub path: EvidencePath,
    /// What was said of it when it was listed.
    pub meta: FileMeta,
    /// Opens the content; only regular files have one.
    pub content: Option<Opener>,
}

/// Opens one file's content, once, on whichever thread reads it.
pub type Opener = Box<dyn FnOnce() -> Result<Opened, ReadError> + Send>;

/// Content that is open for reading.
pub struct Opened {
    /// What the open file says of itself: the truth, where the listing may be out of date.
    pub meta: FileMeta,
    /// The bytes.
    pub reader: Box<dyn Content>,
}

/// Open content: bytes, and at the end the question whether they changed meanwhile.
pub trait Content: Read + Send {
    /// Looks again after the last byte. `Some(why)` when size or modification time are not what they were at the opening.
    fn changed(&self) -> Option<String> {
        None
    }

    /// SHA-256 that the source vouches for; content that does not have it is damaged.
    fn expected(&self) -> Option<crate::model::Digest> {
        None
    }
}

impl Content for io::Cursor<Vec<u8>> {}
impl Content for io::Empty {}

/// Why one file's content cannot be had. It becomes a [`Gap`]; it never stops a run.
#[derive(Debug, Error)]
#[error("{detail}")]
pub struct ReadError {
    /// The kind of obstacle.
    pub reason: GapReason,
    /// The particulars.
    pub detail: String,
}

impl ReadError {
    /// An obstacle.
    pub fn new(reason: GapReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        let reason = match error.kind() {
            io::ErrorKind::PermissionDenied => GapReason::PermissionDenied,
            io::ErrorKind::NotFound => GapReason::Vanished,
            _ => GapReason::ReadFailed,
        };
        Self::new(reason, error.to_string())
    }
}

/// What kind of thing a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// The running host itself, at `/`.
    Live,
    /// The root of a host, in a folder of this machine.
    Root,
    /// A part of a host: a folder without `etc/`.
    Subtree,
    /// A tar or zip of somebody else's.
    Archive,
    /// What another collector took: UAC, acquire, Velociraptor.
    Collection,
    /// A container image, all its layers applied.
    ContainerImage,
    /// A disk or file system image.
    DiskImage,
    /// A bundle of ours.
    Bundle,
}

impl SourceKind {
    /// Says whether it shows a whole host, so that the absence of a file there means something.
    pub fn is_host(self) -> bool {
        matches!(self, Self::Live | Self::Root | Self::Bundle | Self::ContainerImage | Self::DiskImage)
    }
}

/// What a source keeps of its objects' metadata. What it does not keep is made up, and proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts, each with its own name")]
pub struct Kept {
    /// Permission bits.
    pub modes: bool,
    /// Owner and group.
    pub owners: bool,
    /// Modification times.
    pub mtimes: bool,
    /// Extended attributes, inode flags and link counts.
    pub attributes: bool,
}

/// Read-only evidence.
///
/// All paths are inside the evidence; `/` is the evidence's own root.
pub trait Source: Send + Sync {
    /// What kind of thing it is.
    fn kind(&self) -> SourceKind;

    /// What a person calls it: the folder or file name, escaped.
    fn label(&self) -> String;

    /// What a person should know of it: what kind of thing it was found to be, and what its format does not keep.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// What it keeps of its objects' metadata.
    fn kept(&self) -> Kept {
        Kept { modes: true, owners: true, mtimes: true, attributes: true }
    }

    /// SHA-256 of the file that the source is, where it is one and that is known: what a plan records of where a good copy comes from.
    fn identity(&self) -> Option<crate::model::Digest> {
        None
    }

    /// Leaves an object of this machine out from now on: our own state and output. It is known by inode and not by name, because a
    /// name can be taken by an intruder who wants to be left out; when it is met it is a gap. Sources that are no folder
    /// of this machine have nothing of ours in them.
    fn leave_out(&self, inode: Inode) {
        let _ = inode;
    }

    /// Says whether reading an object may never come back: it lies on a network or FUSE file system.
    fn may_hang(&self, meta: &FileMeta) -> bool {
        let _ = meta;
        false
    }

    /// What the walks so far went into and what they passed by. Sources that are no folder of this machine have no mounts.
    fn reach(&self) -> Reach {
        Reach::default()
    }

    /// Gives every object that `selection` selects, once, in an order that is the same each time. Directories come before what
    /// is in them. Stops when `sink` breaks.
    ///
    /// # Errors
    /// Only when the source as a whole cannot be read; what cannot be read in it arrives as [`Item::Gap`].
    fn walk(&self, selection: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError>;

    /// Gives what the source tells besides its files: of a running host its volatile state, in order of volatility, read now; of a bundle
    /// what was recorded of it. Most sources have none. Stops when `sink` breaks.
    ///
    /// # Errors
    /// Only when the source as a whole cannot be read; what cannot be read in it arrives as [`Observation::Gap`].
    fn records(&self, sink: &mut dyn FnMut(Observation) -> ControlFlow<()>) -> Result<(), SourceError> {
        let _ = sink;
        Ok(())
    }

    /// What the source says of one object, without following a link; `None` where there is none.
    ///
    /// # Errors
    /// When the object is there and cannot be looked at.
    fn metadata(&self, path: &EvidencePath) -> Result<Option<FileMeta>, SourceError>;

    /// Opens one file; `None` where there is none or it is not a regular file.
    ///
    /// # Errors
    /// When the file is there and cannot be opened.
    fn open(&self, path: &EvidencePath) -> Result<Option<Opened>, SourceError>;

    /// The content of one small file, cut at `limit` bytes; `None` as for [`Source::open`].
    ///
    /// # Errors
    /// As [`Source::open`], and when reading fails.
    fn read(&self, path: &EvidencePath, limit: u64) -> Result<Option<Vec<u8>>, SourceError> {
        let Some(opened) = self.open(path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        opened.reader.take(limit).read_to_end(&mut bytes).map_err(|source| SourceError::Io {
            doing: "reading",
            what: path.to_string(),
            source,
        })?;
        Ok(Some(bytes))
    }
}

/// Why a source as a whole, or one object that was asked for by name, cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The operating system refused or failed.
    #[error("{doing} `{what}`")]
    Io {
        /// What we were doing.
        doing: &'static str,
        /// To what, escaped.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The evidence itself is broken.
    #[error("`{what}` is damaged: {detail}")]
    Damaged {
        /// Which evidence, escaped.
        what: String,
        /// How.
        detail: String,
    },
    /// A kind of image that the system has to open; the commands do that without writing to it.
    #[error("`{what}` is {detail}, which is not read here")]
    Foreign {
        /// Which image, escaped.
        what: String,
        /// What it is.
        detail: String,
        /// Commands that make its files readable, in their order.
        commands: Vec<String>,
    },
    /// No partition can be taken for the root, or the one that was asked for is none.
    #[error("`{what}` has no partition that can be taken for the host's root: {detail}")]
    NoRoot {
        /// Which image, escaped.
        what: String,
        /// What there is.
        detail: String,
    },
    /// A copy of a file that nobody vouches for, or that somebody says is another.
    #[error("`{what}` is not taken: {detail}")]
    Unvouched {
        /// Which file, escaped.
        what: String,
        /// Why.
        detail: String,
    },
    /// A kind of thing that this version cannot read.
    #[error("`{what}` is {detail}, which cannot be read as evidence")]
    Unsupported {
        /// Which evidence, escaped.
        what: String,
        /// What it is.
        detail: String,
    },
}
