//! Containers around hostile parts, so that a fuzzer need not find out what a check sum is before it gets to the reader behind it.

use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

/// A file of no folder, for readers that take a path.
pub(super) struct InMemory {
    file: File,
}

impl InMemory {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut file = File::from(memfd_create("evidence", MemfdFlags::CLOEXEC).expect("a file in memory"));
        file.write_all(bytes).expect("writing to memory");
        Self { file }
    }

    /// Where it can be opened, as long as this lives.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }
}

/// A tar (POSIX ustar) of regular files. Names are cut where they are longer than their field.
pub(super) fn tar(files: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, content) in files {
        member(&mut out, name, content);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// One member of a tar.
pub(super) fn member(out: &mut Vec<u8>, name: &[u8], content: &[u8]) {
    let mut header = [0; 512];
    let name = &name[..name.len().min(100)];
    header[..name.len()].copy_from_slice(name);
    header[100..107].copy_from_slice(b"0000640");
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[136..147].copy_from_slice(b"14524645400");
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(512), 0);
}

/// A zip (APPNOTE 6.3) of empty files, stored: only their names are the point.
pub(super) fn zip(names: &[&[u8]]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    let mut count = 0_u16;
    for name in names.iter().take(4000) {
        let name = &name[..name.len().min(4096)];
        let length = u16::try_from(name.len()).expect("it was cut").to_le_bytes();
        let at = u32::try_from(out.len()).expect("it is small").to_le_bytes();
        let (mut fixed, zeros) = (vec![20, 0, 0, 8, 0, 0], [0; 16]);
        fixed.extend_from_slice(&zeros);
        for (place, signature) in [(&mut out, &b"PK\x03\x04"[..]), (&mut directory, b"PK\x01\x02\x14\x03")] {
            place.extend_from_slice(signature);
            place.extend_from_slice(&fixed);
            place.extend_from_slice(&length);
            place.extend_from_slice(&[0, 0]);
        }
        directory.extend_from_slice(&[0; 12]);
        directory.extend_from_slice(&at);
        directory.extend_from_slice(name);
        out.extend_from_slice(name);
        count += 1;
    }
    let (at, size) = (out.len(), directory.len());
    out.append(&mut directory);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&[count.to_le_bytes(), count.to_le_bytes()].concat());
    for number in [size, at] {
        out.extend_from_slice(&u32::try_from(number).expect("it is small").to_le_bytes());
    }
    out.extend_from_slice(&[0, 0]);
    out
}

/// Zstandard frames with a table of where each begins (the seekable format 0.1.0).
pub(super) fn seekable(frames: &[Vec<u8>]) -> Vec<u8> {
    let (mut out, mut table) = (Vec::new(), Vec::new());
    for frame in frames {
        let packed = zstd::bulk::compress(frame, 1).expect("compressing");
        for number in [packed.len(), frame.len()] {
            table.extend_from_slice(&u32::try_from(number).expect("it is small").to_le_bytes());
        }
        out.extend_from_slice(&packed);
    }
    table.extend_from_slice(&u32::try_from(frames.len()).expect("a few").to_le_bytes());
    table.push(0);
    table.extend_from_slice(&0x8F92_EAB1_u32.to_le_bytes());
    out.extend_from_slice(&0x184D_2A5E_u32.to_le_bytes());
    out.extend_from_slice(&u32::try_from(table.len()).expect("it is small").to_le_bytes());
    out.append(&mut table);
    out
}

/// Two parts of an input: how long the first is stands in front.
pub(super) fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    match data.split_first_chunk::<2>() {
        Some((length, rest)) => rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len())),
        None => (data, &[]),
    }
}
