//! Reading a container from the outside: a folder, a tar (plain, gzip, xz, zstd) or a zip, entry by entry.
//!
//! It exists so that one hostile-proof loop serves both an archive of somebody else's and a bundle of ours. It gives names as
//! bytes and as often as they occur, follows no link, unpacks nothing, writes nothing, and holds a few megabytes whatever the
//! container claims. What a name means (whether it may be trusted, what it is the path of) is for the caller to decide.
//!
//! The container is decoded on a thread of its own, so that decompression and the use of the bytes overlap.

mod ahead;
mod dir;
mod file;
mod handover;
mod sealed;
mod tar;
mod xz;
mod zip;

pub(crate) use file::Backing;
pub(crate) use handover::{Handover, Open};
pub use sealed::{Identities, IdentityError};
pub(crate) use tar::is_header as is_tar_header;
pub(crate) use xz::Decoder as XzDecoder;
pub(crate) use zip::ZipMember;

use crate::model::{Digest, FileKind, Timestamp, escape};
use std::io::{self, BufReader, Read};
use std::ops::{ControlFlow, Range};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// How a container is written, found by its first bytes and never by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerFormat {
    /// A plain folder.
    Directory,
    /// An uncompressed tar.
    Tar,
    /// A tar in gzip (RFC 1952), of one member or several.
    TarGz,
    /// A tar in Zstandard (RFC 8878), of one frame or several.
    TarZst,
    /// A tar in xz (the .xz file format 1.2), of one stream or several.
    TarXz,
    /// A zip (APPNOTE 6.3), with or without zip64.
    Zip,
}

/// One entry, as its header tells it. Nothing here has been checked for sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerEntry {
    /// The name as stored; of a folder's entry the path beneath the folder.
    pub name: Vec<u8>,
    /// Its type; a hard link has the type `File`, no content, and [`ContainerEntry::hard_link`].
    pub kind: FileKind,
    /// Bytes of content that follow.
    pub size: u64,
    /// `st_mode` bits, as far as the format has them.
    pub mode: u32,
    /// Owner, 0 where the format has none.
    pub uid: u32,
    /// Group, 0 where the format has none.
    pub gid: u32,
    /// Modification time; none where the format has none in UTC.
    pub mtime: Option<Timestamp>,
    /// Where a symbolic link points. A zip keeps it as content, and it is not read here.
    pub link_target: Option<Vec<u8>>,
    /// The entry that this one is a hard link to, by its name in the container.
    pub hard_link: Option<Vec<u8>>,
    /// The bytes that the entry takes: in the uncompressed tar, from its first header (of a long name, too) to the end of its
    /// padding; in a zip's file, only the beginning is known. Empty for a folder.
    pub range: Range<u64>,
    /// Why its content cannot be read although it is there: encrypted, or in a compression that this version does not know.
    pub unreadable: Option<String>,
    /// Where the content begins in the uncompressed tar; none for a sparse file and outside a tar.
    pub(crate) data: Option<u64>,
    /// Where a zip keeps the content; none elsewhere.
    pub(crate) member: Option<ZipMember>,
}

/// Bounds that a hostile container cannot move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Number of entries.
    pub max_entries: u64,
    /// Bytes after decompression.
    pub max_total: u64,
    /// How many times its own size a container may become.
    pub max_ratio: u64,
    /// Bytes after decompression below which the ratio is not looked at: a sparse log of zeros compresses 10,000 to 1, and
    /// because nothing is kept in memory, what a bomb costs up to here is only time.
    pub ratio_free: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_entries: 20_000_000, max_total: 16 << 40, max_ratio: 1_000, ratio_free: 32 << 30 }
    }
}

/// Why a container cannot be read, or not to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ContainerError {
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
    /// It is cut or altered: everything before that place was given.
    #[error("`{what}` is damaged after {entries} whole entries, at byte {byte}: {detail}")]
    Damaged {
        /// Which container, escaped.
        what: String,
        /// Entries that were given whole.
        entries: u64,
        /// Where, in the uncompressed tar or in the zip's file.
        byte: u64,
        /// How.
        detail: String,
    },
    /// It is encrypted, and what it takes to open it is not there.
    #[error("`{what}` is {detail}")]
    Sealed {
        /// Which container, escaped.
        what: String,
        /// What is missing.
        detail: String,
    },
    /// It is no container, or one that this version does not know.
    #[error("`{what}` is {detail}")]
    Unsupported {
        /// What was given, escaped.
        what: String,
        /// What it is.
        detail: String,
    },
    /// It exceeds one of the [`Limits`].
    #[error("`{what}` exceeds a limit after {entries} whole entries: {detail}")]
    LimitReached {
        /// Which container, escaped.
        what: String,
        /// Entries that were given whole.
        entries: u64,
        /// Which limit.
        detail: String,
    },
}

