//! Every call that changes a file system, in one place.
//!
//! The functions are thin: they add the fallbacks that old kernels and odd file systems need, and say what a fallback loses.
//! They work on a directory's descriptor and one name in it, or on an open file; none follows a symbolic link. Who may call
//! them is a matter of the modules above: `apply` changes a target, `journal` writes run folders, nobody else has a reason to.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the place where the calls are made that are forbidden elsewhere"
)]

use crate::model::{FileKind, Timestamp};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    self, AtFlags, FileType, FlockOperation, Gid, IFlags, Mode, OFlags, RenameFlags, Timespec, Timestamps, Uid,
    XattrFlags,
};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;

/// Inode flags that `chattr(1)` can set and clear, by their `linux/fs.h` values: secure removal, undeletable, compressed,
/// synchronous, immutable, append-only, no dump, no access time, journalled data, no tail merging, synchronous directory, top
/// directory, no copy-on-write, project inheritance. The others tell how the file system stores the file and are not ours.
pub const SETTABLE_FLAGS: u32 = 0x0001
    | 0x0002
    | 0x0004
    | 0x0008
    | 0x0010
    | 0x0020
    | 0x0040
    | 0x0080
    | 0x4000
    | 0x8000
    | 0x0001_0000
    | 0x0002_0000
    | 0x0080_0000
    | 0x2000_0000;

/// Creates a file that was not there, for reading and writing, with the permission bits `mode`.
///
/// # Errors
/// `AlreadyExists` where anything has that name, also a dangling link.
pub fn create_new(dir: impl AsFd, name: &[u8], mode: u32) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(&dir, OsStr::from_bytes(name), flags, Mode::from_raw_mode(mode))?;
    // The umask of whoever started us must not decide.
    fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    Ok(file)
}

/// Opens a file for appending and truncating; creates it with `mode` where there is none.
pub fn open_append(dir: impl AsFd, name: &[u8], mode: u32) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(fs::openat(dir, OsStr::from_bytes(name), flags, Mode::from_raw_mode(mode))?)
}

/// Makes a directory with the permission bits `mode`, whatever the umask is.
pub fn make_directory(dir: impl AsFd, name: &[u8], mode: u32) -> io::Result<()> {
    fs::mkdirat(&dir, OsStr::from_bytes(name), Mode::from_raw_mode(mode))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = fs::openat(&dir, OsStr::from_bytes(name), flags, Mode::empty())?;
    Ok(fs::fchmod(folder, Mode::from_raw_mode(mode))?)
}

/// Makes a symbolic link that was not there.
pub fn make_symlink(dir: impl AsFd, name: &[u8], points_to: &[u8]) -> io::Result<()> {
    Ok(fs::symlinkat(OsStr::from_bytes(points_to), dir, OsStr::from_bytes(name))?)
}

/// Makes a FIFO, socket or device node that was not there, with the permission bits `mode`; `special` is the device that it is.
///
/// Such an object cannot be opened without waking what is behind it. So its mode, which the umask has a say in when it is made, is set through
/// the descriptor's own name in `/proc`.
///
/// # Errors
/// `InvalidInput` for any other kind. As `mknod(2)`: device nodes are root's to make.
pub fn make_special(dir: impl AsFd, name: &[u8], kind: FileKind, mode: u32, special: u64) -> io::Result<()> {
    let file_type = match kind {
        FileKind::Fifo => FileType::Fifo,
        FileKind::Socket => FileType::Socket,
        FileKind::BlockDevice => FileType::BlockDevice,
        FileKind::CharDevice => FileType::CharacterDevice,
        FileKind::File | FileKind::Directory | FileKind::Symlink | FileKind::Unknown => {
            return Err(io::ErrorKind::InvalidInput.into());
        }
    };
    Ok(fs::mknodat(dir, OsStr::from_bytes(name), file_type, Mode::from_raw_mode(mode), special)?)
}

