//! Turns the entries of an archive into a listing of a host's files.
//!
//! Names are judged here: those that leave the root are refused and told, of those that repeat the first counts and the others are
//! told. Nothing is opened but the few records of other tools that say more of the files than the archive's own headers.

use super::bodyfile::{self, Bodyfile};
use super::layout::{self, Arrangement, Layout, Names};
use super::{ArchiveSource, Listed, Place, Reader, report, runs};
use crate::model::{EvidencePath, FileKind, Gap, GapReason, Mode, RawText, escape};
use crate::source::{Container, ContainerEntry, ContainerFormat};
use std::collections::{BTreeMap, HashSet};
use std::io::Read as _;
use std::sync::Arc;

/// Longest target of a symbolic link that a zip keeps as content (`PATH_MAX`).
const MAX_LINK: u64 = 4096;
/// How many gaps of one archive are told one by one.
const MAX_GAPS: usize = 10_000;
/// How many folders outside the host's root are told one by one.
const MAX_OUTSIDE: usize = 20;

/// Turns entries into a listing.
#[derive(Default)]
pub(super) struct Lister {
    listing: Vec<Listed>,
    gaps: Vec<Gap>,
    more_gaps: u64,
    notes: Vec<String>,
    /// Hard links and the path that each points to, by position in the listing.
    hard_links: Vec<(usize, EvidencePath)>,
    ordinal: u64,
    length: u64,
}

impl Lister {
    pub(super) fn gap(&mut self, path: EvidencePath, reason: GapReason, detail: impl Into<String>) {
        if self.gaps.len() < MAX_GAPS {
            self.gaps.push(Gap::new(path, reason, detail));
        } else {
            self.more_gaps += 1;
        }
    }

    pub(super) fn add(&mut self, entry: ContainerEntry, container: &Container) {
        let ordinal = self.ordinal;
        self.ordinal += 1;
        self.length = self.length.max(entry.range.end);
        let path = match EvidencePath::new(&entry.name) {
            Ok(path) => path,
            Err(error) => {
                let detail = format!("an entry of the archive was refused: {error}");
                return self.gap(EvidencePath::root(), GapReason::Unreadable, detail);
            }
        };
        let is_file = entry.kind == FileKind::File;
        let mut link_target = entry.link_target;
        let place = match (entry.unreadable, entry.data, entry.member) {
            (Some(why), ..) => Place::Unreadable(why),
            _ if !is_file || entry.size == 0 => Place::None,
            (_, Some(data), _) => Place::Tar(data),
            (_, _, Some(member)) => Place::Zip(member),
            _ => Place::Passing,
        };
        if entry.kind == FileKind::Symlink
            && link_target.is_none()
            && let (Some(member), Some(backing)) = (entry.member, container.backing())
        {
            let mut target = Vec::new();
            let read = member.open(backing).and_then(|open| open.take(MAX_LINK).read_to_end(&mut target));
            link_target = read.is_ok().then_some(target);
        }
        if entry.kind == FileKind::Unknown {
            let detail = "an entry of the archive has a type that is not known";
            self.gap(path.clone(), GapReason::Unsupported, detail);
        }
        if let Some(target) = entry.hard_link {
            match EvidencePath::new(&target) {
                Ok(target) => self.hard_links.push((self.listing.len(), target)),
                Err(error) => {
                    let detail = format!("a hard link of the archive was refused: {error}");
                    return self.gap(path, GapReason::Unreadable, detail);
                }
            }
        }
        self.listing.push(Listed {
            path,
            ordinal,
            kind: entry.kind,
            mode: Mode::new(entry.mode),
            uid: entry.uid,
            gid: entry.gid,
            size: entry.size,
            mtime: entry.mtime,
            link_target: link_target.map(RawText::from),
            told: None,
            place,
        });
    }

