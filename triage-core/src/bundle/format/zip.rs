//! Zip with deflate (APPNOTE 6.3), written as a stream: sizes and checksum follow each content, the directory comes last.
//!
//! It is written here and not by a crate because the directory of a million files has to stay small until its turn comes, and
//! because a bundle that was killed is continued: its directory is then made anew from what the members say of themselves.

use super::super::BundleError;
use super::super::output::Output;
use super::{Archive, Committed, writing};
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use std::io::{self, Read as _, Write};
use zip::DateTime;

/// Sizes from which the 64-bit fields are needed, less what deflate may add to content that does not compress.
const LARGE: u64 = u32::MAX as u64 - (64 << 20);
/// Bytes that are given to the compressor at a time.
const PIECE: usize = 1 << 18;
const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
/// Sizes behind the content, name in UTF-8.
const FLAGS: u16 = 1 << 3 | 1 << 11;
const DEFLATE: u16 = 8;
const VERSION: u16 = 45;
/// Unix, for the mode.
const MADE_BY: u16 = 3 << 8 | VERSION;
const MODE: u32 = 0o100_600 << 16;

/// What the directory says of one member.
pub(in crate::bundle) struct Listed {
    pub(in crate::bundle) name: Vec<u8>,
    /// Where its local header begins.
    pub(in crate::bundle) header: u64,
    /// Time and date in the form of MS-DOS, as in the local header.
    pub(in crate::bundle) time: [u8; 4],
    pub(in crate::bundle) crc: u32,
    pub(in crate::bundle) packed: u64,
    pub(in crate::bundle) size: u64,
}

/// The directory until it is written: compressed, because a million files have some 150 MB of it.
pub(in crate::bundle) struct Directory {
    packed: zstd::stream::write::Encoder<'static, Vec<u8>>,
    count: u64,
    length: u64,
}

impl Directory {
    pub(in crate::bundle) fn new() -> io::Result<Self> {
        Ok(Self { packed: zstd::stream::write::Encoder::new(Vec::new(), 1)?, count: 0, length: 0 })
    }

    /// Adds a member.
    pub(in crate::bundle) fn push(&mut self, member: &Listed) -> io::Result<()> {
        let mut wide = Vec::new();
        let mut narrow = |value: u64| {
            u32::try_from(value).ok().filter(|&value| value != u32::MAX).unwrap_or_else(|| {
                wide.extend_from_slice(&value.to_le_bytes());
                u32::MAX
            })
        };
        // The order of the wide fields is that of the narrow ones: size, packed size, place.
        let (size, packed, header) = (narrow(member.size), narrow(member.packed), narrow(member.header));
        let mut out = Vec::with_capacity(80 + member.name.len());
        out.extend_from_slice(&CENTRAL.to_le_bytes());
        for field in [MADE_BY, VERSION, FLAGS, DEFLATE] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&member.time);
        for field in [member.crc, packed, size] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        let extra = if wide.is_empty() { 0 } else { short(wide.len() + 4)? };
        // Comment, disk and internal attributes: none.
        for field in [short(member.name.len())?, extra, 0, 0, 0] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&MODE.to_le_bytes());
        out.extend_from_slice(&header.to_le_bytes());
        out.extend_from_slice(&member.name);
        if !wide.is_empty() {
            out.extend_from_slice(&1_u16.to_le_bytes());
            out.extend_from_slice(&short(wide.len())?.to_le_bytes());
            out.extend_from_slice(&wide);
        }
        self.count += 1;
        self.length += u64::try_from(out.len()).unwrap_or(0);
        self.packed.write_all(&out)
    }
}

fn short(length: usize) -> io::Result<u16> {
    u16::try_from(length).map_err(|_| io::Error::new(io::ErrorKind::InvalidFilename, "the name is too long for a zip"))
}

/// The member that is being written.
struct Open {
    listed: Listed,
    crc: Crc,
    is_large: bool,
}

pub(in crate::bundle) struct ZipArchive {
    output: Output,
    position: u64,
    encoder: DeflateEncoder<Vec<u8>>,
    open: Option<Open>,
    directory: Directory,
    root: String,
}

/// The time as MS-DOS has it; 1980 for what it cannot express.
fn time(seconds: i64) -> [u8; 4] {
    let part = |value: i8| u8::try_from(value).unwrap_or(0);
    let time = jiff::Timestamp::from_second(seconds)
        .ok()
        .and_then(|time| {
            let time = time.to_zoned(jiff::tz::TimeZone::UTC);
            let year = u16::try_from(time.year()).ok()?;
            let (month, day) = (part(time.month()), part(time.day()));
            DateTime::from_date_and_time(year, month, day, part(time.hour()), part(time.minute()), part(time.second()))
                .ok()
        })
        .unwrap_or_default();
    let mut bytes = [0; 4];
    let (to_time, to_date) = bytes.split_at_mut(2);
    to_time.copy_from_slice(&time.timepart().to_le_bytes());
    to_date.copy_from_slice(&time.datepart().to_le_bytes());
    bytes
}