/// Sets the permission bits of the object `name`, which is no link, without opening it. After a change of its owner, which clears
/// set-id bits.
///
/// # Errors
/// `InvalidInput` where it is a link; `NotFound` where `/proc` is not mounted.
pub fn set_mode_at(dir: impl AsFd, name: &[u8], mode: u32) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let object = fs::openat(&dir, OsStr::from_bytes(name), flags, Mode::empty())?;
    if FileKind::of_mode(fs::fstat(&object)?.st_mode) == FileKind::Symlink {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let path = format!("/proc/self/fd/{}", object.as_raw_fd());
    Ok(fs::chmodat(fs::CWD, path, Mode::from_raw_mode(mode), AtFlags::empty())?)
}

/// Gives the object `from` the further name `to`, which nothing has yet. A symbolic link is linked itself.
pub fn link(from_dir: impl AsFd, from: &[u8], to_dir: impl AsFd, to: &[u8]) -> io::Result<()> {
    Ok(fs::linkat(from_dir, OsStr::from_bytes(from), to_dir, OsStr::from_bytes(to), AtFlags::empty())?)
}

/// Removes the name of a file or link. A directory is refused by the kernel.
pub fn unlink(dir: impl AsFd, name: &[u8]) -> io::Result<()> {
    Ok(fs::unlinkat(dir, OsStr::from_bytes(name), AtFlags::empty())?)
}

/// Takes hold of whatever is called `name` by renaming it to `private` in the same directory.
///
/// With `renameat2(RENAME_NOREPLACE)` an object that has the private name already is never lost. Without it (Linux before 3.15,
/// file systems that answer `EINVAL`) the private name is looked up first and then a plain rename is made: what somebody puts at
/// the private name between the two is lost. The grab itself is atomic either way.
pub fn grab(dir: impl AsFd, name: &[u8], private: &[u8]) -> io::Result<()> {
    let dir = dir.as_fd();
    match rename(dir, name, private, RenameFlags::NOREPLACE) {
        Err(Errno::NOSYS | Errno::INVAL) => {
            match fs::statat(dir, OsStr::from_bytes(private), AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => Ok(fs::renameat(dir, OsStr::from_bytes(name), dir, OsStr::from_bytes(private))?),
                Err(error) => Err(error.into()),
                Ok(_) => Err(Errno::EXIST.into()),
            }
        }
        other => Ok(other?),
    }
}

/// Gives the object with the private name its public one, which nothing may have.
///
/// Without `renameat2(RENAME_NOREPLACE)` it is linked to the public name, which fails where that is taken, and then loses the
/// private one: nothing is overwritten, but for a moment it has both. Directories, and everything on file systems without hard links, cannot be linked:
/// there the public name is looked up first and then a plain rename is made, and a file that somebody puts there between the two is lost (a
/// directory can only take the place of an empty one).
///
/// # Errors
/// `AlreadyExists` where something has the name.
pub fn settle(dir: impl AsFd, private: &[u8], name: &[u8]) -> io::Result<()> {
    let dir = dir.as_fd();
    match rename(dir, private, name, RenameFlags::NOREPLACE) {
        Err(Errno::NOSYS | Errno::INVAL) => {
            match fs::linkat(dir, OsStr::from_bytes(private), dir, OsStr::from_bytes(name), AtFlags::empty()) {
                Ok(()) => unlink(dir, private),
                Err(Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK) => {
                    match fs::statat(dir, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW) {
                        Err(Errno::NOENT) => replace(dir, private, name),
                        Err(error) => Err(error.into()),
                        Ok(_) => Err(Errno::EXIST.into()),
                    }
                }
                Err(error) => Err(error.into()),
            }
        }
        other => Ok(other?),
    }
}

/// Swaps two names of one directory atomically: at no moment is either missing.
///
/// # Errors
/// `Unsupported` where the kernel or file system cannot (`ENOSYS`, `EINVAL`): the caller grabs the one and settles the other
/// instead, and accepts that the name is missing in between.
pub fn exchange(dir: impl AsFd, one: &[u8], other: &[u8]) -> io::Result<()> {
    match rename(dir.as_fd(), one, other, RenameFlags::EXCHANGE) {
        Err(Errno::NOSYS | Errno::INVAL) => Err(io::ErrorKind::Unsupported.into()),
        other => Ok(other?),
    }
}

