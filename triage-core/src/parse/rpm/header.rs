//! The header of an rpm package: an index of tags and a store of their values, big-endian (`rpm`'s `docs/manual/format_header.md`).

use super::super::bytes::{Endian, array, piece, until_nul};
use crate::model::{Digest, EvidencePath, Mode, RawText};
use serde::Serialize;

const BIG: Endian = Endian::Big;

pub(super) const NAME: u32 = 1000;
pub(super) const VERSION: u32 = 1001;
pub(super) const RELEASE: u32 = 1002;
pub(super) const EPOCH: u32 = 1003;
pub(super) const INSTALLTIME: u32 = 1008;
pub(super) const VENDOR: u32 = 1011;
pub(super) const ARCH: u32 = 1022;
const OLDFILENAMES: u32 = 1027;
const FILESIZES: u32 = 1028;
const FILESTATES: u32 = 1029;
const FILEMODES: u32 = 1030;
const FILEMTIMES: u32 = 1034;
const FILEDIGESTS: u32 = 1035;
const FILELINKTOS: u32 = 1036;
const FILEFLAGS: u32 = 1037;
const FILEUSERNAME: u32 = 1039;
const FILEGROUPNAME: u32 = 1040;
const DIRINDEXES: u32 = 1116;
const BASENAMES: u32 = 1117;
const DIRNAMES: u32 = 1118;
const LONGFILESIZES: u32 = 5008;
const FILEDIGESTALGO: u32 = 5011;

/// Signatures in the header of an installed package: over the header (RSA, DSA, and any number of them as base64), over header and payload (PGP, GPG).
const SIGNATURES: [u32; 4] = [268, 267, 259, 262];

/// Types of values.
const CHAR: u32 = 1;
const INT8: u32 = 2;
const INT16: u32 = 3;
const INT32: u32 = 4;
const INT64: u32 = 5;
const STRING: u32 = 6;
const BIN: u32 = 7;
const STRING_ARRAY: u32 = 8;
const I18N_STRING: u32 = 9;

/// The most entries of an index; `rpm` allows 65 535.
const MAX_TAGS: usize = 0xffff;

/// How the digests of a package's files were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Algorithm {
    /// MD5: the default where the header names none.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// Another, by its number in OpenPGP (RFC 9580, 9.5).
    Other(u32),
}

/// What the package says of a file besides its content (`rpmfiles.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FileFlags(pub u32);

impl FileFlags {
    /// Configuration, which an administrator may change.
    pub fn is_config(self) -> bool {
        self.0 & 1 != 0
    }

    /// Documentation.
    pub fn is_doc(self) -> bool {
        self.0 & (1 << 1) != 0
    }

    /// It may be missing.
    pub fn may_be_missing(self) -> bool {
        self.0 & (1 << 3) != 0
    }

    /// Not in the package: it belongs to it if it comes to be.
    pub fn is_ghost(self) -> bool {
        self.0 & (1 << 6) != 0
    }
}

/// A file of a package, as its header has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackagedFile {
    /// Where it should be.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Type and mode bits.
    pub st_mode: u32,
    /// The digest of its content, in lower-case hexadecimal digits; empty for what has none (folders, links, ghosts).
    pub digest: String,
    /// How it was made.
    pub algorithm: Algorithm,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Modification time in seconds since 1970.
    pub mtime: u32,
    /// Owner.
    pub user: RawText,
    /// Group.
    pub group: RawText,
    /// The target of a link.
    #[serde(skip_serializing_if = "RawText::is_empty")]
    pub link_target: RawText,
    /// What else is said of it.
    pub flags: FileFlags,
    /// Says that it was installed: not left out (`--nodocs`), not replaced by another package's.
    pub is_installed: bool,
}

impl PackagedFile {
    /// The mode bits.
    pub fn mode(&self) -> Mode {
        Mode::new(self.st_mode & 0o7777)
    }

