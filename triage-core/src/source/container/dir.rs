//! A folder as a container: every object beneath it, sorted by name within each folder, no link followed.

use super::ContainerEntry;
use super::ahead::{Emitter, Fault};
use crate::model::{FileKind, Timestamp};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, Stat};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::path::Path;

/// A folder in a folder in a folder …: one descriptor is open for each level.
const MAX_DEPTH: usize = 700;

pub(super) fn each(path: &Path, emitter: &mut Emitter<'_>) -> Result<(), Fault> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| Fault::Io(error.into()))?;
    walk(&root, &mut Vec::new(), 0, emitter)
}

fn walk(dir: &OwnedFd, prefix: &mut Vec<u8>, depth: usize, emitter: &mut Emitter<'_>) -> Result<(), Fault> {
    let io = |error: rustix::io::Errno| Fault::Io(error.into());
    if depth > MAX_DEPTH {
        return Err(Fault::Limit(format!("more than {MAX_DEPTH} folders inside each other")));
    }
    for name in names(dir, emitter).map_err(io)? {
        let stat = rustix::fs::statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(io)?;
        let length = prefix.len();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        prefix.extend_from_slice(name.as_bytes());
        let mut entry = describe(prefix, &stat);
        match entry.kind {
            FileKind::Directory => {
                let child = open(dir, &name, OFlags::DIRECTORY).map_err(io)?;
                emitter.entry(entry, 0, &mut io::empty())?;
                walk(&child, prefix, depth + 1, emitter)?;
            }
            FileKind::File => {
                let mut file = File::from(open(dir, &name, OFlags::empty()).map_err(io)?);
                let opened = rustix::fs::fstat(&file).map_err(io)?;
                if FileKind::of_mode(opened.st_mode) != FileKind::File {
                    return Err(Fault::Io(io::Error::other("an object changed its type while it was looked at")));
                }
                entry.size = u64::try_from(opened.st_size).unwrap_or(0);
                emitter.entry(entry, 0, &mut file)?;
            }
            kind => {
                if kind == FileKind::Symlink {
                    let target = rustix::fs::readlinkat(dir, &name, Vec::new()).map_err(io)?;
                    entry.link_target = Some(target.into_bytes());
                }
                emitter.entry(entry, 0, &mut io::empty())?;
            }
        }
        prefix.truncate(length);
    }
    Ok(())
}

fn names(dir: &OwnedFd, emitter: &Emitter<'_>) -> rustix::io::Result<Vec<CString>> {
    let most = usize::try_from(emitter.limits().max_entries).unwrap_or(usize::MAX);
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name.to_owned());
        }
        if names.len() > most {
            break;
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn open(dir: impl AsFd, name: &CString, more: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags | more, Mode::empty())
}

fn describe(name: &[u8], stat: &Stat) -> ContainerEntry {
    let kind = FileKind::of_mode(stat.st_mode);
    ContainerEntry {
        name: name.to_vec(),
        kind,
        size: 0,
        mode: stat.st_mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: Some(Timestamp::new(stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0))),
        link_target: None,
        hard_link: None,
        range: 0..0,
        unreadable: None,
        data: None,
        member: None,
    }
}