/// Renames within a directory and replaces what has the name: for files of our own only.
pub fn replace(dir: impl AsFd, from: &[u8], to: &[u8]) -> io::Result<()> {
    let dir = dir.as_fd();
    Ok(fs::renameat(dir, OsStr::from_bytes(from), dir, OsStr::from_bytes(to))?)
}

fn rename(dir: BorrowedFd<'_>, from: &[u8], to: &[u8], flags: RenameFlags) -> rustix::io::Result<()> {
    fs::renameat_with(dir, OsStr::from_bytes(from), dir, OsStr::from_bytes(to), flags)
}

/// Writes all bytes at the file's position.
pub fn write_all(file: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&file, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Cuts an open file to `size_bytes`.
pub fn truncate(file: impl AsFd, size_bytes: u64) -> io::Result<()> {
    Ok(fs::ftruncate(file, size_bytes)?)
}

/// Returns when the content and metadata of an open file or directory are on the device. A file system that cannot do that for a
/// directory (`EINVAL`) is left to its own habits.
pub fn sync(file: impl AsFd) -> io::Result<()> {
    match fs::fsync(file) {
        Err(Errno::INVAL | Errno::ROFS) => Ok(()),
        other => Ok(other?),
    }
}

/// Sets the owner and group of an open file. The kernel clears set-id bits and file capabilities: set those afterwards.
pub fn set_owner(file: impl AsFd, uid: u32, gid: u32) -> io::Result<()> {
    Ok(fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?)
}

/// Sets the owner and group of the object `name`; of a symbolic link, its own.
pub fn set_owner_at(dir: impl AsFd, name: &[u8], uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    Ok(fs::chownat(dir, OsStr::from_bytes(name), uid, gid, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Sets the permission bits of an open file.
pub fn set_mode(file: impl AsFd, mode: u32) -> io::Result<()> {
    Ok(fs::fchmod(file, Mode::from_raw_mode(mode))?)
}

/// Sets access and modification time of an open file or directory; `None` leaves one as it is.
pub fn set_times(file: impl AsFd, atime: Option<Timestamp>, mtime: Option<Timestamp>) -> io::Result<()> {
    Ok(fs::futimens(file, &timestamps(atime, mtime))?)
}

/// Sets access and modification time of the object `name`; of a symbolic link, its own.
pub fn set_times_at(dir: impl AsFd, name: &[u8], atime: Option<Timestamp>, mtime: Option<Timestamp>) -> io::Result<()> {
    Ok(fs::utimensat(dir, OsStr::from_bytes(name), &timestamps(atime, mtime), AtFlags::SYMLINK_NOFOLLOW)?)
}

fn timestamps(atime: Option<Timestamp>, mtime: Option<Timestamp>) -> Timestamps {
    let spec = |time: Option<Timestamp>| match time {
        Some(time) => Timespec { tv_sec: time.seconds(), tv_nsec: time.nanoseconds().into() },
        None => Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT },
    };
    Timestamps { last_access: spec(atime), last_modification: spec(mtime) }
}

/// Sets an extended attribute of an open file.
pub fn set_xattr(file: impl AsFd, name: &str, value: &[u8]) -> io::Result<()> {
    Ok(fs::fsetxattr(file, name, value, XattrFlags::empty())?)
}

/// Sets an extended attribute of the object `name`, which is not opened: a symbolic link, a FIFO, a socket, a device. `user.*` is for
/// files and folders only.
///
/// It goes through `/proc/self/fd`, because only Linux 6.13 has a call for a name in an open folder; the last name is not followed.
pub fn set_xattr_at(dir: impl AsFd, name: &[u8], attribute: &str, value: &[u8]) -> io::Result<()> {
    Ok(fs::lsetxattr(by_descriptor(dir, name).as_slice(), attribute, value, XattrFlags::empty())?)
}

/// Removes an extended attribute of the object `name`, as [`set_xattr_at`] sets it.
pub fn remove_xattr_at(dir: impl AsFd, name: &[u8], attribute: &str) -> io::Result<()> {
    Ok(fs::lremovexattr(by_descriptor(dir, name).as_slice(), attribute)?)
}

fn by_descriptor(dir: impl AsFd, name: &[u8]) -> Vec<u8> {
    [format!("/proc/self/fd/{}/", dir.as_fd().as_raw_fd()).as_bytes(), name].concat()
}

/// Removes an extended attribute of an open file.
pub fn remove_xattr(file: impl AsFd, name: &str) -> io::Result<()> {
    Ok(fs::fremovexattr(file, name)?)
}

/// Sets the inode flags of an open file or directory (`FS_IOC_SETFLAGS`), of which only [`SETTABLE_FLAGS`] are touched. Says
/// whether anything had to be changed.
///
/// # Errors
/// Where the file system has no flags and `flags` asks for some.
pub fn set_inode_flags(file: impl AsFd, flags: u32) -> io::Result<bool> {
    let wanted = flags & SETTABLE_FLAGS;
    let now = match fs::ioctl_getflags(&file) {
        Ok(now) => now.bits(),
        Err(_) if wanted == 0 => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let next = (now & !SETTABLE_FLAGS) | wanted;
    if next == now {
        return Ok(false);
    }
    fs::ioctl_setflags(&file, IFlags::from_bits_retain(next))?;
    Ok(true)
}

/// Goes `count` bytes on in a file that is written, and leaves a hole there where the file system has holes.
pub fn skip(file: impl AsFd, count: u64) -> io::Result<()> {
    let count = i64::try_from(count).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    fs::seek(file, fs::SeekFrom::Current(count))?;
    Ok(())
}

/// Opens a file that programs lock against each other, for writing to nothing in it; none where it is not there.
pub fn open_lock(dir: impl AsFd, name: &[u8]) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match fs::openat(dir, OsStr::from_bytes(name), flags, Mode::empty()) {
        Ok(file) => Ok(Some(file)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Takes the record lock of a whole file (`fcntl(2)`), as `lckpwdf(3)` takes it, without waiting. Says whether it was free. The kernel gives it back
/// when this process closes any descriptor of the file.
pub fn try_record_lock(file: impl AsFd) -> io::Result<bool> {
    match fs::fcntl_lock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::AGAIN | Errno::ACCESS) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Takes the exclusive lock of an open file without waiting; it is held until [`unlock`], or until the last copy of the descriptor is closed.
/// Says whether it was free.
pub fn try_lock(file: impl AsFd) -> io::Result<bool> {
    match fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Gives the lock of an open file back, also for those who have copies of the descriptor.
pub fn unlock(file: impl AsFd) -> io::Result<()> {
    Ok(fs::flock(file, FlockOperation::Unlock)?)
}
/// A process that is held: its number cannot go to another one as long as this lives, on kernels that have handles for processes
/// (5.3); on older ones it is only a number.
#[derive(Debug)]
pub(crate) struct ProcessHandle {
    handle: Option<OwnedFd>,
    pid: Pid,
}

/// What a process can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessSignal {
    /// `SIGSTOP`.
    Stop,
    /// `SIGCONT`.
    Continue,
    /// `SIGKILL`.
    Kill,
}

impl ProcessHandle {
    /// Takes hold of a process; none where it has ended.
    ///
    /// # Errors
    /// As `pidfd_open(2)`.
    pub(crate) fn open(pid: u32) -> io::Result<Option<Self>> {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw).filter(|pid| pid.as_raw_nonzero().get() > 1);
        let pid =
            number.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "that is not a process of its own"))?;
        match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
            Ok(handle) => Ok(Some(Self { handle: Some(handle), pid })),
            Err(Errno::SRCH) => Ok(None),
            Err(Errno::NOSYS | Errno::PERM) => Ok(Some(Self { handle: None, pid })),
            Err(error) => Err(error.into()),
        }
    }
}

/// Tells a process something; that it has ended is no error.
///
/// # Errors
/// As `pidfd_send_signal(2)` and `kill(2)`.
pub(crate) fn signal(process: &ProcessHandle, signal: ProcessSignal) -> io::Result<()> {
    let signal = match signal {
        ProcessSignal::Stop => Signal::STOP,
        ProcessSignal::Continue => Signal::CONT,
        ProcessSignal::Kill => Signal::KILL,
    };
    let sent = match &process.handle {
        Some(handle) => rustix::process::pidfd_send_signal(handle, signal),
        None => rustix::process::kill_process(process.pid, signal),
    };
    match sent {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