    /// Finds out what kind of archive it is and puts everything in its place in the host.
    pub(super) fn finish(mut self, container: Container, label: String, is_layer: bool) -> ArchiveSource {
        self.resolve_hard_links();
        let arrangement = if is_layer {
            Arrangement { layout: Layout::Layer, top: EvidencePath::root(), roots: vec![EvidencePath::root()] }
        } else {
            Names::new(self.listing.iter().map(|listed| &listed.path)).arrangement()
        };
        let bodyfile = self.bodyfile(&arrangement);
        self.strip_roots(&arrangement);
        if arrangement.layout == Layout::FreepbxBackup {
            self.place_files();
        }
        if arrangement.layout == Layout::Velociraptor {
            self.fill_sparse(&container);
        }
        self.drop_repeated();
        if let Some(bodyfile) = bodyfile {
            self.add_times(&bodyfile, &container);
        }
        if arrangement.layout == Layout::Acquire {
            for (path, detail) in report::failures_beside(container.path()) {
                self.gap(path, GapReason::Unreadable, detail);
            }
        }
        self.describe(&arrangement, container.format());
        if self.more_gaps > 0 {
            let detail = format!("{} more entries were refused", self.more_gaps);
            self.gaps.push(Gap::new(EvidencePath::root(), GapReason::LimitReached, detail));
        }
        let by_path = sorted(&self.listing);
        ArchiveSource {
            container,
            label,
            listing: self.listing,
            by_path,
            gaps: self.gaps,
            layout: arrangement.layout,
            notes: self.notes,
            length: self.length,
            reread: Arc::default(),
        }
    }

    /// The entry of UAC's bodyfile: it says more of the files than the headers of a tar.
    fn bodyfile(&self, arrangement: &Arrangement) -> Option<Listed> {
        if arrangement.layout != Layout::Uac {
            return None;
        }
        let path = arrangement.top.join(b"bodyfile").join(b"bodyfile.txt");
        self.listing.iter().find(|listed| listed.path == path && listed.kind == FileKind::File).cloned()
    }

    fn add_times(&mut self, bodyfile: &Listed, container: &Container) {
        let Some(bytes) = content(bodyfile, container, bodyfile::MAX_BYTES) else {
            let detail = "the bodyfile could not be read: access, change and birth times are not known";
            return self.gap(EvidencePath::root(), GapReason::Damaged, detail);
        };
        let wanted: HashSet<EvidencePath> = self.listing.iter().map(|listed| listed.path.clone()).collect();
        let body = Bodyfile::parse(&bytes, &|path| wanted.contains(path));
        for listed in &mut self.listing {
            if let Some(line) = body.line(&listed.path) {
                listed.mtime = listed.mtime.or(line.mtime);
                listed.told = Some(Box::new(*line));
            }
        }
        self.notes.push(format!("inode numbers and times of {} objects are from its bodyfile", body.len()));
        if body.unread > 0 {
            self.notes.push(format!("{} lines of the bodyfile could not be read", body.unread));
        }
    }

    /// Gives sparse uploads their holes back.
    fn fill_sparse(&mut self, container: &Container) {
        let by_path = sorted(&self.listing);
        let find = |path: &EvidencePath| {
            let at = by_path.binary_search_by(|&at| self.listing.get(at).map(|listed| &listed.path).cmp(&Some(path)));
            by_path.get(at.ok()?).copied()
        };
        let mut filled = Vec::new();
        for (index, listed) in self.listing.iter().enumerate() {
            let base = listed.path.as_bytes().strip_suffix(b".idx").and_then(|base| EvidencePath::new(base).ok());
            let Some(at) = base.as_ref().and_then(find) else { continue };
            let Some(Listed { place: Place::Zip(member), size, .. }) = self.listing.get(at) else { continue };
            let parsed = content(listed, container, runs::MAX_INDEX).and_then(|bytes| runs::parse(&bytes, *size));
            if let Some((runs, whole)) = parsed {
                filled.push((index, at, Place::Sparse(*member, Arc::new(runs)), whole));
            }
        }
        let gone: HashSet<usize> = filled.iter().map(|&(index, ..)| index).collect();
        for (_, at, place, whole) in filled {
            if let Some(listed) = self.listing.get_mut(at) {
                (listed.place, listed.size) = (place, whole);
            }
        }
        self.remove(&gone);
        if !gone.is_empty() {
            self.notes.push(format!("{} sparse uploads have zeros where nothing was read", gone.len()));
        }
    }

    fn remove(&mut self, gone: &HashSet<usize>) {
        let mut at = 0;
        self.listing.retain(|_| {
            at += 1;
            !gone.contains(&(at - 1))
        });
    }