    /// Says whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.st_mode & 0o170_000 == 0o100_000
    }

    /// The digest where it is SHA-256.
    pub fn sha256(&self) -> Option<Digest> {
        (self.algorithm == Algorithm::Sha256).then(|| self.digest.parse().ok()).flatten()
    }

    /// The digest where it is MD5.
    pub fn md5(&self) -> Option<[u8; 16]> {
        (self.algorithm == Algorithm::Md5).then(|| super::super::dpkg::md5_of_hex(self.digest.as_bytes())).flatten()
    }
}

/// An entry of the index.
#[derive(Clone, Copy)]
struct Tag {
    number: u32,
    kind: u32,
    offset: usize,
    count: usize,
}

/// A header that was found sound in its outline.
pub(super) struct Header<'a> {
    tags: Vec<Tag>,
    store: &'a [u8],
    /// Says that the lists of files do not fit one another.
    pub(super) has_bad_files: bool,
}

impl<'a> Header<'a> {
    /// Reads the index; none where it does not fit the bytes.
    pub(super) fn read(blob: &'a [u8]) -> Option<Self> {
        let count = usize::try_from(BIG.u32(blob, 0)?).ok()?;
        let length = usize::try_from(BIG.u32(blob, 4)?).ok()?;
        if count == 0 || count > MAX_TAGS {
            return None;
        }
        let index = piece(blob, 8, count * 16)?;
        let store = piece(blob, 8 + count * 16, length)?;
        let mut tags = Vec::with_capacity(count);
        for raw in index.chunks_exact(16) {
            let (offset, count) = (BIG.u32(raw, 8)?, BIG.u32(raw, 12)?);
            // Entries of regions have offsets before the store, and no values of ours.
            if let (Ok(offset), Ok(count)) = (usize::try_from(offset.cast_signed()), usize::try_from(count)) {
                tags.push(Tag { number: BIG.u32(raw, 0)?, kind: BIG.u32(raw, 4)?, offset, count });
            }
        }
        let mut header = Self { tags, store, has_bad_files: false };
        header.has_bad_files = !header.files_fit();
        Some(header)
    }

    fn values(&self, tag: u32) -> Option<Tag> {
        self.tags.iter().copied().find(|entry| entry.number == tag)
    }

