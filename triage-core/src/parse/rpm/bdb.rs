//! Berkeley DB's hash access method, as far as `rpm`'s `Packages` uses it (Berkeley DB 4 and 5, `dbinc/db_page.h`).
//!
//! The pages are read one after the other and not by their hash: every pair is met once, whatever the buckets say. Values that do not fit
//! on a page lie on a chain of overflow pages, which may neither turn back nor be shared.

use super::super::bytes::{Endian, array, piece};
use super::Take;

const HASH_MAGIC: u32 = 0x0006_1561;
/// Bytes before the index on every page.
const HEAD: usize = 26;
const PAGE_HASH_UNSORTED: u8 = 2;
const PAGE_OVERFLOW: u8 = 7;
const PAGE_HASH: u8 = 13;
const ITEM_KEYDATA: u8 = 1;
const ITEM_OFFPAGE: u8 = 3;

/// The byte order, if the bytes are of this kind.
fn endian(bytes: &[u8]) -> Option<Endian> {
    [Endian::Little, Endian::Big].into_iter().find(|endian| endian.u32(bytes, 12) == Some(HASH_MAGIC))
}

/// Says whether the bytes are of this kind.
pub(super) fn is_bdb(bytes: &[u8]) -> bool {
    endian(bytes).is_some()
}

struct Pages<'a> {
    bytes: &'a [u8],
    endian: Endian,
    size: usize,
}

impl<'a> Pages<'a> {
    fn page(&self, number: usize) -> Option<&'a [u8]> {
        piece(self.bytes, number.checked_mul(self.size)?, self.size)
    }
}

/// Gives the header blob of each package, or why it cannot be read.
pub(super) fn blobs(bytes: &[u8], take: &mut Take<'_>) {
    let Some(endian) = endian(bytes) else { return };
    let size = endian.u32(bytes, 20).and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
    if !(512..=65536).contains(&size) || !size.is_power_of_two() {
        take(Err("the page size makes no sense"));
        return;
    }
    if array::<1>(bytes, 24) != Some([0]) {
        take(Err("the database is encrypted"));
        return;
    }
    // A flag says that each page has a checksum behind its head, which moves everything; rpm never sets it.
    if array::<1>(bytes, 26).is_some_and(|[flags]| flags & 1 != 0) {
        take(Err("the database has checksums on its pages, which this version does not read"));
        return;
    }
    let pages = Pages { bytes, endian, size };
    let count = bytes.len() / size;
    if !bytes.len().is_multiple_of(size) && !take(Err("the last page is cut")) {
        return;
    }
    if endian.u32(bytes, 32).is_some_and(|last| usize::try_from(last).is_ok_and(|last| last >= count))
        && !take(Err("pages are missing at the end"))
    {
        return;
    }
    // Each overflow page belongs to one value.
    let mut used = vec![false; count];
    for number in 1..count {
        let Some(page) = pages.page(number) else { return };
        if !page.get(25).is_some_and(|kind| [PAGE_HASH, PAGE_HASH_UNSORTED].contains(kind)) {
            continue;
        }
        if !pairs(&pages, page, &mut used, take) {
            return;
        }
    }
}

/// Gives the values of one page. Says whether to go on.
fn pairs(pages: &Pages<'_>, page: &[u8], used: &mut [bool], take: &mut Take<'_>) -> bool {
    let count = usize::from(pages.endian.u16(page, 20).unwrap_or(0));
    if HEAD + count * 2 > page.len() {
        return take(Err("the index of a page is longer than the page"));
    }
    let at = |number: usize| pages.endian.u16(page, HEAD + number * 2).map(usize::from);
    // Items stand from the end of the page to its front: each ends where the one before it begins.
    let item = |number: usize| {
        let end = if number == 0 { page.len() } else { at(number - 1)? };
        page.get(at(number)?..end)
    };
    for number in (0..count / 2).map(|pair| pair * 2) {
        // Key 0 counts the packages; its value is no header.
        if item(number).is_some_and(|key| key.get(1..) == Some(&[0; 4])) {
            continue;
        }
        let go_on = match item(number + 1).and_then(|value| value.split_first()) {
            Some((&ITEM_KEYDATA, value)) => take(Ok(value)),
            Some((&ITEM_OFFPAGE, rest)) => match overflow(pages, rest, used) {
                Ok(value) => take(Ok(&value)),
                Err(why) => take(Err(why)),
            },
            Some(_) => take(Err("a value is of a kind that rpm does not write")),
            None => take(Err("a value is not on its page")),
        };
        if !go_on {
            return false;
        }
    }
    true
}

/// Puts a value together from its overflow pages. `item` is what follows the kind: three bytes, the first page, the length.
fn overflow(pages: &Pages<'_>, item: &[u8], used: &mut [bool]) -> Result<Vec<u8>, &'static str> {
    let endian = pages.endian;
    let (Some(mut next), Some(length)) = (endian.u32(item, 3), endian.u32(item, 7)) else {
        return Err("a value is not on its page");
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > pages.bytes.len() {
        return Err("a value is longer than the database");
    }
    let mut value = Vec::with_capacity(length);
    while next != 0 && value.len() < length {
        let number = usize::try_from(next).unwrap_or(usize::MAX);
        let page = pages.page(number).ok_or("a value goes on behind the end of the database")?;
        match used.get_mut(number) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err("a value goes in a circle, or shares pages with another"),
        }
        if page.get(25) != Some(&PAGE_OVERFLOW) {
            return Err("a value goes on on a page of another kind");
        }
        let filled = usize::from(endian.u16(page, 22).unwrap_or(0));
        value.extend_from_slice(piece(page, HEAD, filled).ok_or("an overflow page claims more bytes than it has")?);
        next = endian.u32(page, 16).unwrap_or(0);
    }
    if value.len() < length {
        return Err("a value ends before its length");
    }
    value.truncate(length);
    Ok(value)
}