    /// Says what the archive is and what it does not keep.
    fn describe(&mut self, arrangement: &Arrangement, format: ContainerFormat) {
        let packing = match format {
            ContainerFormat::Zip => "zip",
            ContainerFormat::TarGz => "tar in gzip",
            ContainerFormat::TarZst => "tar in zstd",
            ContainerFormat::TarXz => "tar in xz",
            _ => "tar",
        };
        let what = match arrangement.layout {
            Layout::Plain => format!("a {packing}"),
            layout @ Layout::Acquire => format!("an {layout} ({packing})"),
            layout => format!("a {layout} ({packing})"),
        };
        let place = match arrangement.roots.as_slice() {
            [root] if root.is_root() => String::new(),
            roots => {
                let names: Vec<String> = roots.iter().map(|root| format!("`{root}`")).collect();
                format!("; the host's root in it is {}", names.join(" and "))
            }
        };
        self.notes.insert(0, format!("{what} of {} objects{place}", self.listing.len()));
        if arrangement.layout == Layout::Acquire {
            self.notes.push("acquire keeps neither modes nor owners: those in its output are made up".to_owned());
        } else if format == ContainerFormat::Zip {
            self.notes.push("a zip keeps no owners, and no times that tell their zone".to_owned());
        }
    }

    /// A hard link is the file itself under another name, if that file is in the archive.
    fn resolve_hard_links(&mut self) {
        let by_path = sorted(&self.listing);
        let links = std::mem::take(&mut self.hard_links);
        let is_link: std::collections::BTreeSet<usize> = links.iter().map(|&(at, _)| at).collect();
        for (at, target) in links {
            let first = by_path.partition_point(|&at| self.listing.get(at).is_some_and(|listed| listed.path < target));
            let found = by_path
                .get(first..)
                .unwrap_or_default()
                .iter()
                .take_while(|&&at| self.listing.get(at).is_some_and(|listed| listed.path == target))
                .find(|at| !is_link.contains(at))
                .and_then(|&at| self.listing.get(at))
                .filter(|listed| listed.kind == FileKind::File)
                .map(|listed| (listed.size, listed.place.clone()));
            let Some(link) = self.listing.get_mut(at) else { continue };
            if let Some((size, place)) = found {
                (link.size, link.place) = (size, place);
            } else {
                link.place = Place::Unreadable(format!("a hard link to `{target}`, which the archive does not have"));
            }
        }
    }

    /// Of entries of one path the first counts, as a reader sees it that reads from the beginning; the others are told.
    fn drop_repeated(&mut self) {
        let by_path = sorted(&self.listing);
        let mut repeated = Vec::new();
        let mut last: Option<&Listed> = None;
        for &at in &by_path {
            let Some(listed) = self.listing.get(at) else { continue };
            match last {
                Some(first) if first.path == listed.path => {
                    let is_folder = first.kind == FileKind::Directory && listed.kind == FileKind::Directory;
                    repeated.push((at, (!is_folder).then(|| listed.path.clone())));
                }
                _ => last = Some(listed),
            }
        }
        repeated.sort_by_key(|&(at, _)| at);
        let mut gone = HashSet::new();
        for (at, told) in repeated {
            gone.insert(at);
            if let Some(path) = told {
                let number = self.listing.get(at).map_or(0, |listed| listed.ordinal + 1);
                let detail = format!("the archive has it more than once; the first was read, entry {number} was not");
                self.gap(path, GapReason::Damaged, detail);
            }
        }
        self.remove(&gone);
    }

    /// Gives the files in a backup of `FreePBX` the place that restoring puts them to. Where two would have one place, the second keeps its name in the
    /// backup, so that both are read.
    fn place_files(&mut self) {
        let mut taken: HashSet<EvidencePath> = self.listing.iter().map(|listed| listed.path.clone()).collect();
        let mut twice = Vec::new();
        for listed in &mut self.listing {
            let mut parts = listed.path.components();
            let is_folder = parts.next().is_some_and(|first| matches!(first, b"files" | b"customdir" | b"customfiles"));
            let place = parts.fold(EvidencePath::root(), |place, part| place.join(part));
            if !is_folder || place.is_root() {
                continue;
            }
            if taken.insert(place.clone()) {
                listed.path = place;
            } else if listed.kind != FileKind::Directory {
                twice.push((listed.path.clone(), place));
            }
        }
        for (path, place) in twice {
            let detail = format!(
                "another file of the backup goes to `{place}` too; this one was read under its name in the backup"
            );
            self.gap(path, GapReason::Damaged, detail);
        }
    }

