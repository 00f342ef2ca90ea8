//! What is mounted where, and what kind of file system it is: whether it is this host's own disk, another machine's, or the kernel's.
//!
//! Known from `/proc/self/mountinfo` before anything is touched, because looking at the mount point of a dead NFS server hangs, and
//! looking beneath an automount point mounts something.

use rustix::fs::StatVfs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// The longest `mountinfo` that is read: a host with 100,000 mounts.
const MAX_BYTES: u64 = 32 << 20;

/// Whose content a file system shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountClass {
    /// This host's own, on a disk or in its memory: ext, xfs, btrfs, zfs, f2fs, overlay, tmpfs, squashfs, and every type that is not known.
    Local,
    /// Another machine's, or a program's (FUSE): reading it takes the network and may never come back.
    Network,
    /// An interface of the kernel, whose files are no data and may act or block when they are read.
    Pseudo,
    /// An automount point: looking beneath it would mount something.
    Automount,
}

/// One line of `mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// `st_dev` of what is in it.
    pub device: u64,
    /// The folder of its file system that is mounted; `/` for the whole of it, else it is a bind mount or a subvolume.
    pub root: Vec<u8>,
    /// Where it is mounted, in this process's view.
    pub path: Vec<u8>,
    /// The type of the file system: `ext4`, `fuse.sshfs`.
    pub fs_type: String,
    /// What is mounted: a device, `host:/export`.
    pub source: Vec<u8>,
    /// What kind of thing that is.
    pub class: MountClass,
}

impl MountClass {
    /// The class of a type as `mountinfo` and `/proc/filesystems` name it.
    pub fn of_type(fs_type: &str) -> Self {
        match fs_type {
            "autofs" => Self::Automount,
            "proc" | "sysfs" | "cgroup" | "cgroup2" | "debugfs" | "tracefs" | "securityfs" | "devpts" | "pstore"
            | "bpf" | "configfs" | "efivarfs" | "binfmt_misc" | "selinuxfs" | "smackfs" | "mqueue" | "fusectl"
            | "nsfs" | "hugetlbfs" | "rpc_pipefs" | "nfsd" | "resctrl" | "pipefs" | "sockfs" | "xenfs" => Self::Pseudo,
            "nfs" | "nfs4" | "cifs" | "smb3" | "smbfs" | "ncpfs" | "9p" | "virtiofs" | "ceph" | "afs" | "coda"
            | "lustre" | "beegfs" | "gpfs" | "glusterfs" | "gfs2" | "ocfs2" | "orangefs" | "vboxsf" | "vmhgfs"
            | "prl_fs" | "davfs" | "fuse" => Self::Network,
            // ntfs-3g and its kind: a program between us and a disk of this host. Containers have their root on fuse-overlayfs.
            "fuseblk" | "fuse.fuse-overlayfs" => Self::Local,
            other if other.starts_with("fuse.") => Self::Network,
            _ => Self::Local,
        }
    }

    /// The class and a name by the magic number of `statfs(2)`; none for local and unknown ones.
    pub fn of_magic(magic: u32) -> Option<(&'static str, Self)> {
        let pseudo = |name| Some((name, Self::Pseudo));
        let network = |name| Some((name, Self::Network));
        match magic {
            0x9fa0 => pseudo("proc"),
            0x6265_6572 => pseudo("sysfs"),
            0x6462_6720 => pseudo("debugfs"),
            0x7472_6163 => pseudo("tracefs"),
            0x7363_6673 => pseudo("securityfs"),
            0x1cd1 => pseudo("devpts"),
            0x0027_e0eb => pseudo("cgroup"),
            0x6367_7270 => pseudo("cgroup2"),
            0x6165_676c => pseudo("pstore"),
            0xcafe_4a11 => pseudo("bpf"),
            0x6265_6570 => pseudo("configfs"),
            0xde5e_81e4 => pseudo("efivarfs"),
            0x4249_4e4d => pseudo("binfmt_misc"),
            0xf97c_ff8c => pseudo("selinuxfs"),
            0x4341_5d53 => pseudo("smackfs"),
            0x1980_0202 => pseudo("mqueue"),
            0x6573_5543 => pseudo("fusectl"),
            0x6e73_6673 => pseudo("nsfs"),
            0x9584_58f6 => pseudo("hugetlbfs"),
            0x6759_6969 => pseudo("rpc_pipefs"),
            0x6e66_7364 => pseudo("nfsd"),
            0x0187 => Some(("autofs", Self::Automount)),
            0x6969 => network("nfs"),
            0xff53_4d42 => network("cifs"),
            0xfe53_4d42 => network("smb2"),
            0x517b => network("smb"),
            0x0102_1997 => network("9p"),
            0x00c3_6400 => network("ceph"),
            0x5346_414f | 0x6b41_4653 => network("afs"),
            0x7375_7245 => network("coda"),
            0x0bd0_0bd0 => network("lustre"),
            0x786f_4256 => network("vboxsf"),
            0x0116_1970 => network("gfs2"),
            0x7461_636f => network("ocfs2"),
            0x6573_5546 => network("fuse"),
            _ => None,
        }
    }
}

