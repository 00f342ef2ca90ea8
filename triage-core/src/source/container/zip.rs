//! Zip, through the `zip` crate's entry-by-entry reader, which keeps repeated names and holds each local header against the
//! central directory: two readers must not see two archives.
//!
//! A zip whose end is missing has no central directory. Its entries are then found by their local headers, as far as they go.

use super::ContainerEntry;
use super::ahead::{Emitter, Fault};
use super::file::{Backing, Section};
use crate::model::FileKind;
use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use std::io::{self, BufReader, Read};
use zip::CompressionMethod;
use zip::read::{Config, ZipFileEntry};
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;

/// Length of a local header without name and extra fields (APPNOTE 4.3.7).
const LOCAL_HEADER: u64 = 30;

/// Where the content of one zip entry lies and what it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ZipMember {
    /// Where its local header begins.
    pub(crate) header: u64,
    /// Where its central header begins; 0 where there is none.
    pub(crate) central: u64,
    pub(crate) compressed: u64,
    pub(crate) size: u64,
    pub(crate) crc: u32,
    is_deflated: bool,
}

/// Gives the members of a zip that has no directory yet: one that is being written, or whose writer was killed. What looks like
/// a directory near its end belongs to a zip that was stored in it.
pub(super) fn each_without_directory(backing: &Backing, emitter: &mut Emitter<'_>) -> Result<(), Fault> {
    let byte = each_local(backing, emitter)?;
    Err(Fault::Damaged { byte, detail: "it has no directory".to_owned() })
}

pub(super) fn each(backing: &Backing, emitter: &mut Emitter<'_>) -> Result<(), Fault> {
    let reader = BufReader::with_capacity(1 << 16, backing.section());
    let archive = match ZipIterable::try_new(reader, Config::default()) {
        Ok(archive) => archive,
        Err(error) => {
            // Entries before the damage count; the fault is told all the same.
            let byte = each_local(backing, emitter)?;
            return Err(fault(error, byte));
        }
    };
    let mut archive = archive.enforce_header_consistency(true);
    let mut produced: u64 = 0;
    for entry in archive.files().map_err(|error| fault(error, 0))? {
        let entry = entry.map_err(|error| fault(error, backing.len()))?;
        produced = produced.saturating_add(entry.size());
        check_growth(produced, backing, emitter)?;
        let described = describe(&entry, backing)?;
        let begin = described.range.start;
        let mut body = Lazy { backing, member: described.member, open: None };
        emitter.entry(described, begin, &mut body)?;
    }
    Ok(())
}

fn check_growth(produced: u64, backing: &Backing, emitter: &Emitter<'_>) -> Result<(), Fault> {
    let limits = emitter.limits();
    if produced > limits.max_total {
        return Err(Fault::Limit(format!("more than {} bytes after decompression", limits.max_total)));
    }
    if produced > limits.ratio_free && produced / backing.len().max(1) > limits.max_ratio {
        return Err(Fault::Limit(format!("it grows to more than {} times its size", limits.max_ratio)));
    }
    Ok(())
}

fn fault(error: ZipError, byte: u64) -> Fault {
    match error {
        ZipError::Io(error) => Fault::of(error, byte),
        error => Fault::Damaged { byte, detail: error.to_string() },
    }
}

fn describe(entry: &ZipFileEntry<'_>, backing: &Backing) -> Result<ContainerEntry, Fault> {
    let name = entry.name_raw().to_vec();
    let mode = entry.unix_mode().unwrap_or(0);
    let kind = match FileKind::of_mode(mode) {
        FileKind::Unknown if name.ends_with(b"/") => FileKind::Directory,
        FileKind::Unknown => FileKind::File,
        kind => kind,
    };
    let method = entry.compression();
    let is_deflated = method == CompressionMethod::Deflated;
    let unreadable = if entry.encrypted() {
        Some("an encrypted zip entry".to_owned())
    } else if is_deflated || method == CompressionMethod::Stored {
        None
    } else {
        Some(format!("a zip entry in {method}, which this version cannot read"))
    };
    let member = ZipMember {
        header: entry.header_start(),
        central: entry.central_header_start(),
        compressed: entry.compressed_size(),
        size: entry.size(),
        crc: entry.crc32(),
        is_deflated,
    };
    let data = member.data_start(backing).map_err(|error| Fault::of(error, member.header))?;
    Ok(ContainerEntry {
        name,
        kind,
        size: if kind == FileKind::Directory { 0 } else { member.size },
        mode,
        uid: 0,
        gid: 0,
        mtime: None,
        link_target: None,
        hard_link: None,
        range: member.header..data.saturating_add(member.compressed),
        unreadable,
        data: None,
        member: Some(member),
    })
}

