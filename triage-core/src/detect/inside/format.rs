//! What can be unpacked, told by its bytes.

use super::zip;
use crate::source::is_tar_header;

/// How a content is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Gzip,
    Zstd,
    Xz,
    Tar,
    Zip,
    Phar,
    /// Packed in a way that this version does not read; how, for people.
    Foreign(&'static str),
}

/// Bytes that tell a stream's format.
pub(super) const HEAD: usize = 512;

/// What every `PHP` archive has between its program and its list of members.
pub(super) const HALT: &[u8] = b"__HALT_COMPILER();";
/// The last bytes of a phar that is signed, as PHP demands unless it is told otherwise.
const SIGNED: &[u8] = b"GBMB";

impl Format {
    /// The format that begins with these bytes, of which there should be [`HEAD`].
    pub(super) fn of_head(head: &[u8]) -> Option<Self> {
        Some(match head {
            // The upper flags are reserved (RFC 1952, 2.3.1.2): what has them set is something else.
            [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0 => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'P', b'K', 3, 4, ..] => Self::Zip,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => Self::Foreign("bzip2"),
            [b'R', b'a', b'r', b'!', 0x1a, 7, ..] => Self::Foreign("rar"),
            [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => Self::Foreign("7z"),
            // A block of zeros is the end of a tar, and the beginning of many things.
            head if head.first().is_some_and(|&byte| byte != 0) && is_tar_header(head) => Self::Tar,
            _ => return None,
        })
    }

    /// The format of a whole content: what begins as none may end as a zip or a phar.
    pub(super) fn of(content: &[u8], is_called_phar: bool) -> Option<Self> {
        if (content.ends_with(SIGNED) || is_called_phar) && super::super::find(content, HALT).is_some() {
            return Some(Self::Phar);
        }
        Self::of_head(content.get(..HEAD).unwrap_or(content)).or_else(|| zip::has_end(content).then_some(Self::Zip))
    }

    /// Says whether it can be read as it passes, without the whole in memory.
    pub(super) fn is_stream(self) -> bool {
        matches!(self, Self::Gzip | Self::Zstd | Self::Xz | Self::Tar)
    }
}