/// A container that was recognised and can be gone through, as often as wanted.
#[derive(Clone, Debug)]
pub struct Container {
    /// Where it is; of one that lies in another, the other's path and its name there.
    path: PathBuf,
    format: ContainerFormat,
    /// The open file, decrypted; none for a folder.
    backing: Option<Backing>,
    /// The file as it lies there, where it is encrypted.
    sealed: Option<Backing>,
    /// A zip is read by what its members say of themselves.
    is_without_directory: bool,
    limits: Limits,
}

/// What is called for each entry, with a reader of its content. What it leaves unread is skipped.
pub type EntrySink<'a> = dyn FnMut(ContainerEntry, &mut (dyn Read + Send)) -> ControlFlow<()> + 'a;

impl Container {
    /// Opens a container and looks at its first bytes.
    ///
    /// # Errors
    /// [`ContainerError::Io`] when it cannot be opened, [`ContainerError::Unsupported`] when it is none.
    pub fn open(path: &Path) -> Result<Self, ContainerError> {
        Self::open_with(path, &Identities::default())
    }

    /// Opens a container that may be inside an age file.
    ///
    /// # Errors
    /// As [`Container::open`], and [`ContainerError::Sealed`] where none of the identities opens it.
    pub fn open_with(path: &Path, identities: &Identities) -> Result<Self, ContainerError> {
        Self::open_as(path, identities, false)
    }

    /// Opens a container and hashes its file as it is read in order, for [`Container::sha256`].
    ///
    /// # Errors
    /// As [`Container::open_with`].
    pub fn open_hashed(path: &Path, identities: &Identities) -> Result<Self, ContainerError> {
        Self::open_as(path, identities, true)
    }

    fn open_as(path: &Path, identities: &Identities, is_hashed: bool) -> Result<Self, ContainerError> {
        let what = escape(path.as_os_str().as_bytes());
        let io = |source| ContainerError::Io { doing: "opening", what: what.clone(), source };
        match file::open(path).map_err(io)? {
            file::Target::File(backing) if is_hashed => Self::of(path, backing.tapped(), identities),
            file::Target::File(backing) => Self::of(path, backing, identities),
            file::Target::Directory => Ok(Self {
                path: path.to_owned(),
                format: ContainerFormat::Directory,
                backing: None,
                sealed: None,
                is_without_directory: false,
                limits: Limits::default(),
            }),
            file::Target::Other => Err(ContainerError::Unsupported {
                what: what.clone(),
                detail: "neither a file nor a folder".to_owned(),
            }),
        }
    }

    /// The container that an entry of this plain tar is; what it is called is for people.
    ///
    /// # Errors
    /// As [`Container::open`].
    pub(crate) fn within(&self, name: &[u8], start: u64, size: u64) -> Result<Self, ContainerError> {
        let path = self.path.join(std::ffi::OsStr::from_bytes(name.strip_prefix(b"/").unwrap_or(name)));
        match &self.backing {
            Some(backing) => Self::of(&path, backing.part(start, size), &Identities::default()),
            None => Err(ContainerError::Unsupported {
                what: escape(path.as_os_str().as_bytes()),
                detail: "a file in a folder".to_owned(),
            }),
        }
    }

    /// The container that is a part of bytes in memory; `path` is what it is called.
    ///
    /// # Errors
    /// As [`Container::open`].
    pub(crate) fn in_memory(
        path: &Path,
        bytes: std::sync::Arc<[u8]>,
        part: Range<u64>,
    ) -> Result<Self, ContainerError> {
        let backing = Backing::memory(bytes).part(part.start, part.end.saturating_sub(part.start));
        Self::of(path, backing, &Identities::default())
    }