    /// The first text of a tag.
    pub(super) fn text(&self, tag: u32) -> Option<&'a [u8]> {
        let entry = self.values(tag)?;
        matches!(entry.kind, STRING | STRING_ARRAY | I18N_STRING)
            .then(|| self.store.get(entry.offset..).map(until_nul))
            .flatten()
    }

    /// The first number of a tag of 32 bits.
    pub(super) fn number(&self, tag: u32) -> Option<u32> {
        let entry = self.values(tag).filter(|entry| entry.kind == INT32 && entry.count > 0)?;
        BIG.u32(self.store, entry.offset)
    }

    /// The signatures.
    pub(super) fn signatures(&self) -> impl Iterator<Item = &'a [u8]> {
        SIGNATURES.into_iter().filter_map(|tag| {
            let entry = self.values(tag).filter(|entry| entry.kind == BIN)?;
            piece(self.store, entry.offset, entry.count)
        })
    }

    /// The number `at` of a list, whatever its width.
    fn number_at(&self, entry: Option<Tag>, at: usize) -> Option<u64> {
        let entry = entry.filter(|entry| at < entry.count)?;
        let place = |width: usize| entry.offset.checked_add(at.checked_mul(width)?);
        match entry.kind {
            CHAR | INT8 => array::<1>(self.store, place(1)?).map(|[byte]| u64::from(byte)),
            INT16 => BIG.u16(self.store, place(2)?).map(u64::from),
            INT32 => BIG.u32(self.store, place(4)?).map(u64::from),
            INT64 => BIG.u64(self.store, place(8)?),
            _ => None,
        }
    }

    /// The texts of a list, one after the other; never more than the store can hold.
    fn texts(&self, tag: u32) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let entry = self.values(tag).filter(|entry| entry.kind == STRING_ARRAY);
        let (rest, count) =
            entry.and_then(|entry| Some((self.store.get(entry.offset..)?, entry.count))).unwrap_or((&[], 0));
        let count = if rest.is_empty() { 0 } else { count };
        rest.split(|&b| b == 0).take(count)
    }

    /// Says whether every file name has its folder.
    fn files_fit(&self) -> bool {
        let Some(names) = self.values(BASENAMES) else { return true };
        let folders = self.values(DIRNAMES).map_or(0, |entry| entry.count) as u64;
        let indexes = self.values(DIRINDEXES);
        self.texts(BASENAMES).count() == names.count
            && (0..names.count).all(|at| self.number_at(indexes, at).is_some_and(|index| index < folders))
    }

    /// The files, at most `room` of them; those whose name or folder makes no sense are left out.
    pub(super) fn files(&self, room: usize) -> Vec<PackagedFile> {
        let folders: Vec<&[u8]> = self.texts(DIRNAMES).collect();
        let indexes = self.values(DIRINDEXES);
        let joined = self.texts(BASENAMES).enumerate().map(|(at, name)| {
            let folder =
                self.number_at(indexes, at).and_then(|index| folders.get(usize::try_from(index).ok()?).copied());
            folder.map(|folder| [folder, name].concat())
        });
        // Before version 4 the names were whole.
        let names: Vec<Option<Vec<u8>>> = if self.values(BASENAMES).is_some() {
            joined.take(room).collect()
        } else {
            self.texts(OLDFILENAMES).map(|name| Some(name.to_vec())).take(room).collect()
        };
        let columns = Columns::of(self);
        let empty: &[u8] = b"";
        let (mut digests, mut links) = (self.texts(FILEDIGESTS), self.texts(FILELINKTOS));
        let (mut users, mut groups) = (self.texts(FILEUSERNAME), self.texts(FILEGROUPNAME));
        let mut files = Vec::with_capacity(names.len());
        for (at, name) in names.into_iter().enumerate() {
            // Each list goes on by one whether the name makes sense or not.
            let digest = digests.next().unwrap_or(empty);
            let link = links.next().unwrap_or(empty);
            let (user, group) = (users.next().unwrap_or(empty), groups.next().unwrap_or(empty));
            let Some(path) = name.and_then(|name| EvidencePath::new(name).ok()) else { continue };
            files.push(PackagedFile {
                path,
                st_mode: Columns::at(self, columns.modes, at) & 0xffff,
                digest: hex(digest),
                algorithm: columns.algorithm,
                size_bytes: self.number_at(columns.sizes, at).unwrap_or(0),
                mtime: Columns::at(self, columns.times, at),
                user: RawText::from(user),
                group: RawText::from(group),
                link_target: RawText::from(link),
                flags: FileFlags(Columns::at(self, columns.flags, at)),
                // 0 is normal; where there are no states, all are.
                is_installed: Columns::at(self, columns.states, at) == 0,
            });
        }
        files
    }
}

/// The lists of numbers that stand beside the names.
struct Columns {
    modes: Option<Tag>,
    sizes: Option<Tag>,
    times: Option<Tag>,
    flags: Option<Tag>,
    states: Option<Tag>,
    algorithm: Algorithm,
}

impl Columns {
    fn of(header: &Header<'_>) -> Self {
        let algorithm = match header.number(FILEDIGESTALGO) {
            None | Some(1) => Algorithm::Md5,
            Some(2) => Algorithm::Sha1,
            Some(8) => Algorithm::Sha256,
            Some(other) => Algorithm::Other(other),
        };
        Self {
            modes: header.values(FILEMODES),
            sizes: header.values(LONGFILESIZES).or_else(|| header.values(FILESIZES)),
            times: header.values(FILEMTIMES),
            flags: header.values(FILEFLAGS),
            states: header.values(FILESTATES),
            algorithm,
        }
    }

    fn at(header: &Header<'_>, column: Option<Tag>, at: usize) -> u32 {
        header.number_at(column, at).and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
    }
}

/// Text that is hexadecimal digits, in lower case; else nothing.
fn hex(text: &[u8]) -> String {
    if text.len() > 128 || !text.iter().all(u8::is_ascii_hexdigit) {
        return String::new();
    }
    String::from_utf8_lossy(text).to_ascii_lowercase()
}
