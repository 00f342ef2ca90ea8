//! Looking at files without changing or following anything.
//!
//! Every name here is one component beneath a directory that is already open, so that a directory swapped for a symbolic
//! link between listing and opening cannot lead us out.

use crate::model::{FileKind, FileMeta, Mode, RawText, Timestamp};
use rustix::fs::{AtFlags, OFlags, RawMode, ResolveFlags, Statx, StatxFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Longest list of extended attribute names, and longest value, that Linux gives (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const XATTR_MAX: usize = 65_536;

/// The most bytes of attribute values that are kept of one object. Linux allows a value 64 KiB and, on some file systems, thousands of
/// values; genuine objects have some hundred bytes.
const XATTR_TOTAL: usize = 256 * 1024;

/// Set once a kernel has answered that it does not know `statx` (before 4.11) or a sandbox hides it.
static NO_STATX: AtomicBool = AtomicBool::new(false);
/// The same for `openat2` (before 5.6).
static NO_OPENAT2: AtomicBool = AtomicBool::new(false);
/// Opened without `O_NOATIME` because the kernel refused it.
static LOUD: AtomicU64 = AtomicU64::new(0);

/// What the file system says of `name` in `directory`; a link is not followed. Neither attributes nor flags are looked up.
///
/// # Errors
/// As `statx(2)`; `InvalidInput` for a name with a NUL byte.
pub fn stat_at(directory: impl AsFd, name: &[u8]) -> io::Result<FileMeta> {
    let name = CString::new(name)?;
    stat(directory, &name, AtFlags::SYMLINK_NOFOLLOW)
}

/// What an open file says of itself, with extended attributes and inode flags.
///
/// # Errors
/// As `statx(2)`. Attributes that cannot be read are counted and are no error: they must not hide the file.
pub fn stat_open(file: impl AsFd) -> io::Result<FileMeta> {
    let mut meta = stat(&file, c"", AtFlags::EMPTY_PATH)?;
    (meta.xattrs, meta.xattrs_omitted) = xattrs(&file);
    meta.inode_flags = inode_flags(&file);
    Ok(meta)
}

/// What an open file says of itself in one system call.
///
/// # Errors
/// As `statx(2)`.
pub fn stat_open_briefly(file: impl AsFd) -> io::Result<FileMeta> {
    stat(file, c"", AtFlags::EMPTY_PATH)
}

fn stat(file: impl AsFd, name: &std::ffi::CStr, flags: AtFlags) -> io::Result<FileMeta> {
    if !NO_STATX.load(Ordering::Relaxed) {
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        match rustix::fs::statx(&file, name, flags | AtFlags::NO_AUTOMOUNT, wanted) {
            Ok(found) => return Ok(of_statx(&found)),
            // EPERM is what old container sandboxes answer for system calls they do not know.
            Err(Errno::NOSYS | Errno::PERM) => NO_STATX.store(true, Ordering::Relaxed),
            Err(error) => return Err(error.into()),
        }
    }
    let found = if flags.contains(AtFlags::EMPTY_PATH) {
        rustix::fs::fstat(&file)?
    } else {
        rustix::fs::statat(&file, name, flags | AtFlags::NO_AUTOMOUNT)?
    };
    Ok(of_stat(&found))
}

fn of_statx(found: &Statx) -> FileMeta {
    let mode = u32::from(found.stx_mode);
    let time = |t: rustix::fs::StatxTimestamp| Some(Timestamp::new(t.tv_sec, t.tv_nsec));
    let mut meta = FileMeta::bare(FileKind::of_mode(mode), Mode::new(mode), found.stx_size);
    meta.uid = found.stx_uid;
    meta.gid = found.stx_gid;
    meta.links = Some(u64::from(found.stx_nlink));
    meta.inode = Some(found.stx_ino);
    meta.device = Some(rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor));
    if matches!(meta.kind, FileKind::BlockDevice | FileKind::CharDevice) {
        meta.special = Some(rustix::fs::makedev(found.stx_rdev_major, found.stx_rdev_minor));
    }
    meta.mtime = time(found.stx_mtime);
    meta.atime = time(found.stx_atime);
    meta.ctime = time(found.stx_ctime);
    if found.stx_mask & StatxFlags::BTIME.bits() != 0 {
        meta.btime = time(found.stx_btime);
    }
    meta
}

// The widths of `struct stat` differ between architectures, so the same conversion is needed on one and idle on another.
#[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
fn of_stat(found: &rustix::fs::Stat) -> FileMeta {
    let mode = RawMode::from(found.st_mode);
    let nanos = |n: u64| u32::try_from(n).unwrap_or(0);
    let size = u64::try_from(found.st_size).unwrap_or(0);
    let mut meta = FileMeta::bare(FileKind::of_mode(mode), Mode::new(mode), size);
    meta.uid = found.st_uid;
    meta.gid = found.st_gid;
    meta.links = Some(found.st_nlink as u64);
    meta.inode = Some(found.st_ino);
    meta.device = Some(found.st_dev);
    if matches!(meta.kind, FileKind::BlockDevice | FileKind::CharDevice) {
        meta.special = Some(found.st_rdev);
    }
    meta.mtime = Some(Timestamp::new(found.st_mtime as i64, nanos(found.st_mtime_nsec as u64)));
    meta.atime = Some(Timestamp::new(found.st_atime as i64, nanos(found.st_atime_nsec as u64)));
    meta.ctime = Some(Timestamp::new(found.st_ctime as i64, nanos(found.st_ctime_nsec as u64)));
    meta
}

/// Where the symbolic link `name` in `directory` points.
///
/// # Errors
/// As `readlinkat(2)`.
pub fn read_link(directory: impl AsFd, name: &[u8]) -> io::Result<RawText> {
    let target = rustix::fs::readlinkat(directory, name, Vec::new())?;
    Ok(RawText::from(target.into_bytes()))
}

/// The extended attributes of an open file by name, and how many are missing from them. Names that are not UTF-8 are escaped.
///
/// Missing are those that may not be read, and those that no longer fit: 256 KiB of values are kept.
pub fn xattrs(file: impl AsFd) -> (BTreeMap<String, RawText>, u64) {
    xattrs_by(|buffer| rustix::fs::flistxattr(&file, buffer), |name, buffer| rustix::fs::fgetxattr(&file, name, buffer))
}

/// As [`xattrs`], for an object that is not to be opened: a symbolic link, a FIFO, a socket, a device.
///
/// It goes through `/proc/self/fd`, because only Linux 6.13 has a call for a name in an open folder; the last name is not followed. Where
/// `/proc` is not mounted there are none.
pub fn xattrs_at(directory: impl AsFd, name: &[u8]) -> (BTreeMap<String, RawText>, u64) {
    use std::os::fd::AsRawFd as _;
    let mut path = format!("/proc/self/fd/{}/", directory.as_fd().as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    let path = path.as_slice();
    xattrs_by(|buffer| rustix::fs::llistxattr(path, buffer), |name, buffer| rustix::fs::lgetxattr(path, name, buffer))
}

fn xattrs_by(
    list: impl FnMut(&mut [u8]) -> Result<usize, Errno>,
    mut get: impl FnMut(&[u8], &mut [u8]) -> Result<usize, Errno>,
) -> (BTreeMap<String, RawText>, u64) {
    let mut out = BTreeMap::new();
    let mut omitted = 0;
    let mut names = Vec::new();
    match sized(list, &mut names) {
        Ok(()) => {}
        Err(Errno::NOTSUP | Errno::NOSYS | Errno::NOENT | Errno::NOTDIR) => return (out, 0),
        Err(_) => return (out, 1),
    }
    let mut total = 0;
    for name in names.split(|&b| b == 0).filter(|name| !name.is_empty()) {
        let mut value = Vec::new();
        match sized(|buffer| get(name, buffer), &mut value) {
            Ok(()) if total + value.len() <= XATTR_TOTAL => {
                total += value.len();
                out.insert(crate::model::escape(name), RawText::from(value));
            }
            // Removed since it was listed.
            Err(Errno::NODATA) => {}
            Ok(()) | Err(_) => omitted += 1,
        }
    }
    (out, omitted)
}

/// Calls `get` with a small buffer, then with the largest there can be, and keeps what it filled.
fn sized(mut get: impl FnMut(&mut [u8]) -> Result<usize, Errno>, out: &mut Vec<u8>) -> Result<(), Errno> {
    let mut small = [0; 512];
    match get(&mut small) {
        Ok(length) => {
            out.extend_from_slice(small.get(..length).unwrap_or_default());
            Ok(())
        }
        Err(Errno::RANGE) => {
            out.resize(XATTR_MAX, 0);
            let length = get(out)?;
            out.truncate(length);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The inode flags of an open file (`ioctl_iflags(2)`); `None` where the file system has none.
pub fn inode_flags(file: impl AsFd) -> Option<u32> {
    rustix::fs::ioctl_getflags(file).ok().map(|flags| flags.bits())
}

/// Opens the regular file `name` in `directory` for reading: never follows a link, never blocks on a FIFO, never takes a terminal.
///
/// # Errors
/// As `openat(2)`; `ELOOP` where it is a symbolic link.
pub fn open_file(directory: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    open_quietly(directory, name, flags)
}

/// How often the kernel did not let us read without moving an access time (`EPERM` for `O_NOATIME`), since the process began.
pub fn access_times_moved() -> u64 {
    LOUD.load(Ordering::Relaxed)
}

fn open_quietly(directory: impl AsFd, name: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    // EVIDENCE: O_NOATIME keeps the access time as it was; only the owner of a file and root may ask for it.
    match rustix::fs::openat(&directory, name, flags | OFlags::NOATIME, rustix::fs::Mode::empty()) {
        Err(Errno::PERM) => {
            let opened = rustix::fs::openat(&directory, name, flags, rustix::fs::Mode::empty())?;
            LOUD.fetch_add(1, Ordering::Relaxed);
            Ok(opened)
        }
        opened => Ok(opened?),
    }
}

/// Opens the directory `name` in `directory` for listing; never follows a link.
///
/// # Errors
/// As `openat(2)`; `ENOTDIR` or `ELOOP` where it is no directory.
pub fn open_directory(directory: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    // EVIDENCE: listing a directory moves its access time too.
    open_quietly(directory, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC)
}

/// Opens the directory at `path`, `/`-separated and relative, beneath `root`; no component may be a link or leave the root.
///
/// On kernels without `openat2` (before 5.6) it goes down component by component, which is as safe and slower.
///
/// # Errors
/// As `openat2(2)`; `ELOOP` or `ENOTDIR` where a component is a link or no directory.
pub fn open_directory_beneath(root: impl AsFd, path: &[u8]) -> io::Result<OwnedFd> {
    if path.is_empty() {
        return open_directory(root, b".");
    }
    if !NO_OPENAT2.load(Ordering::Relaxed) && path.len() < 4096 {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOATIME;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(&root, path, flags, rustix::fs::Mode::empty(), resolve) {
            Ok(directory) => return Ok(directory),
            Err(Errno::NOSYS) => NO_OPENAT2.store(true, Ordering::Relaxed),
            // A sandbox that does not know the call, or somebody else's folder, whose access time we may not keep.
            Err(Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut directory = open_directory(root, b".")?;
    for component in path.split(|&b| b == b'/').filter(|part| !part.is_empty()) {
        if component == b".." {
            return Err(Errno::XDEV.into());
        }
        directory = open_directory(&directory, component)?;
    }
    Ok(directory)
}

/// The names in an open directory, without `.` and `..`, sorted by their bytes.
///
/// # Errors
/// As `getdents64(2)`.
pub fn list(directory: impl AsFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
    let mut entries = rustix::fs::RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// A file system whose content is not evidence of this host's disk: a kernel interface or another machine's files.
///
/// `Some(name)` for those of `statfs(2)` that are known to be so; local ones (ext, xfs, btrfs, zfs, overlay, tmpfs, …) and unknown ones are `None`.
///
/// # Errors
/// As `fstatfs(2)`.
pub fn foreign_file_system(directory: impl AsFd) -> io::Result<Option<&'static str>> {
    Ok(super::mounts::foreign(directory)?.map(|(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_of_large_attributes_are_counted_and_not_all_held() {
        let names: Vec<u8> = (0..1000).flat_map(|n| format!("user.n{n:04}\0").into_bytes()).collect();
        let copy = |from: &[u8], to: &mut [u8]| {
            to.get_mut(..from.len()).ok_or(Errno::RANGE)?.copy_from_slice(from);
            Ok(from.len())
        };
        let value = vec![0xff; 60_000];
        let (kept, omitted) = xattrs_by(|buffer| copy(&names, buffer), |_, buffer| copy(&value, buffer));
        assert_eq!((kept.len(), omitted), (4, 996));
        assert!(kept.values().all(|kept| kept.as_bytes() == value));
    }

    #[test]
    fn attributes_that_cannot_be_read_are_counted_and_do_not_hide_the_others() {
        let get = |name: &[u8], buffer: &mut [u8]| match name {
            b"user.damaged" => Err(Errno::IO),
            b"user.gone" => Err(Errno::NODATA),
            _ => {
                buffer.fill(0);
                Ok(1)
            }
        };
        let names = b"user.damaged\0user.gone\0user.fine\0user.\xff\0";
        let list = |buffer: &mut [u8]| {
            buffer.get_mut(..names.len()).ok_or(Errno::RANGE)?.copy_from_slice(names);
            Ok(names.len())
        };
        let (kept, omitted) = xattrs_by(list, get);
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["user.\\xff", "user.fine"]);
        assert_eq!(omitted, 1);
        assert_eq!(xattrs_by(|_| Err(Errno::IO), get).1, 1);
        assert_eq!(xattrs_by(|_| Err(Errno::NOTSUP), get).1, 0);
    }
}