    fn of(path: &Path, mut backing: Backing, identities: &Identities) -> Result<Self, ContainerError> {
        let what = escape(path.as_os_str().as_bytes());
        let io = |source| ContainerError::Io { doing: "opening", what: what.clone(), source };
        let unsupported = |detail: &str| ContainerError::Unsupported { what: what.clone(), detail: detail.to_owned() };
        let limits = Limits::default();
        let head = |backing: &Backing| head_of(backing.uncounted().part(0, u64::MAX).section());
        let mut head_bytes = head(&backing).map_err(io)?;
        let mut sealed = None;
        if head_bytes.starts_with(sealed::MAGIC) {
            let (inner, len) = sealed::Sealed::open(&backing, identities).map_err(|refused| match refused {
                sealed::Refused::Io(error) => io(error),
                sealed::Refused::Because(why) => ContainerError::Sealed { what: what.clone(), detail: why.to_owned() },
            })?;
            sealed = Some(std::mem::replace(&mut backing, Backing::within(inner, len)));
            // What does not decrypt is told where the container is read; an empty head here is a cut one.
            head_bytes = head(&backing).unwrap_or_default();
        }
        let format = match head_bytes.as_slice() {
            [0x1f, 0x8b, ..] => ContainerFormat::TarGz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => ContainerFormat::TarZst,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => ContainerFormat::TarXz,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => ContainerFormat::Zip,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => {
                let detail = "compressed with bzip2, which this version does not read; make a plain tar of it with `bzip2 -dk FILE`";
                return Err(unsupported(detail));
            }
            [0x5d, 0, 0, _, _, 0xff, 0xff, ..] | [0x5d, 0, 0, _, _, 0, 0, ..] => {
                let detail = "compressed with the old lzma, which this version does not read; make a plain tar of it with `xz --format=lzma -dk FILE`";
                return Err(unsupported(detail));
            }
            head if tar::is_header(head) => ContainerFormat::Tar,
            head if head.starts_with(sealed::ARMOUR) => {
                return Err(unsupported(
                    "an age file in ASCII armour: take that off with `age -d`, or seal without it",
                ));
            }
            [] => return Err(unsupported("an empty file")),
            _ => return Err(unsupported("neither a tar (plain, gzip, xz or zstd) nor a zip")),
        };
        let (path, backing) = (path.to_owned(), Some(backing));
        let container = Self { path, format, backing, sealed, is_without_directory: false, limits };
        if container.is_compressed() {
            // A damaged compressed stream is told when it is read; only what decodes to something else is refused here.
            let head = container.tar_stream().and_then(head_of).unwrap_or_default();
            if head.len() == 512 && !tar::is_header(&head) {
                return Err(unsupported("a compressed file that holds no tar"));
            }
        }
        Ok(container)
    }

    /// The same container with other bounds.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same container, of which it is known that its end is missing.
    #[must_use]
    pub(crate) fn without_directory(mut self) -> Self {
        self.is_without_directory = true;
        self
    }

    /// How it is written.
    pub fn format(&self) -> ContainerFormat {
        self.format
    }

    /// Says whether it is a tar that has to be decoded from its beginning.
    pub fn is_compressed(&self) -> bool {
        matches!(self.format, ContainerFormat::TarGz | ContainerFormat::TarZst | ContainerFormat::TarXz)
    }