impl ZipMember {
    /// Where its content begins, by its local header.
    fn data_start(&self, backing: &Backing) -> io::Result<u64> {
        let local = LocalHeader::read(backing, self.header)?;
        local.map(|local| local.data).ok_or_else(|| broken("there is no local header"))
    }

    /// Opens its content, which ends in an error where it is not what the header says.
    pub(crate) fn open(&self, backing: &Backing) -> io::Result<Box<dyn Read + Send>> {
        let section = backing.section_at(self.data_start(backing)?, self.compressed);
        let reader =
            BufReader::with_capacity(usize::try_from(self.compressed.min(1 << 16)).unwrap_or(0).max(64), section);
        let inner = if self.is_deflated {
            Inner::Deflated(Box::new(DeflateDecoder::new(reader)))
        } else {
            Inner::Stored(reader)
        };
        Ok(Box::new(Checked { inner, member: *self, left: self.size, crc: Crc::new() }))
    }
}

fn broken(detail: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, detail)
}

enum Inner {
    Stored(BufReader<Section>),
    Deflated(Box<DeflateDecoder<BufReader<Section>>>),
}

/// Content that is held against its header's size and checksum.
struct Checked {
    inner: Inner,
    member: ZipMember,
    left: u64,
    crc: Crc,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left > 0 && buffer.is_empty() {
            return Ok(0);
        }
        // One byte more than there should be is asked for at the end, so that content without an end is noticed.
        let mut probe = [0];
        let window = if self.left == 0 {
            probe.as_mut_slice()
        } else {
            let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
            buffer.get_mut(..most).unwrap_or_default()
        };
        let read = match &mut self.inner {
            Inner::Stored(reader) => reader.read(window)?,
            Inner::Deflated(reader) => reader.read(window)?,
        };
        if self.left == 0 {
            let consumed = match &self.inner {
                Inner::Stored(_) => self.member.compressed,
                Inner::Deflated(reader) => reader.total_in(),
            };
            return match read {
                0 if self.crc.sum() != self.member.crc => Err(broken("the content does not have its checksum")),
                0 if consumed != self.member.compressed => Err(broken("the content ends before its stated end")),
                0 => Ok(0),
                _ => Err(broken("the content is longer than its header says")),
            };
        }
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.crc.update(window.get(..read).unwrap_or_default());
        self.left -= u64::try_from(read).unwrap_or(0);
        Ok(read)
    }
}

/// Content that is opened only when it is asked for: a listing costs nothing.
struct Lazy<'a> {
    backing: &'a Backing,
    member: Option<ZipMember>,
    open: Option<Box<dyn Read + Send>>,
}

impl Read for Lazy<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(member) = self.member.take() {
            self.open = Some(member.open(self.backing)?);
        }
        self.open.as_mut().map_or(Ok(0), |open| open.read(buffer))
    }
}

/// The parts of a local header that matter where there is no central one.
struct LocalHeader {
    flags: u16,
    method: u16,
    crc: u32,
    compressed: u64,
    size: u64,
    name: Vec<u8>,
    data: u64,
    /// Sizes of 8 bytes: in the extra field, and in the descriptor behind the content.
    is_zip64: bool,
}

