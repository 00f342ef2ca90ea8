//! A partial `.tar.zst` or `.zip`: its members in order, up to the last segment of the log that can be kept.

use super::{Found, MAX_SEGMENT, Records, Scan, cannot};
use crate::bundle::format::frames::Frames;
use crate::bundle::format::tar::TarArchive;
use crate::bundle::format::zip::{Directory, Listed, ZipArchive};
use crate::bundle::manifest::BundleInfo;
use crate::bundle::output::{Kept, Output};
use crate::bundle::{BundleError, access::inside, segment, writing};
use crate::model::{Digest, FileKind, Hasher, escape};
use crate::source::{Backing, Container, ContainerEntry, ContainerFormat};
use std::collections::HashMap;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;
use zeekstd::SeekTable;
use zstd::zstd_safe;

/// Longest frame of ours, compressed: 4 MiB that do not compress, and the last one is not kept.
const MAX_FRAME: u64 = 5 << 20;

/// A member that was read and is not vouched for yet.
struct Member {
    path: String,
    place: u64,
    sha256: Digest,
    size: u64,
    listed: Option<Listed>,
}

/// What came since the last place that can be kept.
#[derive(Default)]
struct Pending {
    members: Vec<Member>,
    /// Collected files that no record has named.
    unclaimed: HashMap<String, Digest>,
    /// Record segments that the log has not named.
    unnamed: Vec<Records>,
    records: Vec<Records>,
    logs: Vec<super::Log>,
}

/// Where frames end: in the tar, and in the file.
type Boundaries = HashMap<u64, (u64, u32)>;

