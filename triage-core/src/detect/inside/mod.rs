//! What stands inside files: the members of archives, and theirs.
//!
//! An intruder packs what a scanner should not see, and a backup brings back what somebody has removed. So what can be unpacked is looked into,
//! told by its bytes and never by its name: gzip, Zstandard, xz, tar, zip (also behind a picture or a script) and phar.
//!
//! It touches nothing but the bytes it is given, and unpacks in memory: a stream is read once, from front to end; a member is held whole up to
//! [`Limits::max_member`] and shown in parts beyond. It never writes, never trusts a size that an archive states, and never goes on after a budget
//! is spent: what was left out is told.
//!
//! The readers of `source` are not used for tar and zip. They serve evidence, of which all readers must see the same, and refuse what is ambiguous;
//! here a reader has to see whatever some program could unpack, in bytes that are in memory already or pass once. xz is shared.

mod budget;
mod format;
mod gather;
mod member;
mod part;
mod phar;
mod pipe;
mod place;
mod stream;
mod tar;
#[cfg(test)]
mod tests;
mod trouble;
mod walk;
mod zip;
mod zip_stream;

use std::time::Duration;

pub use member::{ArchiveMember, archive_members};

pub(super) use gather::Gathered;
pub(super) use pipe::Streams;
pub(super) use place::Place;

/// How far archives are looked into. The defaults let a backup of any size pass whose contents are what they seem, and end a bomb within seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes after decompression, of one file with all that is nested in it.
    pub max_total: u64,
    /// How many times its own size a file may become.
    pub max_ratio: u64,
    /// Bytes after decompression below which the ratio is not looked at.
    pub ratio_free: u64,
    /// The largest member that is held in memory, in bytes. A larger one is shown in parts.
    pub max_member: u64,
    /// Members of one file, with all that is nested in it.
    pub max_members: u64,
    /// Archives inside each other.
    pub max_depth: u16,
    /// Bytes that the headers of one member may take.
    pub max_headers: u64,
    /// Time for one file, looking at its members included, and a second more for each 4 MiB of it: a member of a few bytes can take a detector long.
    pub max_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_total: 64 << 30,
            max_ratio: 50,
            ratio_free: 128 << 20,
            max_member: 16 << 20,
            max_members: 200_000,
            max_depth: 4,
            max_headers: 1 << 20,
            max_time: Duration::from_mins(5),
        }
    }
}