impl ZipArchive {
    pub(in crate::bundle) fn new(output: Output, root: &str) -> io::Result<Self> {
        Ok(Self::resume(output, root, 0, Directory::new()?))
    }

    /// Goes on behind the members of a directory.
    pub(in crate::bundle) fn resume(output: Output, root: &str, position: u64, directory: Directory) -> Self {
        let encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        Self { output, position, encoder, open: None, directory, root: root.to_owned() }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.position += u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }

    /// Passes on what the compressor has ready.
    fn pass(&mut self) -> io::Result<()> {
        let ready = std::mem::take(self.encoder.get_mut());
        let count = u64::try_from(ready.len()).unwrap_or(0);
        self.output.write_all(&ready)?;
        self.position += count;
        if let Some(open) = &mut self.open {
            open.listed.packed += count;
        }
        let mut spare = ready;
        spare.clear();
        *self.encoder.get_mut() = spare;
        Ok(())
    }

    fn end_all(&mut self) -> io::Result<()> {
        let start = self.position;
        let directory = std::mem::replace(&mut self.directory, Directory::new()?);
        let (count, length) = (directory.count, directory.length);
        let packed = directory.packed.finish()?;
        let mut plain = zstd::stream::read::Decoder::with_buffer(packed.as_slice())?;
        let mut buffer = vec![0; PIECE];
        loop {
            let read = plain.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            self.put(buffer.get(..read).unwrap_or_default())?;
        }
        let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let short_count = u16::try_from(count).unwrap_or(u16::MAX);
        let mut out = Vec::new();
        if short_count == u16::MAX || narrow(length) == u32::MAX || narrow(start) == u32::MAX {
            let end = self.position;
            out.extend_from_slice(&END_64.to_le_bytes());
            out.extend_from_slice(&44_u64.to_le_bytes());
            out.extend_from_slice(&MADE_BY.to_le_bytes());
            out.extend_from_slice(&VERSION.to_le_bytes());
            out.extend_from_slice(&[0; 8]);
            for field in [count, count, length, start] {
                out.extend_from_slice(&field.to_le_bytes());
            }
            out.extend_from_slice(&LOCATOR_64.to_le_bytes());
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&end.to_le_bytes());
            out.extend_from_slice(&1_u32.to_le_bytes());
        }
        out.extend_from_slice(&END.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        for field in [short_count, short_count] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        for field in [narrow(length), narrow(start)] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&[0; 2]);
        self.put(&out)
    }
}

impl Archive for ZipArchive {
    fn begin(&mut self, name: &str, size: u64, mtime_seconds: i64) -> io::Result<u64> {
        let name = format!("{}/{name}", self.root).into_bytes();
        let is_large = size >= LARGE;
        let listed = Listed { name, header: self.position, time: time(mtime_seconds), crc: 0, packed: 0, size };
        let mut out = Vec::with_capacity(50 + listed.name.len());
        out.extend_from_slice(&LOCAL.to_le_bytes());
        for field in [VERSION, FLAGS, DEFLATE] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&listed.time);
        // The checksum comes behind the content, and the sizes; where they need 64 bits the extra field says so.
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&if is_large { [0xff; 8] } else { [0; 8] });
        out.extend_from_slice(&short(listed.name.len())?.to_le_bytes());
        out.extend_from_slice(&(if is_large { 20_u16 } else { 0 }).to_le_bytes());
        out.extend_from_slice(&listed.name);
        if is_large {
            out.extend_from_slice(&1_u16.to_le_bytes());
            out.extend_from_slice(&16_u16.to_le_bytes());
            out.extend_from_slice(&[0; 16]);
        }
        self.put(&out)?;
        let place = listed.header;
        self.open = Some(Open { listed, crc: Crc::new(), is_large });
        Ok(place)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let open = self.open.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        open.crc.update(bytes);
        for piece in bytes.chunks(PIECE) {
            self.encoder.write_all(piece)?;
            self.pass()?;
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.encoder.try_finish()?;
        self.pass()?;
        self.encoder.reset(Vec::new())?;
        let Some(Open { mut listed, crc, is_large }) = self.open.take() else { return Ok(()) };
        listed.crc = crc.sum();
        let mut out = Vec::with_capacity(24);
        out.extend_from_slice(&DESCRIPTOR.to_le_bytes());
        out.extend_from_slice(&listed.crc.to_le_bytes());
        for size in [listed.packed, listed.size] {
            if is_large {
                out.extend_from_slice(&size.to_le_bytes());
            } else {
                let size = u32::try_from(size).map_err(|_| io::Error::other("a content grew beyond its size"))?;
                out.extend_from_slice(&size.to_le_bytes());
            }
        }
        self.put(&out)?;
        self.directory.push(&listed)
    }

    fn checkpoint(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    fn finish(mut self: Box<Self>) -> Result<Committed, BundleError> {
        self.end_all().map_err(writing)?;
        self.output.commit()
    }
}