pub(super) fn open(partial: &Path, container: Container, info: &BundleInfo) -> Result<Found, BundleError> {
    let what = || escape(partial.as_os_str().as_encoded_bytes());
    let reading = |source| BundleError::Io { doing: "reading", what: what(), source };
    let reopened = Output::reopen(partial)?;
    let container = container.without_directory();
    let backing = container.backing().cloned().ok_or_else(|| cannot("it is no file"))?.uncounted();
    let is_zip = container.format() == ContainerFormat::Zip;
    let (boundaries, frames) = if is_zip { Default::default() } else { frames(&backing).map_err(reading)? };
    let mut scan = Scan::new()?;
    let mut pending = Pending::default();
    let mut directory = Directory::new().map_err(writing)?;
    let mut kept: Option<(u64, u64)> = None;
    let mut fault = None;
    let ended = container.for_each(&mut |entry, body| {
        let step = pending.member(&scan, &entry, body, &backing).and_then(|goes_on| {
            let place = if is_zip {
                Some((entry.range.end, entry.range.end))
            } else {
                boundaries.get(&entry.range.end).map(|&(file, _)| (entry.range.end, file))
            };
            if let Some(place) = place.filter(|_| goes_on && pending.is_complete()) {
                pending.commit(&mut scan, &mut directory)?;
                kept = Some(place);
            }
            Ok(goes_on)
        });
        match step {
            Ok(true) => ControlFlow::Continue(()),
            Ok(false) => ControlFlow::Break(()),
            Err(error) => {
                fault = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    // That it ends in the middle is what is expected of it. What it cannot be read for is told.
    if let Some(error) = fault.filter(|error| error.raw_os_error().is_some()) {
        return Err(reading(error));
    }
    if let Err(error @ crate::source::ContainerError::Io { .. }) = ended {
        return Err(BundleError::Container(error));
    }
    let (position, bytes) = kept.unwrap_or_default();
    let (beginning, ledger, already) = scan.finish(partial, info)?;
    let mut hasher = Hasher::new();
    let mut section = backing.section_at(0, bytes);
    let mut buffer = vec![0; 1 << 18];
    loop {
        match section.read(&mut buffer).map_err(reading)? {
            0 => break,
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
    // ORDER: nothing of the partial bundle is changed before this line.
    let output = reopened.go_on(Kept { bytes, hasher })?;
    let root = beginning.name.clone();
    let archive: Box<dyn crate::bundle::format::Archive> = if is_zip {
        Box::new(ZipArchive::resume(output, &root, position, directory))
    } else {
        let mut table = SeekTable::new();
        for (packed, plain) in frames.iter().take(boundaries.get(&position).map_or(0, |&(_, count)| count as usize)) {
            table.log_frame(*packed, *plain).map_err(|error| writing(io::Error::other(error)))?;
        }
        Box::new(TarArchive::resume(Frames::resume(output, info.threads, table)?, &root, position))
    };
    Ok(Found { archive, beginning, ledger, already })
}

/// The frames that are there whole: where each ends, in the tar and in the file, and their sizes.
fn frames(backing: &Backing) -> io::Result<(Boundaries, Vec<(u32, u32)>)> {
    let (mut file, mut plain) = (0_u64, 0_u64);
    let mut boundaries = Boundaries::new();
    let mut frames = Vec::new();
    while file < backing.len() {
        let window = backing.len().saturating_sub(file).min(MAX_FRAME);
        let bytes = backing.bytes_at(file, usize::try_from(window).unwrap_or(0))?;
        let is_ours = bytes.starts_with(&0xfd2f_b528_u32.to_le_bytes());
        let (Ok(packed), Ok(Some(size))) =
            (zstd_safe::find_frame_compressed_size(&bytes), zstd_safe::get_frame_content_size(&bytes))
        else {
            break;
        };
        let (Ok(packed), Ok(size), true) = (u32::try_from(packed), u32::try_from(size), is_ours) else { break };
        if u64::from(packed) > window || packed == 0 {
            break;
        }
        file += u64::from(packed);
        plain += u64::from(size);
        frames.push((packed, size));
        boundaries.insert(plain, (file, u32::try_from(frames.len()).unwrap_or(u32::MAX)));
    }
    Ok((boundaries, frames))
}

impl Pending {
    /// Takes in one member. `false` where it, or what it says, does not fit: everything from the last good place on goes.
    fn member(
        &mut self,
        scan: &Scan,
        entry: &ContainerEntry,
        body: &mut dyn Read,
        backing: &Backing,
    ) -> io::Result<bool> {
        let (Some(path), FileKind::File) = (inside(entry), entry.kind) else { return Ok(false) };
        let (mut sha256, mut bytes) = (None, Vec::new());
        if let Some((kind, n)) = segment::parse_path(path) {
            if entry.size > MAX_SEGMENT {
                return Ok(false);
            }
            body.read_to_end(&mut bytes)?;
            let fits = if kind == segment::COLLECTION {
                self.log(scan, n, &bytes)
            } else {
                self.records(scan, kind, n, &bytes)
            };
            if !fits {
                return Ok(false);
            }
            sha256 = Some(Digest::of(&bytes));
        }
        let sha256 = match sha256 {
            Some(sha256) => sha256,
            None => hash(body)?,
        };
        if path.starts_with("data/") && bytes.is_empty() {
            self.unclaimed.insert(path.to_owned(), sha256);
        }
        let listed = match entry.member {
            Some(member) => {
                let time = backing.bytes_at(entry.range.start.saturating_add(10), 4)?;
                Some(Listed {
                    name: entry.name.clone(),
                    header: entry.range.start,
                    time: time.first_chunk().copied().unwrap_or_default(),
                    crc: member.crc,
                    packed: member.compressed,
                    size: member.size,
                })
            }
            None => None,
        };
        // The place of a member of a zip is in no index.
        let place = if listed.is_some() { 0 } else { entry.range.start };
        self.members.push(Member { path: path.to_owned(), place, sha256, size: entry.size, listed });
        Ok(true)
    }

    fn records(&mut self, scan: &Scan, kind: &str, n: u64, bytes: &[u8]) -> bool {
        let before = self.records.iter().chain(&self.unnamed).rfind(|records| records.kind == kind);
        let (last, previous) = before.map_or_else(|| scan.previous(kind), |before| (before.n, Some(before.sha256)));
        let Some(records) = Scan::records(kind, last + 1, previous, bytes).filter(|_| n == last + 1) else {
            return false;
        };
        self.unnamed.push(records);
        true
    }

    fn log(&mut self, scan: &Scan, n: u64, bytes: &[u8]) -> bool {
        let before = self.logs.last().map(|log| (log.n, Some(log.sha256)));
        let (last, previous) = before.unwrap_or_else(|| scan.previous(segment::COLLECTION));
        let Some(log) = Scan::log(last + 1, previous, bytes).filter(|_| n == last + 1) else { return false };
        for (path, sha256) in &log.segments {
            let named = self
                .unnamed
                .iter()
                .position(|records| segment::path(&records.kind, records.n) == *path && records.sha256 == *sha256);
            let Some(at) = named else { return false };
            let records = self.unnamed.remove(at);
            if !self.claim(&records.claims) {
                return false;
            }
            self.records.push(records);
        }
        if !self.claim(&log.claims) {
            return false;
        }
        self.logs.push(log);
        true
    }

    /// Holds what is said of payloads against what was read of them.
    fn claim(&mut self, claims: &[(String, Digest)]) -> bool {
        claims.iter().all(|(payload, sha256)| self.unclaimed.remove(payload) == Some(*sha256))
    }

    /// Says whether a segment of the log just told of everything that came before it.
    fn is_complete(&self) -> bool {
        let ends_with_log = self
            .members
            .last()
            .and_then(|member| segment::parse_path(&member.path))
            .is_some_and(|(kind, _)| kind == segment::COLLECTION);
        ends_with_log && self.unclaimed.is_empty() && self.unnamed.is_empty()
    }

    fn commit(&mut self, scan: &mut Scan, directory: &mut Directory) -> io::Result<()> {
        for records in self.records.drain(..) {
            scan.take_records(records);
        }
        for log in self.logs.drain(..) {
            scan.take_log(log);
        }
        for Member { path, place, sha256, size, listed } in self.members.drain(..) {
            if let Some(listed) = listed {
                directory.push(&listed)?;
            }
            scan.list(&path, place, sha256, size)?;
        }
        Ok(())
    }
}

fn hash(body: &mut dyn Read) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match body.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}