    /// Takes the folders that are the host's root off the names.
    fn strip_roots(&mut self, arrangement: &Arrangement) {
        if arrangement.roots.iter().any(EvidencePath::is_root) {
            return;
        }
        let mut outside: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        let mut refused = Vec::new();
        self.listing.retain_mut(|listed| match inside(&listed.path, arrangement) {
            Some(Ok(path)) => {
                listed.path = path;
                true
            }
            Some(Err(detail)) => {
                refused.push(detail);
                false
            }
            None => {
                // Folders above the root are no entries of it, and the tool's own records are not the host's.
                if listed.kind != FileKind::Directory && !is_own(&listed.path, arrangement) {
                    let depth = arrangement.top.components().count();
                    let first = listed.path.components().nth(depth).unwrap_or_default().to_vec();
                    *outside.entry(first).or_default() += 1;
                }
                false
            }
        });
        for gap in &mut self.gaps {
            if let Some(Ok(path)) = inside(&gap.path, arrangement) {
                gap.path = path;
            }
        }
        for detail in refused {
            self.gap(EvidencePath::root(), GapReason::Unreadable, detail);
        }
        for (name, count) in outside.iter().take(MAX_OUTSIDE) {
            let detail = format!("{count} entries outside the host's root, in `{}`, were not read", escape(name));
            self.gap(EvidencePath::root(), GapReason::Unsupported, detail);
        }
        if outside.len() > MAX_OUTSIDE {
            let rest: u64 = outside.values().skip(MAX_OUTSIDE).sum();
            let detail = format!("{rest} more entries outside the host's root were not read");
            self.gap(EvidencePath::root(), GapReason::Unsupported, detail);
        }
    }
}

/// Where in the host an entry lies; none for one that is outside of its root.
fn inside(path: &EvidencePath, arrangement: &Arrangement) -> Option<Result<EvidencePath, String>> {
    let root = arrangement.roots.iter().find(|root| path.starts_with(root))?;
    let mut place = EvidencePath::root();
    for name in path.components().skip(root.components().count()) {
        let is_encoded = arrangement.layout == Layout::Velociraptor;
        let name = if is_encoded { layout::percent_decoded(name) } else { name.to_vec() };
        if matches!(name.as_slice(), b"" | b"." | b"..") || name.contains(&0) || name.contains(&b'/') {
            return Some(Err(format!("an entry of the archive was refused: a part of `{path}` decodes to no name")));
        }
        place = place.join(&name);
    }
    Some(Ok(place))
}

/// What the tool wrote of its own work: nothing of the host is in it that is not elsewhere.
fn is_own(path: &EvidencePath, arrangement: &Arrangement) -> bool {
    const OWN: [&str; 10] = [
        "uac.log",
        "uac.log.stderr",
        "bodyfile/bodyfile.txt",
        "uploads.json",
        "uploads.json.index",
        "log.json",
        "log.json.index",
        "collection_context.json",
        "client_info.json",
        "requests.json",
    ];
    let is_at =
        |own: &&str| own.split('/').fold(arrangement.top.clone(), |path, part| path.join(part.as_bytes())) == *path;
    arrangement.layout != Layout::Plain && OWN.iter().any(is_at)
}

/// Positions by path, and of the same path in the order of the archive.
pub(super) fn sorted(listing: &[Listed]) -> Vec<usize> {
    let mut by_path: Vec<usize> = (0..listing.len()).collect();
    by_path.sort_by(|&a, &b| listing.get(a).map(|listed| &listed.path).cmp(&listing.get(b).map(|listed| &listed.path)));
    by_path
}

/// The content of a file in the archive, by its place; none where it is larger than `limit` or cannot be read whole.
fn content(listed: &Listed, container: &Container, limit: u64) -> Option<Vec<u8>> {
    if listed.size > limit || listed.kind != FileKind::File {
        return None;
    }
    let reader = Reader {
        container: container.clone(),
        place: listed.place.clone(),
        size: listed.size,
        length: u64::MAX,
        reread: Arc::default(),
    };
    let mut bytes = Vec::new();
    reader.open().and_then(|open| open.take(limit).read_to_end(&mut bytes)).ok()?;
    (u64::try_from(bytes.len()).ok()? == listed.size).then_some(bytes)
}
