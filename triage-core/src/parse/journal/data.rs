//! Packed fields, and what reading a whole journal may cost.

use super::super::bytes::{Endian, index, piece};
use super::file::Data;
use lzma_rust2::XzReader;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// As much of a field is unpacked as a record can hold, and a little.
const KEPT: usize = 8192;

/// The largest field, in bytes, that lz4 is asked for: it cannot stop half-way.
const LARGEST_LZ4: usize = 4 << 20;

/// What all fields of a file may unpack to, in bytes.
const UNPACKED: u64 = 256 << 20;

/// What is left.
pub(super) struct Budget {
    looks: usize,
    unpacked: u64,
    lost: u64,
    is_out_of_looks: bool,
}

impl Budget {
    /// In a genuine file each mention of a field takes at least four bytes, so there cannot be more mentions than that. Entries that lie
    /// over one another run out.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { looks: bytes.len() / 4 + 1, unpacked: UNPACKED, lost: 0, is_out_of_looks: false }
    }

    /// Pays for one field.
    pub(super) fn look(&mut self) -> bool {
        match self.looks.checked_sub(1) {
            Some(left) => self.looks = left,
            None => self.is_out_of_looks = true,
        }
        !self.is_out_of_looks
    }

    /// What was not read for want of it.
    pub(super) fn trouble(&self) -> Option<String> {
        if self.is_out_of_looks {
            return Some("its entries name more fields than it has room for; the rest was not looked at".to_owned());
        }
        (self.lost > 0).then(|| format!("{} packed fields are damaged or too large and were not read", self.lost))
    }

    /// The beginning of a packed field; none where it cannot be unpacked.
    pub(super) fn unpack(&mut self, data: &Data<'_>) -> Option<Vec<u8>> {
        // The decoders are others' code and the bytes are an intruder's.
        let unpacked = catch_unwind(AssertUnwindSafe(|| match data.packing {
            1 => self.stream(XzReader::new(data.payload, false)),
            2 => self.lz4(data.payload),
            4 => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(data.payload).ok()?;
                // 64 MiB.
                decoder.window_log_max(26).ok()?;
                self.stream(decoder)
            }
            _ => None,
        }));
        let unpacked = unpacked.ok().flatten();
        self.lost += u64::from(unpacked.is_none());
        unpacked
    }

    fn stream(&mut self, reader: impl Read) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        if self.unpacked < KEPT as u64 {
            return None;
        }
        let read = reader.take(KEPT as u64).read_to_end(&mut out);
        self.unpacked -= out.len() as u64;
        read.ok().map(|_| out)
    }

    /// Eight bytes of size, then one block.
    fn lz4(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let size = index(Endian::Little.u64(payload, 0)?);
        let block = piece(payload, 8, payload.len().checked_sub(8)?)?;
        // A block cannot become more than 255 times its size.
        if size > LARGEST_LZ4 || size > block.len().saturating_mul(255).saturating_add(64) {
            return None;
        }
        self.unpacked = self.unpacked.checked_sub(size as u64)?;
        let mut out = lz4_flex::block::decompress(block, size).ok()?;
        out.truncate(KEPT);
        Some(out)
    }
}
