//! `rpm`'s own package database, `Packages.db` (`lib/backend/ndb/rpmpkg.c`): pages of slots, then blobs in blocks of 16 bytes;
//! little-endian.

use super::super::bytes::{Endian, piece};
use super::Take;

const LITTLE: Endian = Endian::Little;
const PAGE: usize = 4096;
const BLOCK: usize = 16;
const MAGIC: &[u8] = b"RpmP";

/// Says whether the bytes are of this kind.
pub(super) fn is_ndb(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Gives the header blob of each package, or why it cannot be read.
pub(super) fn blobs(bytes: &[u8], take: &mut Take<'_>) {
    let (Some(version), Some(pages)) = (LITTLE.u32(bytes, 4), LITTLE.u32(bytes, 12)) else {
        take(Err("the header of the database is cut"));
        return;
    };
    if version != 0 {
        take(Err("a version of the database that is not known"));
        return;
    }
    // The pages of slots are bounded by the file, and each slot is looked at once.
    let end = usize::try_from(pages).unwrap_or(usize::MAX).saturating_mul(PAGE);
    let slots = bytes.get(32..end.min(bytes.len())).unwrap_or_default();
    if end > bytes.len() && !take(Err("the pages of slots are cut")) {
        return;
    }
    // Blobs may not share bytes: else a file of slots that all name one large blob would be read a hundred thousand times.
    let mut budget = bytes.len();
    for slot in slots.chunks_exact(16) {
        if !slot.starts_with(b"Slot") {
            if !take(Err("a slot makes no sense")) {
                return;
            }
            continue;
        }
        let (Some(package), Some(offset), Some(count)) =
            (LITTLE.u32(slot, 4), LITTLE.u32(slot, 8), LITTLE.u32(slot, 12))
        else {
            return;
        };
        // A free slot.
        if offset == 0 {
            continue;
        }
        let found = blob(bytes, package, offset, count).ok_or("the blob of a package is not where its slot says");
        let size = found.map_or(0, <[u8]>::len);
        let Some(left) = budget.checked_sub(size) else {
            take(Err("the blobs of the packages lie over one another"));
            return;
        };
        budget = left;
        if !take(found) {
            return;
        }
    }
}

fn blob(bytes: &[u8], package: u32, offset: u32, count: u32) -> Option<&[u8]> {
    let at = usize::try_from(offset).ok()?.checked_mul(BLOCK)?;
    let whole = piece(bytes, at, usize::try_from(count).ok()?.checked_mul(BLOCK)?)?;
    let length = usize::try_from(LITTLE.u32(whole, 12)?).ok()?;
    if !whole.starts_with(b"BlbS") || LITTLE.u32(whole, 4)? != package {
        return None;
    }
    // Behind the blob: padding, then a checksum, the length again and a mark.
    let room = whole.len().checked_sub(BLOCK + 12)?;
    if length <= room { piece(whole, BLOCK, length) } else { None }
}