/// What is mounted in this process's view, in the order of mounting; nothing where `/proc` is not there.
pub fn mounts() -> Vec<Mount> {
    use std::io::Read as _;
    let mut text = Vec::new();
    let read = std::fs::File::open("/proc/self/mountinfo").and_then(|file| file.take(MAX_BYTES).read_to_end(&mut text));
    if read.is_err() {
        return Vec::new();
    }
    parse(&text)
}

/// Reads `mountinfo` (`proc_pid_mountinfo(5)`); lines that are none are passed over.
pub fn parse(text: &[u8]) -> Vec<Mount> {
    text.split(|&byte| byte == b'\n').filter_map(line).collect()
}

fn line(line: &[u8]) -> Option<Mount> {
    // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    let mut fields = line.split(|&byte| byte == b' ');
    let device = std::str::from_utf8(fields.nth(2)?).ok()?;
    let (major, minor) = device.split_once(':')?;
    let device = rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?);
    let root = unescape(fields.next()?);
    let path = unescape(fields.next()?);
    // The number of optional fields before the dash varies.
    fields.find(|field| *field == b"-")?;
    let fs_type = String::from_utf8_lossy(&unescape(fields.next()?)).into_owned();
    let source = unescape(fields.next().unwrap_or_default());
    let class = MountClass::of_type(&fs_type);
    Some(Mount { device, root, path, fs_type, source, class })
}

/// Undoes the kernel's `\ooo` for space, tab, newline, `#` and backslash.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|_| byte == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(value) = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            out.push(value);
            rest = tail.get(3..).unwrap_or_default();
        } else {
            out.push(byte);
            rest = tail;
        }
    }
    out
}

/// What the file system of an open directory is, where that is not this host's own.
///
/// # Errors
/// As `fstatfs(2)`.
pub fn foreign(directory: impl AsFd) -> io::Result<Option<(&'static str, MountClass)>> {
    #[allow(
        clippy::useless_conversion,
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        clippy::unnecessary_cast
    )]
    let magic = rustix::fs::fstatfs(directory)?.f_type as u32;
    Ok(MountClass::of_magic(magic))
}

/// Bytes that may still be written to the file system that `path` lies on, and bytes that it holds in all.
///
/// # Errors
/// As `statvfs(2)`.
pub fn space(path: &Path) -> io::Result<(u64, u64)> {
    let StatVfs { f_frsize, f_bavail, f_blocks, .. } = rustix::fs::statvfs(path)?;
    Ok((f_bavail.saturating_mul(f_frsize), f_blocks.saturating_mul(f_frsize)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::MountClass::{Automount, Local, Network, Pseudo};
    use super::*;

    const HOST: &[u8] = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
        23 22 0:21 / /proc rw,nosuid shared:12 - proc proc rw\n\
        40 22 0:44 / /mnt/back\\040up rw shared:20 master:3 - nfs4 filer:/vol/a\\134b rw,vers=4.2\n\
        41 22 8:1 /var/www /srv/www rw - ext4 /dev/sda1 rw\n\
        42 22 0:50 / /home rw - autofs systemd-1 rw\n\
        43 22 0:60 / /mnt/s rw - fuse.sshfs u@h:/ rw\n\
        broken line\n44 22 x:y / /z rw - ext4 a rw\n45 22 8:1 / /q rw";

    #[test]
    fn lines_with_any_number_of_optional_fields_and_escapes_are_read() {
        let mounts = parse(HOST);
        assert_eq!(mounts.len(), 6, "{mounts:?}");
        assert_eq!(
            (mounts[2].path.as_slice(), mounts[2].source.as_slice()),
            (&b"/mnt/back up"[..], &b"filer:/vol/a\\b"[..])
        );
        assert_eq!(mounts[3].root, b"/var/www");
        let classes: Vec<_> = mounts.iter().map(|mount| mount.class).collect();
        assert_eq!(classes, [Local, Pseudo, Network, Local, Automount, Network]);
    }

    #[test]
    fn roots_of_containers_and_of_every_usual_disk_are_local() {
        for fs_type in
            ["overlay", "btrfs", "zfs", "tmpfs", "xfs", "ext2", "ext3", "ext4", "f2fs", "squashfs", "bcachefs"]
        {
            assert_eq!(MountClass::of_type(fs_type), MountClass::Local, "{fs_type}");
        }
        for fs_type in ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "ceph", "9p", "afs", "glusterfs", "fuse.glusterfs"]
        {
            assert_eq!(MountClass::of_type(fs_type), MountClass::Network, "{fs_type}");
        }
        for magic in [0x794c_7630, 0x9123_683e, 0x2fc1_2fc1, 0x0102_1994, 0x5846_5342, 0xef53, 0xf2f5_2010] {
            assert_eq!(MountClass::of_magic(magic), None, "{magic:x}");
        }
    }

    #[test]
    fn the_machine_that_this_runs_on_has_a_root() {
        let mounts = mounts();
        assert!(mounts.is_empty() || mounts.iter().any(|mount| mount.path == b"/"), "{mounts:?}");
        let (free, whole) = space(Path::new("/")).unwrap();
        assert!(free <= whole && whole > 0);
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_it_panic(text: Vec<u8>) {
            parse(&text);
        }
    }
}
