//! A partial folder: what its log names is kept, every other file is taken away and collected anew.

use super::{Found, MAX_SEGMENT, Scan, cannot};
use crate::bundle::format::dir::DirArchive;
use crate::bundle::manifest::BundleInfo;
use crate::bundle::output::Folder;
use crate::bundle::{BundleError, segment, writing};
use crate::model::{Digest, FileKind, Hasher, escape};
use crate::source::{Container, ContainerEntry};
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

fn name(entry: &ContainerEntry) -> Option<&str> {
    std::str::from_utf8(&entry.name).ok().filter(|_| entry.kind == FileKind::File)
}

fn kind(entry: &ContainerEntry) -> Option<&str> {
    segment::parse_path(name(entry)?).map(|(kind, _)| kind)
}

pub(super) fn open(partial: &Path, container: &Container, info: &BundleInfo) -> Result<Found, BundleError> {
    let folder = Folder::reopen(partial)?;
    let damaged =
        |what: &str, detail: &str| BundleError::Damaged { what: escape(what.as_bytes()), detail: detail.to_owned() };
    let mut scan = Scan::new()?;
    // What the log names, by path: segments with their digest, and its own segments. Everything else goes.
    let mut kept: BTreeMap<String, (Digest, u64)> = BTreeMap::new();
    let mut named: HashMap<String, Digest> = HashMap::new();
    let mut claims: HashMap<String, Digest> = HashMap::new();
    let log = segments(container, &|kind| kind == segment::COLLECTION)?;
    for (path, bytes) in &log {
        let (last, previous) = scan.previous(segment::COLLECTION);
        // The last one may be half written, and nothing that it names is known to be whole.
        let Some(log) =
            Scan::log(last + 1, previous, bytes).filter(|log| segment::path(segment::COLLECTION, log.n) == *path)
        else {
            break;
        };
        kept.insert(path.clone(), (log.sha256, bytes.len() as u64));
        named.extend(log.segments.iter().cloned());
        claims.extend(log.claims.iter().cloned());
        scan.take_log(log);
    }
    drop(log);
    for (path, bytes) in segments(container, &|kind| kind != segment::COLLECTION)? {
        let Some(sha256) = named.remove(&path) else { continue };
        let Some((kind, n)) = segment::parse_path(&path) else { continue };
        let (last, previous) = scan.previous(kind);
        let records = Scan::records(kind, last + 1, previous, &bytes);
        let Some(records) = records.filter(|records| records.sha256 == sha256 && records.n == n) else {
            return Err(damaged(&path, "it is not what the collection log says"));
        };
        claims.extend(records.claims.iter().cloned());
        kept.insert(path, (sha256, bytes.len() as u64));
        scan.take_records(records);
    }
    if let Some(path) = named.keys().next() {
        return Err(damaged(path, "it is missing"));
    }
    let mut rest = Vec::new();
    let mut fault = None;
    container
        .for_each_where(&|entry| name(entry).is_some_and(|path| claims.contains_key(path)), &mut |entry, body| {
            let Some(path) = name(&entry) else { return ControlFlow::Continue(()) };
            if let Some(claimed) = claims.get(path) {
                match hash(body) {
                    Some(sha256) if sha256 == *claimed => {
                        kept.insert(path.to_owned(), (sha256, entry.size));
                    }
                    _ => {
                        fault = Some(damaged(path, "it is not what its record says"));
                        return ControlFlow::Break(());
                    }
                }
            } else if path == "bagit.txt" {
                kept.insert(path.to_owned(), (Digest::of(BAGIT), BAGIT.len() as u64));
            } else if !kept.contains_key(path) {
                rest.push(path.to_owned());
            }
            ControlFlow::Continue(())
        })
        .map_err(BundleError::Container)?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    if let Some(path) = claims.keys().find(|path| !kept.contains_key(*path)) {
        return Err(damaged(path, "it is missing"));
    }
    if !kept.contains_key("bagit.txt") {
        return Err(cannot(format!("`{}` has no `bagit.txt`", escape(partial.as_os_str().as_encoded_bytes()))));
    }
    for (path, (sha256, size)) in &kept {
        scan.list(path, 0, *sha256, *size).map_err(writing)?;
    }
    let (beginning, ledger, already) = scan.finish(partial, info)?;
    // ORDER: nothing of the partial bundle is changed before this line.
    for path in rest {
        folder.remove(&path)?;
    }
    Ok(Found { archive: Box::new(DirArchive::new(folder)), beginning, ledger, already })
}

const BAGIT: &[u8] = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// The segments of some kinds, in the order of their numbers.
fn segments(
    container: &Container,
    wants: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Vec<(String, Vec<u8>)>, BundleError> {
    let mut found = Vec::new();
    let is_wanted = |entry: &ContainerEntry| entry.size <= MAX_SEGMENT && kind(entry).is_some_and(wants);
    container
        .for_each_where(&is_wanted, &mut |entry, body| {
            let mut bytes = Vec::new();
            if is_wanted(&entry)
                && let Some(path) = name(&entry)
                && body.read_to_end(&mut bytes).is_ok()
            {
                found.push((path.to_owned(), bytes));
            }
            ControlFlow::Continue(())
        })
        .map_err(BundleError::Container)?;
    found.sort_by_cached_key(|(path, _)| segment::parse_path(path).map(|(kind, n)| (kind.to_owned(), n)));
    Ok(found)
}

fn hash(body: &mut dyn Read) -> Option<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match body.read(&mut buffer) {
            Ok(0) => return Some(hasher.finish()),
            Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Err(_) => return None,
        }
    }
}