impl LocalHeader {
    /// Reads the header at a place; `None` where there is none.
    fn read(backing: &Backing, at: u64) -> io::Result<Option<Self>> {
        let mut fixed = Fields(backing.bytes_at(at, LOCAL_HEADER.try_into().unwrap_or(30))?);
        if fixed.take(4) != u64::from(u32::from_le_bytes(*b"PK\x03\x04")) {
            return Ok(None);
        }
        fixed.take(2);
        let flags = u16::try_from(fixed.take(2)).unwrap_or(0);
        let method = u16::try_from(fixed.take(2)).unwrap_or(0);
        fixed.take(4);
        let crc = u32::try_from(fixed.take(4)).unwrap_or(0);
        let (mut compressed, mut size) = (fixed.take(4), fixed.take(4));
        let (name_length, extra_length) = (fixed.take(2), fixed.take(2));
        let name_at = at.saturating_add(LOCAL_HEADER);
        let name = backing.bytes_at(name_at, usize::try_from(name_length).unwrap_or(0))?;
        let extra_at = name_at.saturating_add(name_length);
        let mut extra = Fields(backing.bytes_at(extra_at, usize::try_from(extra_length).unwrap_or(0))?);
        let mut is_zip64 = false;
        while !extra.0.is_empty() {
            let (id, length) = (extra.take(2), extra.take(2));
            let mut field = Fields(extra.split(usize::try_from(length).unwrap_or(0)));
            if id == 1 {
                is_zip64 = true;
                if size == u64::from(u32::MAX) {
                    size = field.take(8);
                }
                if compressed == u64::from(u32::MAX) {
                    compressed = field.take(8);
                }
            }
        }
        let data = extra_at.saturating_add(extra_length);
        Ok(Some(Self { flags, method, crc, compressed, size, name, data, is_zip64 }))
    }
}

/// Little-endian numbers, one after the other; zero where there is nothing left.
struct Fields(Vec<u8>);

impl Fields {
    fn split(&mut self, count: usize) -> Vec<u8> {
        let rest = self.0.split_off(count.min(self.0.len()));
        std::mem::replace(&mut self.0, rest)
    }

    fn take(&mut self, count: usize) -> u64 {
        self.split(count).iter().rev().fold(0, |number, &byte| (number << 8) | u64::from(byte))
    }
}

/// Goes through the local headers from the beginning. Gives the place where they end.
fn each_local(backing: &Backing, emitter: &mut Emitter<'_>) -> Result<u64, Fault> {
    let mut at = 0;
    let mut produced: u64 = 0;
    loop {
        let fault = |error| Fault::of(error, at);
        let Some(local) = LocalHeader::read(backing, at).map_err(fault)? else { return Ok(at) };
        let is_deflated = local.method == 8;
        if local.flags & 1 != 0 || !(is_deflated || local.method == 0) {
            return Err(Fault::Damaged {
                byte: at,
                detail: "an entry that cannot be read without the directory".to_owned(),
            });
        }
        let mut member = ZipMember {
            header: at,
            central: 0,
            compressed: local.compressed,
            size: local.size,
            crc: local.crc,
            is_deflated,
        };
        let mut end = local.data.saturating_add(local.compressed);
        if local.flags & 8 != 0 {
            if !is_deflated {
                let detail = "the end of an entry cannot be found without the directory".to_owned();
                return Err(Fault::Damaged { byte: at, detail });
            }
            // The sizes follow the content. It is decoded once to find its end, and again by whoever wants it.
            let section = backing.section_at(local.data, u64::MAX);
            let mut decoder = DeflateDecoder::new(BufReader::new(section));
            member.size = measure(&mut decoder, produced, backing, emitter)?;
            member.compressed = decoder.total_in();
            let descriptor_at = local.data.saturating_add(member.compressed);
            let length = if local.is_zip64 { 24 } else { 16 };
            let mut descriptor = Fields(backing.bytes_at(descriptor_at, length).map_err(fault)?);
            descriptor.take(4);
            member.crc = u32::try_from(descriptor.take(4)).unwrap_or(0);
            end = descriptor_at.saturating_add(u64::try_from(length).unwrap_or(0));
        }
        produced = produced.saturating_add(member.size);
        check_growth(produced, backing, emitter)?;
        let kind = if local.name.ends_with(b"/") { FileKind::Directory } else { FileKind::File };
        let described = ContainerEntry {
            name: local.name,
            kind,
            size: member.size,
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: None,
            link_target: None,
            hard_link: None,
            range: at..end,
            unreadable: None,
            data: None,
            member: Some(member),
        };
        emitter.entry(described, at, &mut Lazy { backing, member: Some(member), open: None })?;
        at = end;
    }
}

/// Decodes to the end without keeping anything.
fn measure(reader: &mut impl Read, before: u64, backing: &Backing, emitter: &Emitter<'_>) -> Result<u64, Fault> {
    let mut buffer = vec![0; 1 << 16];
    let mut total: u64 = 0;
    loop {
        let read = reader.read(&mut buffer).map_err(|error| Fault::of(error, backing.len()))?;
        if read == 0 {
            return Ok(total);
        }
        total = total.saturating_add(u64::try_from(read).unwrap_or(0));
        check_growth(before.saturating_add(total), backing, emitter)?;
    }
}