    /// SHA-256 of its file; `None` for a folder. What was read in order since [`Container::open_hashed`] is not read again.
    ///
    /// # Errors
    /// When the rest cannot be read.
    pub fn sha256(&self) -> io::Result<Option<Digest>> {
        self.raw().map(Backing::sha256).transpose()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that it takes on the disk; `None` for a folder.
    pub fn size(&self) -> Option<u64> {
        self.backing.as_ref().map(Backing::len)
    }

    /// Bytes of the file that were read so far, by this value and its clones; 0 for a folder.
    pub fn bytes_read(&self) -> u64 {
        self.backing.as_ref().map_or(0, Backing::bytes_read)
    }

    /// Says whether it is inside an age file.
    pub fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// The file as it lies there: what `sha256sum` would read. None for a folder.
    pub(crate) fn raw(&self) -> Option<&Backing> {
        self.sealed.as_ref().or(self.backing.as_ref())
    }

    /// What is in the open file, decrypted; none for a folder.
    pub(crate) fn backing(&self) -> Option<&Backing> {
        self.backing.as_ref()
    }

    /// Gives each entry with its content, in the order of the container. Ends early, and well, when `f` breaks.
    ///
    /// # Errors
    /// When it is damaged, exceeds a limit, or cannot be read; the entries before that place were given.
    pub fn for_each(&self, f: &mut EntrySink<'_>) -> Result<(), ContainerError> {
        self.for_each_where(&|_| true, f)
    }

    /// Gives each entry without its content, which is cheap where the format can skip.
    ///
    /// # Errors
    /// As [`Container::for_each`].
    pub fn list(&self, f: &mut dyn FnMut(ContainerEntry) -> ControlFlow<()>) -> Result<(), ContainerError> {
        self.for_each_where(&|_| false, &mut |entry, _| f(entry))
    }

    /// Gives each entry, with its content where `wanted` says so; that runs on the decoding thread.
    ///
    /// # Errors
    /// As [`Container::for_each`].
    pub fn for_each_where(
        &self,
        wanted: &(dyn Fn(&ContainerEntry) -> bool + Sync),
        f: &mut EntrySink<'_>,
    ) -> Result<(), ContainerError> {
        let what = escape(self.path.as_os_str().as_bytes());
        ahead::run(
            &self.limits,
            wanted,
            |emitter| match (self.format, &self.backing) {
                (ContainerFormat::Zip, Some(backing)) if self.is_without_directory => {
                    zip::each_without_directory(backing, emitter)
                }
                (ContainerFormat::Zip, Some(backing)) => zip::each(backing, emitter),
                (_, Some(_)) => tar::each(self.metered().map_err(ahead::Fault::Io)?, emitter),
                (_, None) => dir::each(&self.path, emitter),
            },
            f,
        )
        .map_err(|(fault, entries)| fault.into_error(what, entries))
    }

    fn metered(&self) -> io::Result<ahead::Metered<Box<dyn Read + Send>>> {
        let backing = self.backing.clone();
        let start = self.bytes_read();
        let read = move || backing.as_ref().map_or(0, Backing::bytes_read).saturating_sub(start);
        Ok(ahead::Metered::new(self.tar_stream()?, &self.limits, Box::new(read)))
    }

    /// The uncompressed tar as it is, held against the limits.
    pub(crate) fn stream(&self) -> Result<impl Read + Send, ContainerError> {
        let what = escape(self.path.as_os_str().as_bytes());
        self.metered().map_err(|source| ContainerError::Io { doing: "opening", what, source })
    }

    /// Opens `size` bytes from a place of the uncompressed tar, by decoding everything before them where that is needed.
    pub(crate) fn tar_content(&self, start: u64, size: u64) -> io::Result<Box<dyn Read + Send>> {
        if let (ContainerFormat::Tar, Some(backing)) = (self.format, &self.backing) {
            return Ok(Box::new(BufReader::new(backing.section_at(start, size))));
        }
        let mut stream = self.tar_stream()?;
        if io::copy(&mut (&mut stream).take(start), &mut io::sink())? < start {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Box::new(stream.take(size)))
    }

    /// The uncompressed tar.
    pub(crate) fn tar_stream(&self) -> io::Result<Box<dyn Read + Send>> {
        let Some(backing) = &self.backing else { return Err(io::Error::other("a folder is no stream")) };
        let raw = BufReader::with_capacity(1 << 18, backing.section());
        Ok(match self.format {
            ContainerFormat::TarXz => Box::new(xz::Decoder::new(raw)),
            ContainerFormat::TarGz => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
            ContainerFormat::TarZst => Box::new(zstd::stream::read::Decoder::with_buffer(raw)?),
            _ => Box::new(raw),
        })
    }
}

/// Opens a file that is read at places; none where it is neither a file nor a block device.
pub(crate) fn open_backing(path: &Path) -> io::Result<Option<Backing>> {
    Ok(match file::open(path)? {
        file::Target::File(backing) => Some(backing),
        file::Target::Directory | file::Target::Other => None,
    })
}

/// The first block of a stream, or what there is of it.
fn head_of(stream: impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    stream.take(512).read_to_end(&mut head)?;
    Ok(head)
}
