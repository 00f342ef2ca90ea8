//! Tar, through the `tar` crate: iterated, never unpacked.
//!
//! The crate decides where entries begin and what they are called. Added here is what it leaves open: a bound on the headers
//! that it keeps in memory, contents that end early, and what lies behind the end-of-archive mark, where another reader
//! could see entries that this one does not.

use super::ContainerEntry;
use super::ahead::{Emitter, Fault, Metered};
use crate::model::{FileKind, Timestamp};
use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;
use tar::{Archive, Entry, EntryType, Header};

/// Most bytes that the headers of one entry may take: long names, extended attributes, the map of a sparse file.
const MAX_HEADERS: u64 = 4 << 20;
const BLOCK: u64 = 512;

/// Says whether the bytes begin with a tar header, or with the mark of an empty tar.
pub(crate) fn is_header(head: &[u8]) -> bool {
    let Some(block) = head.get(..512) else { return false };
    if block.iter().all(|&byte| byte == 0) {
        return true;
    }
    let sum: u32 =
        block.iter().enumerate().map(|(at, &byte)| if (148..156).contains(&at) { 32 } else { u32::from(byte) }).sum();
    Header::from_byte_slice(block).cksum().is_ok_and(|cksum| cksum == sum)
}

/// The stream, shared between the crate, which reads it, and the loop, which meters it.
struct Shared<R>(Rc<RefCell<Metered<R>>>);

impl<R: Read> Read for Shared<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}

pub(super) fn each<R: Read>(stream: Metered<R>, emitter: &mut Emitter<'_>) -> Result<(), Fault> {
    let stream = Rc::new(RefCell::new(stream));
    let position = || stream.borrow().produced();
    let fault = |error| Fault::of(error, position());
    let mut archive = Archive::new(Shared(Rc::clone(&stream)));
    let mut entries = archive.entries().map_err(fault)?;
    // Where the next entry begins: right behind the padding of the last.
    let mut begin = 0;
    loop {
        stream.borrow_mut().allow(Some(MAX_HEADERS));
        let next = entries.next();
        stream.borrow_mut().allow(None);
        let Some(entry) = next else { break };
        let mut entry = entry.map_err(fault)?;
        let data = position();
        if entry.header().entry_type().is_pax_global_extensions() {
            check_global(&mut entry).map_err(|detail| Fault::Damaged { byte: begin, detail })?;
            begin = position().next_multiple_of(BLOCK);
            continue;
        }
        let described = describe(&mut entry, begin).map_err(|detail| Fault::Damaged { byte: begin, detail })?;
        emitter.entry(described, data, &mut entry)?;
        // What was not wanted is read here and not by the next call, which may not read much.
        io::copy(&mut entry, &mut io::sink()).map_err(fault)?;
        begin = position().next_multiple_of(BLOCK);
    }
    ends_well(&mut *stream.borrow_mut(), begin)
}

/// Checks that the archive has its end mark and that nothing but zeros follows.
fn ends_well<R: Read>(stream: &mut Metered<R>, begin: u64) -> Result<(), Fault> {
    if stream.produced() < begin + BLOCK {
        let byte = stream.produced();
        return Err(Fault::Damaged { byte, detail: "it ends without the mark that ends a tar".to_owned() });
    }
    let mut buffer = vec![0; 1 << 16];
    loop {
        let byte = stream.produced();
        let read = stream.read(&mut buffer).map_err(|error| Fault::of(error, byte))?;
        match buffer.get(..read) {
            None | Some([]) => return Ok(()),
            Some(rest) if rest.iter().all(|&byte| byte == 0) => {}
            Some(_) => return Err(Fault::Damaged { byte, detail: "something follows the end of the tar".to_owned() }),
        }
    }
}

