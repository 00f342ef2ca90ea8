//! The serialisations of a bag. All take members of a size that is known before the first byte, one after the other.

pub(super) mod dir;
pub(super) mod frames;
mod gzip;
pub(super) mod tar;
pub(super) mod zip;

use super::output::{Committed, Existing, Folder, Output, partial_of};
use super::seal::Recipients;
use super::{BundleError, BundleInfo, writing};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How a bundle is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleFormat {
    /// A tar in Zstandard, in independent frames with a seek table: one file can be read without reading all. The default.
    TarZst,
    /// A tar in gzip, for where nothing newer is installed.
    TarGz,
    /// A zip with deflate.
    Zip,
    /// A plain folder.
    Dir,
}

impl BundleFormat {
    /// The word in options and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TarZst => "tar.zst",
            Self::TarGz => "tar.gz",
            Self::Zip => "zip",
            Self::Dir => "dir",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::TarZst, Self::TarGz, Self::Zip, Self::Dir].into_iter().find(|format| format.as_str() == word)
    }

    /// What the name of a file asks for; none for a name that says nothing.
    pub fn of_name(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = name.strip_suffix(".age").unwrap_or(&name);
        let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
        if ends(&[".tar.zst", ".tzst"]) {
            Some(Self::TarZst)
        } else if ends(&[".tar.gz", ".tgz"]) {
            Some(Self::TarGz)
        } else if ends(&[".zip"]) {
            Some(Self::Zip)
        } else {
            None
        }
    }
}

/// Where a bundle goes.
pub enum BundleSink {
    /// A file, or for [`BundleFormat::Dir`] a folder, of this name.
    Path {
        /// Its final name; until it is whole it has `.partial` behind that.
        path: PathBuf,
        /// How it is written.
        format: BundleFormat,
        /// What to do where the name is taken.
        existing: Existing,
    },
    /// Any stream, for instance standard output. It cannot be a folder.
    Stream {
        /// Takes the bytes, in order.
        writer: Box<dyn Write + Send>,
        /// How it is written.
        format: BundleFormat,
    },
    /// What a killed collection left, to go on with it: `NAME.partial`.
    Resume {
        /// The partial file or folder.
        partial: PathBuf,
    },
}

impl BundleSink {
    /// A new file or folder; refused where there is one.
    pub fn path(path: impl Into<PathBuf>, format: BundleFormat) -> Self {
        Self::Path { path: path.into(), format, existing: Existing::Refuse }
    }

    /// A stream.
    pub fn stream(writer: impl Write + Send + 'static, format: BundleFormat) -> Self {
        Self::Stream { writer: Box::new(writer), format }
    }

    /// The name under which it is written until it is whole; a stream has none.
    pub fn partial_path(&self) -> Option<PathBuf> {
        match self {
            Self::Path { path, .. } => partial_of(path),
            Self::Resume { partial } => Some(partial.clone()),
            Self::Stream { .. } => None,
        }
    }
}

/// A serialisation that is being written.
pub(super) trait Archive: Send {
    /// Begins a member of exactly `size` bytes. Gives the place that the index keeps for it.
    fn begin(&mut self, name: &str, size: u64, mtime_seconds: i64) -> io::Result<u64>;

    /// The next bytes of the member.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Ends the member, all of whose bytes were written.
    fn end(&mut self) -> io::Result<()>;

    /// Sees to it that what was written so far can be read, whatever becomes of what follows.
    fn checkpoint(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Says whether it wants `triage/index.bin`, and sees to it that what follows can be read on its own.
    fn begin_index(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    /// Ends the serialisation and gives it its final name.
    fn finish(self: Box<Self>) -> Result<Committed, BundleError>;
}

/// Opens a sink for a new bundle. `root` is the name of the folder that everything lies in, inside an archive.
pub(super) fn open(
    sink: BundleSink,
    root: &str,
    info: &BundleInfo,
    seal: &Recipients,
) -> Result<Box<dyn Archive>, BundleError> {
    let unsupported = |what: &str| BundleError::Unsupported { what: what.to_owned() };
    let (output, format) = match sink {
        BundleSink::Path { format: BundleFormat::Dir, .. } if !seal.is_empty() => {
            return Err(unsupported("a folder cannot be encrypted; `tar.zst`, `tar.gz` and `zip` can"));
        }
        BundleSink::Path { path, format: BundleFormat::Dir, existing } => {
            return Ok(Box::new(dir::DirArchive::new(Folder::create(&path, existing)?)));
        }
        BundleSink::Stream { format: BundleFormat::Dir, .. } => {
            return Err(unsupported("a folder cannot be written to a stream"));
        }
        BundleSink::Resume { .. } => return Err(unsupported("a bundle that is gone on with is not begun")),
        BundleSink::Path { path, existing, format } => (Output::file(&path, existing, seal)?, format),
        BundleSink::Stream { writer, format } => (Output::stream(writer, seal)?, format),
    };
    Ok(match format {
        BundleFormat::TarGz => Box::new(tar::TarArchive::new(gzip::Gzip::new(output), root)),
        BundleFormat::Zip => Box::new(zip::ZipArchive::new(output, root).map_err(writing)?),
        _ => Box::new(tar::TarArchive::new(frames::Frames::new(output, info.threads)?, root)),
    })
}
