//! Archives for tests, the hostile ones byte by byte. Nothing in them runs.

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use std::io::Write as _;

/// What a web shell does, behind an `exit`.
pub(in crate::detect) const SHELL: &[u8] = b"<?php exit; eval(base64_decode($_POST['c'])); system($_GET['x']); ?>";

pub(in crate::detect) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::detect) fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::detect) fn tar_header(name: &[u8], kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(1_767_225_600);
    header.set_cksum();
    header
}

pub(in crate::detect) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let header = tar_header(name.as_bytes(), tar::EntryType::Regular, content.len() as u64);
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// How a member of [`zip`] is.
#[derive(Clone, Copy)]
pub(in crate::detect) enum How {
    Stored,
    Deflated,
    Encrypted,
    Method(u16),
}

/// A local header.
pub(in crate::detect) fn local(name: &[u8], how: How, packed: usize, size: usize) -> Vec<u8> {
    let (flags, method) = codes(how);
    let mut header = b"PK\x03\x04\x14\0".to_vec();
    for short in [flags, method, 0, 0] {
        header.extend_from_slice(&short.to_le_bytes());
    }
    for long in [0, packed as u32, size as u32] {
        header.extend_from_slice(&long.to_le_bytes());
    }
    header.extend_from_slice(&(name.len() as u16).to_le_bytes());
    header.extend_from_slice(&[0, 0]);
    header.extend_from_slice(name);
    header
}

fn codes(how: How) -> (u16, u16) {
    match how {
        How::Stored => (0, 0),
        How::Deflated => (0, 8),
        How::Encrypted => (1, 0),
        How::Method(method) => (0, method),
    }
}

/// An entry of the directory.
pub(in crate::detect) fn central(name: &[u8], how: How, packed: usize, size: usize, at: usize) -> Vec<u8> {
    let (flags, method) = codes(how);
    let mut entry = b"PK\x01\x02\x14\x03\x14\0".to_vec();
    for short in [flags, method, 0, 0] {
        entry.extend_from_slice(&short.to_le_bytes());
    }
    for long in [0, packed as u32, size as u32] {
        entry.extend_from_slice(&long.to_le_bytes());
    }
    for short in [name.len() as u16, 0, 0, 0, 0] {
        entry.extend_from_slice(&short.to_le_bytes());
    }
    entry.extend_from_slice(&(0o100_644_u32 << 16).to_le_bytes());
    entry.extend_from_slice(&(at as u32).to_le_bytes());
    entry.extend_from_slice(name);
    entry
}

/// The end of the directory.
pub(in crate::detect) fn end(entries: usize, size: usize, at: usize) -> Vec<u8> {
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    end.extend_from_slice(&(entries as u16).to_le_bytes());
    end.extend_from_slice(&(entries as u16).to_le_bytes());
    end.extend_from_slice(&(size as u32).to_le_bytes());
    end.extend_from_slice(&(at as u32).to_le_bytes());
    end.extend_from_slice(&[0, 0]);
    end
}

pub(in crate::detect) fn zip(files: &[(&str, How, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, how, content) in files {
        let packed = if matches!(how, How::Deflated) { deflate(content) } else { content.to_vec() };
        directory.extend(central(name.as_bytes(), *how, packed.len(), content.len(), out.len()));
        out.extend(local(name.as_bytes(), *how, packed.len(), content.len()));
        out.extend(packed);
    }
    let at = out.len();
    out.extend(&directory);
    out.extend(end(files.len(), directory.len(), at));
    out
}

/// A phar with members that are stored (0), deflated (0x1000) or in bzip2 (0x2000), and a description.
pub(in crate::detect) fn phar(front: &[u8], description: &[u8], files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let long = |number: usize| (number as u32).to_le_bytes();
    let mut list = long(files.len()).to_vec();
    list.extend([0x11, 0, 0, 0, 1, 0]);
    list.extend(long(0));
    list.extend(long(description.len()));
    list.extend(description);
    let mut contents = Vec::new();
    for (name, flags, content) in files {
        let packed = if *flags == 0x1000 { deflate(content) } else { content.to_vec() };
        list.extend(long(name.len()));
        list.extend(name.as_bytes());
        for number in [content.len(), 1_767_225_600, packed.len(), 0, (*flags | 0o644) as usize, 0] {
            list.extend(long(number));
        }
        contents.extend(packed);
    }
    let mut out = front.to_vec();
    out.extend(b"__HALT_COMPILER(); ?>\r\n");
    out.extend(long(list.len()));
    out.extend(list);
    out.extend(contents);
    out.extend([0; 20]);
    out.extend(b"\x02\0\0\0GBMB");
    out
}

/// An xz stream whose only block is stored as it is.
pub(in crate::detect) fn xz(bytes: &[u8]) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum().to_le_bytes()
    };
    let pad = |out: &mut Vec<u8>| out.resize(out.len().next_multiple_of(4), 0);
    let number = |mut number: usize| {
        let mut out = Vec::new();
        while number >= 0x80 {
            out.push(number as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
        out
    };
    let head = [2, 0, 0x21, 1, 20, 0, 0, 0];
    let mut block = [head.as_slice(), &crc(&head)].concat();
    for (at, chunk) in bytes.chunks(1 << 16).enumerate() {
        block.push(if at == 0 { 1 } else { 2 });
        block.extend(((chunk.len() - 1) as u16).to_be_bytes());
        block.extend(chunk);
    }
    block.push(0);
    let unpadded = block.len();
    pad(&mut block);
    let mut index = [vec![0, 1], number(unpadded), number(bytes.len())].concat();
    pad(&mut index);
    let sum = crc(&index);
    index.extend(sum);
    let mut foot = ((index.len() / 4 - 1) as u32).to_le_bytes().to_vec();
    foot.extend([0, 0]);
    let flags = [0, 0];
    [b"\xfd7zXZ\0".as_slice(), &flags, &crc(&flags), &block, &index, &crc(&foot), &foot, b"YZ"].concat()
}