fn describe<R: Read>(entry: &mut Entry<'_, R>, begin: u64) -> Result<ContainerEntry, String> {
    let header = entry.header().clone();
    let kind = header.entry_type();
    let name = entry.path_bytes().into_owned();
    let link = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
    let extended = Extended::of(entry)?;
    let size = entry.size();
    let seconds = header.mtime().ok().map(u64::cast_signed);
    if extended.path.as_ref().is_some_and(|path| *path != name) {
        return Err("an entry has two long names".to_owned());
    }
    let stored = if kind.is_gnu_sparse() { header.entry_size().unwrap_or(0) } else { size };
    let mtime = extended.mtime.or_else(|| seconds.map(|seconds| Timestamp::new(seconds, 0)));
    let mut unreadable = None;
    let mut hard_link = None;
    let file_kind = match kind {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse if name.ends_with(b"/") => {
            FileKind::Directory
        }
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => FileKind::File,
        EntryType::Link => {
            hard_link.clone_from(&link);
            FileKind::File
        }
        EntryType::Symlink => FileKind::Symlink,
        EntryType::Directory => FileKind::Directory,
        EntryType::Fifo => FileKind::Fifo,
        EntryType::Block => FileKind::BlockDevice,
        EntryType::Char => FileKind::CharDevice,
        _ => FileKind::Unknown,
    };
    if size != 0 && (hard_link.is_some() || !matches!(file_kind, FileKind::File | FileKind::Unknown)) {
        // GNU tar ignores the size of such an entry and others do not: what one reads as content the other takes for headers.
        return Err("an entry that has no content states a size".to_owned());
    }
    if extended.is_sparse {
        unreadable = Some("a sparse file in the POSIX form of GNU tar".to_owned());
    }
    Ok(ContainerEntry {
        name: extended.name.unwrap_or(name),
        kind: file_kind,
        size,
        mode: header.mode().unwrap_or(0),
        uid: header.uid().ok().and_then(|id| u32::try_from(id).ok()).unwrap_or(u32::MAX),
        gid: header.gid().ok().and_then(|id| u32::try_from(id).ok()).unwrap_or(u32::MAX),
        mtime,
        link_target: if file_kind == FileKind::Symlink { link } else { None },
        hard_link,
        range: begin..entry.raw_file_position().saturating_add(stored).div_ceil(BLOCK).saturating_mul(BLOCK),
        unreadable,
        data: (!kind.is_gnu_sparse()).then(|| entry.raw_file_position()),
        member: None,
    })
}

/// What the extended header of POSIX.1-2001 says beyond what the crate takes from it.
#[derive(Default)]
struct Extended {
    mtime: Option<Timestamp>,
    path: Option<Vec<u8>>,
    /// The name of a sparse file; `path` then is one that its parts were given.
    name: Option<Vec<u8>>,
    is_sparse: bool,
}

impl Extended {
    fn of<R: Read>(entry: &mut Entry<'_, R>) -> Result<Self, String> {
        let mut extended = Self::default();
        let Some(records) = entry.pax_extensions().map_err(|error| error.to_string())? else { return Ok(extended) };
        let mut seen: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for record in records {
            let record = record.map_err(|_| "an extended header is malformed".to_owned())?;
            let (key, value) = (record.key_bytes(), record.value_bytes());
            match key {
                b"path" | b"linkpath" | b"size" => {
                    // Readers differ in which of two they take, so that one archive could be two.
                    if seen.iter().any(|(name, old)| name == key && old != value) {
                        return Err("an extended header says the same thing twice and differently".to_owned());
                    }
                    seen.push((key.to_vec(), value.to_vec()));
                    if key == b"path" {
                        extended.path = Some(value.to_vec());
                    }
                }
                b"mtime" => extended.mtime = decimal_time(value),
                b"GNU.sparse.name" => extended.name = Some(value.to_vec()),
                key if key.starts_with(b"GNU.sparse.") => extended.is_sparse = true,
                _ => {}
            }
        }
        Ok(extended)
    }
}

/// A global header may carry a comment, as `git archive` writes it; one that renames everything after it is not obeyed by all
/// readers, and refused.
fn check_global<R: Read>(entry: &mut Entry<'_, R>) -> Result<(), String> {
    if entry.size() > MAX_HEADERS {
        return Err("a global header is too long".to_owned());
    }
    let records = entry.pax_extensions().map_err(|error| error.to_string())?;
    for record in records.into_iter().flatten() {
        let record = record.map_err(|_| "a global header is malformed".to_owned())?;
        if matches!(record.key_bytes(), b"path" | b"linkpath" | b"size") {
            return Err("a global header changes the names or sizes of entries".to_owned());
        }
    }
    Ok(())
}

/// `1700000000.25`, as an extended header gives a time.
fn decimal_time(value: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction.chars().take(9).collect();
    let nanoseconds: u32 = if digits.is_empty() { 0 } else { format!("{digits:0<9}").parse().ok()? };
    if text.starts_with('-') && nanoseconds > 0 {
        return Some(Timestamp::new(seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds));
    }
    Some(Timestamp::new(seconds, nanoseconds))
}
