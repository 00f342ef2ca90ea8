//! What a file system says of an object, apart from its content.

use super::text::RawText;
use super::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// The type of an object, from `st_mode` (`inode(7)`) or from an archive's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum FileKind {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    BlockDevice,
    CharDevice,
    /// A type that this version does not know.
    Unknown,
}

impl FileKind {
    /// The type in the upper bits of `st_mode`.
    pub fn of_mode(st_mode: u32) -> Self {
        match st_mode & 0o170_000 {
            0o100_000 => Self::File,
            0o040_000 => Self::Directory,
            0o120_000 => Self::Symlink,
            0o010_000 => Self::Fifo,
            0o140_000 => Self::Socket,
            0o060_000 => Self::BlockDevice,
            0o020_000 => Self::CharDevice,
            _ => Self::Unknown,
        }
    }

    /// The word in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::BlockDevice => "block_device",
            Self::CharDevice => "char_device",
            Self::Unknown => "unknown",
        }
    }
}

/// Permission bits, 0o7777 at most; four octal digits (`"0644"`) in text and JSON, because that is how people read them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mode(u32);

impl Mode {
    /// The permission bits of an `st_mode`; the type bits are dropped.
    pub fn new(st_mode: u32) -> Self {
        Self(st_mode & 0o7777)
    }

    /// The bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Says whether anybody may execute it.
    pub fn is_executable(self) -> bool {
        self.0 & 0o111 != 0
    }

    /// Says whether it runs with the rights of its owner or group.
    pub fn is_setid(self) -> bool {
        self.0 & 0o6000 != 0
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        u32::from_str_radix(&text, 8)
            .ok()
            .filter(|&bits| bits <= 0o7777 && !text.starts_with('+'))
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("mode is not an octal number of at most 7777"))
    }
}

/// The metadata of one object. A field that its source cannot tell (an archive has no inode number) is `None`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileMeta {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: FileKind,
    /// Permission bits.
    pub mode: Mode,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of content as the file system states them; for a symbolic link the length of its target.
    #[serde(rename = "size_bytes")]
    pub size: u64,
    /// Number of hard links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<u64>,
    /// Inode number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
    /// Device that holds it, as `st_dev`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<u64>,
    /// Device that it is, for a device node, as `st_rdev`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub special: Option<u64>,
    /// Content modification time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtime: Option<Timestamp>,
    /// Last access time, as it was before this tool read the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub atime: Option<Timestamp>,
    /// Metadata modification time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ctime: Option<Timestamp>,
    /// Creation time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub btime: Option<Timestamp>,
    /// Where a symbolic link points, as written in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_target: Option<RawText>,
    /// Extended attributes by name: `user.*`, `security.*`, `trusted.*`, `system.*` (ACLs, `SELinux` label, capabilities).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, RawText>,
    /// How many extended attributes are there and not in `xattrs`, because they were too large together or not readable.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub xattrs_omitted: u64,
    /// Inode flags as `FS_IOC_GETFLAGS` gives them (`ioctl_iflags(2)`): 0x10 immutable, 0x20 append-only. `None` where the
    /// file system has none or the source cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode_flags: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl FileMeta {
    /// `FS_IMMUTABLE_FL` of `linux/fs.h`.
    pub const IMMUTABLE: u32 = 0x10;
    /// `FS_APPEND_FL` of `linux/fs.h`.
    pub const APPEND_ONLY: u32 = 0x20;

    /// Metadata of which only type, mode and size are known.
    pub fn bare(kind: FileKind, mode: Mode, size: u64) -> Self {
        Self {
            kind,
            mode,
            uid: 0,
            gid: 0,
            size,
            links: None,
            inode: None,
            device: None,
            special: None,
            mtime: None,
            atime: None,
            ctime: None,
            btime: None,
            link_target: None,
            xattrs: BTreeMap::new(),
            xattrs_omitted: 0,
            inode_flags: None,
        }
    }

    /// Says whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind == FileKind::File
    }

    /// Says whether it is marked immutable or append-only, which keeps even root from removing it.
    pub fn is_pinned(&self) -> bool {
        self.inode_flags.is_some_and(|flags| flags & (Self::IMMUTABLE | Self::APPEND_ONLY) != 0)
    }
}
