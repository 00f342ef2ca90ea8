//! Zip as it passes, or without its directory: by the headers in front of the members (APPNOTE 4.3.7 and 4.3.9).

use super::ArchiveMember;
use super::budget::{Decoded, Spent};
use super::trouble::Why;
use super::walk::{Judge, Walk};
use super::zip::{DEFLATED, ENCRYPTED, STORED, extra_field, method_name, mtime, u16_at, u32_at, u64_at};
use flate2::bufread::DeflateDecoder;
use std::io::{self, BufRead, BufReader, Read};

/// Length of a local header without name and extra fields.
const LOCAL: usize = 30;

/// Goes through the members, up to the directory or to what cannot be passed over.
pub(super) fn walk<J: Judge + ?Sized>(
    walk: &mut Walk<'_, J>,
    reader: &mut dyn Read,
    archive: &[u8],
    depth: u16,
) -> Result<(), Spent> {
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    loop {
        let header = match Header::read(&mut reader) {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(()),
            Err(error) => return walk.broken(&error, archive),
        };
        if let Err(error) = member(walk, &header, &mut reader, (archive, depth))? {
            return walk.broken(&error, archive);
        }
    }
}

struct Header {
    flags: u16,
    method: u16,
    packed: u64,
    name: Vec<u8>,
    extra: Vec<u8>,
}

impl Header {
    /// Reads the next header; none where there is none.
    fn read(reader: &mut impl Read) -> io::Result<Option<Self>> {
        let mut fixed = Vec::new();
        reader.take(LOCAL as u64).read_to_end(&mut fixed)?;
        if !fixed.starts_with(b"PK\x03\x04") || fixed.len() < LOCAL {
            return Ok(None);
        }
        let short = |at| u16_at(&fixed, at).unwrap_or(0);
        let mut take = |length: u16| -> io::Result<Vec<u8>> {
            let mut bytes = vec![0; usize::from(length)];
            reader.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        let (name, extra) = (take(short(26))?, take(short(28))?);
        let (mut packed, size) = (u32_at(&fixed, 18).unwrap_or(0), u32_at(&fixed, 22).unwrap_or(0));
        if packed == 0xffff_ffff {
            let place = if size == 0xffff_ffff { 8 } else { 0 };
            packed = extra_field(&extra, 1).and_then(|large| u64_at(large, place)).unwrap_or(packed);
        }
        Ok(Some(Self { flags: short(6), method: short(8), packed, name, extra }))
    }

    /// Says whether the sizes follow the content.
    fn is_open(&self) -> bool {
        self.flags & 8 != 0 && self.packed == 0
    }
}

/// Takes one member. The inner error ends the archive.
fn member<J: Judge + ?Sized>(
    walk: &mut Walk<'_, J>,
    header: &Header,
    reader: &mut BufReader<&mut dyn Read>,
    (archive, depth): (&[u8], u16),
) -> Result<io::Result<()>, Spent> {
    let mut member = ArchiveMember::new(archive, &header.name);
    member.meta.mtime = mtime(&header.extra);
    walk.check_name(&header.name, &member);
    let budget = walk.budget.clone();
    let unread = if header.flags & 1 != 0 || header.method == ENCRYPTED {
        Some(Why::Encrypted)
    } else if header.method != STORED && header.method != DEFLATED {
        Some(Why::Unsupported(method_name(header.method)))
    } else {
        None
    };
    if header.is_open() {
        if unread.is_some() || header.method != DEFLATED {
            walk.troubles.add(unread.unwrap_or(Why::TooLarge), &member.name);
            walk.budget.member()?;
            return Ok(Err(io::Error::other("the end of a member cannot be found as it passes")));
        }
        let mut decoded = Decoded::new(DeflateDecoder::new(&mut *reader), &budget);
        walk.member(member, &mut decoded, depth + 1)?;
        if let Err(error) = io::copy(&mut decoded, &mut io::sink()) {
            return Spent::of(&error).map_or(Ok(Err(error)), Err);
        }
        return Ok(skip_descriptor(reader, extra_field(&header.extra, 1).is_some()));
    }
    let mut packed = reader.take(header.packed);
    match unread {
        Some(why) => {
            walk.troubles.add(why, &member.name);
            walk.budget.member()?;
        }
        None if header.name.ends_with(b"/") => walk.budget.member()?,
        None if header.method == STORED => {
            walk.member(member, &mut Decoded::new(&mut packed, &budget), depth + 1)?;
        }
        None => {
            walk.member(member, &mut Decoded::new(DeflateDecoder::new(&mut packed), &budget), depth + 1)?;
        }
    }
    if let Err(error) = io::copy(&mut packed, &mut io::sink()) {
        return Ok(Err(error));
    }
    Ok(if header.flags & 8 != 0 { skip_descriptor(reader, extra_field(&header.extra, 1).is_some()) } else { Ok(()) })
}

/// Passes over check sum and sizes behind a content, with or without their mark.
fn skip_descriptor(reader: &mut BufReader<&mut dyn Read>, is_zip64: bool) -> io::Result<()> {
    let has_mark = reader.fill_buf()?.first() == Some(&b'P');
    let length = 4 + if is_zip64 { 16 } else { 8 } + if has_mark { 4 } else { 0 };
    io::copy(&mut reader.take(length), &mut io::sink()).map(|_| ())
}
