//! What the kernel says of itself in `/proc` (`proc(5)`, `Documentation/filesystems/proc.rst`).
//!
//! The kernel is believed only so far: an intruder may have mounted something over a folder of `/proc`, a process chooses its own name
//! and arguments, and a socket's name may hold newlines. So a line that does not fit is left out, never guessed, and no name
//! can bring another field out of its place.

mod network;
mod process;
mod system;

pub use network::{inet, ipv6_routes, neighbours, packet, routes, unix};
pub(crate) use process::is_package_place;
pub use process::{Link, Stat, Status, cgroup, environment, link, maps, namespace_inode, socket_inode, stat, status};
pub use system::{interfaces, kallsyms_module, modules, mounts};

use crate::model::RawText;

/// The words of a line, by blanks.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&b| b == b' ' || b == b'\t').filter(|word| !word.is_empty())
}

fn number<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    // `parse` takes a leading plus, which no kernel writes.
    std::str::from_utf8(word).ok().filter(|text| !text.starts_with('+'))?.parse().ok()
}

fn hex(word: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(word).ok().filter(|text| !text.starts_with('+'))?;
    u64::from_str_radix(text, 16).ok()
}

fn text(bytes: &[u8]) -> String {
    crate::model::escape(bytes)
}

/// Undoes the octal escapes of the kernel's `mangle_path`: `\040`.
fn unescape(word: &[u8]) -> RawText {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|_| first == b'\\').and_then(|digits| {
            let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
            u8::from_str_radix(text, 8).ok()
        });
        if let Some(byte) = octal {
            out.push(byte);
            rest = tail.get(3..).unwrap_or_default();
        } else {
            out.push(first);
            rest = tail;
        }
    }
    RawText::from(out)
}
