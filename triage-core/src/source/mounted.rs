//! The mounts beneath a folder of this machine: which a walk goes into, and why not into the others.
//!
//! Decided by what `mountinfo` says, before the mount point is touched: looking at a dead server's hangs, and looking at an automount point
//! mounts. Network file systems are gone into when that was asked for, interfaces of the kernel and automount points never, and a folder that is
//! mounted a second time is read at its first place.

use super::reach::MountNote;
use super::selection::{Cursor, Selection};
use crate::model::{EvidencePath, RawText};
use crate::sys::look;
use crate::sys::mounts::{Mount, MountClass};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a network file system has to show its root before it is passed by.
const PATIENCE: Duration = Duration::from_secs(20);

/// The mounts beneath one folder.
#[derive(Default)]
pub(super) struct Mounted {
    /// The uppermost mount at each place.
    places: BTreeMap<EvidencePath, Place>,
    goes_to_network: bool,
    state: Mutex<State>,
}

struct Place {
    mount: Mount,
    /// Where the same folder was mounted before.
    origin: Option<EvidencePath>,
}

#[derive(Default)]
struct State {
    visited: BTreeSet<EvidencePath>,
    passed_by: BTreeMap<EvidencePath, String>,
    /// Devices whose reads may never come back.
    slow: BTreeSet<u64>,
}

impl Mounted {
    /// Those of `mounts`, in the order of mounting, that lie beneath `root`, a path without links.
    pub(super) fn beneath(root: &Path, mounts: Vec<Mount>) -> Self {
        let origins: Vec<_> = (0..mounts.len()).map(|at| origin(root, &mounts, at)).collect();
        let mut places = BTreeMap::new();
        for (mount, origin) in mounts.into_iter().zip(origins) {
            if let Some(path) = inside(root, &mount.path).filter(|path| !path.is_root()) {
                places.insert(path, Place { mount, origin });
            }
        }
        Self { places, ..Self::default() }
    }

    pub(super) fn go_to_network(&mut self, goes: bool) {
        self.goes_to_network = goes;
    }

    /// Says whether something is mounted at this very place.
    pub(super) fn is_mount(&self, path: &EvidencePath) -> bool {
        self.places.contains_key(path)
    }

    /// Why a walk must not touch this place; none where it may.
    pub(super) fn closed(&self, path: &EvidencePath) -> Option<String> {
        if self.places.is_empty() {
            return None;
        }
        let mount = &self.places.get(path)?.mount;
        let why = self.refusal(&mount.fs_type, mount.class)?;
        self.pass_by(path, &why);
        Some(why)
    }

    /// Why a file system is not gone into.
    fn refusal(&self, fs_type: &str, class: MountClass) -> Option<String> {
        match class {
            MountClass::Local => None,
            MountClass::Network if self.goes_to_network => None,
            MountClass::Network => Some(format!(
                "a {fs_type} file system is mounted here, which is not this host's (see `--network-mounts`)"
            )),
            MountClass::Pseudo => Some(format!("a {fs_type} file system is mounted here, an interface of the kernel")),
            MountClass::Automount => Some("an automount point, which was not triggered".to_owned()),
        }
    }

    /// Makes sure that a network file system answers at all before the walk itself depends on it. Gives why it is passed by.
    pub(super) fn does_not_answer(&self, directory: &Arc<OwnedFd>, name: &[u8], path: &EvidencePath) -> Option<String> {
        let mount = &self.places.get(path)?.mount;
        if mount.class != MountClass::Network {
            return None;
        }
        lock(&self.state).slow.insert(mount.device);
        let (sender, receiver) = sync_channel(1);
        let (directory, name) = (Arc::clone(directory), name.to_vec());
        let begun = std::thread::Builder::new().name("probe".to_owned()).spawn(move || {
            let listed = look::open_directory(&directory, &name).and_then(|mount| look::list(&mount)).map(|_| ());
            // A file can be mounted too; what the error is the walk will find out itself.
            let _ = sender.send(listed.is_ok());
        });
        let is_silent = begun.is_ok() && receiver.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
        is_silent.then(|| {
            let why = format!("the {} file system here did not answer within {} s", mount.fs_type, PATIENCE.as_secs());
            self.pass_by(path, &why);
            why
        })
    }

    /// Looks at a file system by its magic number, where the walk has got to it: for what `mountinfo` does not tell of. Gives why it is not
    /// gone into.
    ///
    /// # Errors
    /// As `fstatfs(2)`.
    pub(super) fn entered(
        &self,
        directory: &OwnedFd,
        path: &EvidencePath,
        device: Option<u64>,
    ) -> io::Result<Option<String>> {
        // `mountinfo` tells a root on fuse-overlayfs from an sshfs; the magic number does not.
        if !self.places.contains_key(path)
            && let Some((name, class)) = crate::sys::mounts::foreign(directory)?
        {
            if let Some(why) = self.refusal(name, class) {
                return Ok(Some(why));
            }
            lock(&self.state).slow.extend(device);
        }
        lock(&self.state).visited.insert(path.clone());
        Ok(None)
    }

    /// Where else the folder that is mounted here is read with the same patterns, so that reading it here too would add nothing.
    pub(super) fn read_elsewhere(
        &self,
        root: &OwnedFd,
        selection: &Selection,
        path: &EvidencePath,
        cursor: &Cursor<'_>,
        inode: Option<super::Inode>,
    ) -> Option<EvidencePath> {
        let origin = self.places.get(path)?.origin.as_ref()?;
        let there = origin.components().fold(selection.cursor(), |cursor, name| cursor.enter(name));
        if !there.covers(cursor) {
            return None;
        }
        let directory = look::open_directory_beneath(root, origin.relative()).ok()?;
        let found = look::stat_open_briefly(directory).ok()?;
        if inode.is_none() || found.device.zip(found.inode) != inode {
            return None;
        }
        self.pass_by(path, &format!("is the same folder as `{origin}`, where it is read"));
        Some(origin.clone())
    }

    /// Says whether reads from this device may never come back.
    pub(super) fn is_slow(&self, device: Option<u64>) -> bool {
        device.is_some_and(|device| lock(&self.state).slow.contains(&device))
    }

    /// Notes that the evidence's own root lies on such a device.
    pub(super) fn mind_root(&self, root: &OwnedFd) {
        if let Ok(Some((_, MountClass::Network))) = crate::sys::mounts::foreign(root) {
            lock(&self.state).slow.extend(look::stat_open_briefly(root).ok().and_then(|meta| meta.device));
        }
    }

    fn pass_by(&self, path: &EvidencePath, why: &str) {
        lock(&self.state).passed_by.entry(path.clone()).or_insert_with(|| why.to_owned());
    }

    /// Every mount, and what became of it.
    pub(super) fn notes(&self) -> Vec<MountNote> {
        let state = lock(&self.state);
        let note = |(path, place): (&EvidencePath, &Place)| {
            let passed_by = state.passed_by.get(path).cloned();
            let is_visited = passed_by.is_none() && state.visited.contains(path);
            let why = passed_by.or_else(|| (!is_visited).then(|| "nothing in it was asked for".to_owned()));
            let mount = &place.mount;
            MountNote {
                path: path.clone(),
                fs_type: crate::model::escape(mount.fs_type.as_bytes()),
                source: RawText::from(mount.source.clone()),
                is_visited,
                why,
            }
        };
        self.places.iter().map(note).collect()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A path of this machine as one of the evidence beneath `root`.
fn inside(root: &Path, path: &[u8]) -> Option<EvidencePath> {
    let relative = Path::new(std::ffi::OsStr::from_bytes(path)).strip_prefix(root).ok()?;
    EvidencePath::new(relative.as_os_str().as_bytes()).ok()
}

/// Where the folder that the mount at `at` shows could be reached before it was mounted.
fn origin(root: &Path, mounts: &[Mount], at: usize) -> Option<EvidencePath> {
    let mount = mounts.get(at)?;
    let earlier = mounts.get(..at)?.iter().filter(|earlier| earlier.device == mount.device);
    let places = earlier.filter_map(|earlier| {
        let below = match earlier.root.as_slice() {
            b"/" => mount.root.as_slice(),
            folder => mount.root.strip_prefix(folder).filter(|rest| rest.is_empty() || rest.starts_with(b"/"))?,
        };
        let mut path = earlier.path.strip_suffix(b"/").unwrap_or(&earlier.path).to_vec();
        path.extend_from_slice(below.strip_suffix(b"/").unwrap_or(below));
        // A mount at the same place hides the earlier one.
        (path != mount.path).then(|| inside(root, if path.is_empty() { b"/" } else { &path }))?
    });
    { places }.next()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sys::mounts;

    fn path(text: &str) -> EvidencePath {
        EvidencePath::new(text).unwrap()
    }

    fn mounted() -> Mounted {
        let text = b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
            2 1 8:2 / /var rw - xfs /dev/sda2 rw\n\
            3 1 8:2 /www /srv/web rw - xfs /dev/sda2 rw\n\
            4 1 0:9 / /mnt/nfs rw - nfs4 filer:/a rw\n\
            5 1 0:8 / /proc rw - proc proc rw\n\
            6 1 0:7 / /home rw - autofs systemd-1 rw\n\
            7 1 0:6 / /net rw - autofs systemd-1 rw\n\
            8 1 0:5 / /net rw - nfs filer:/b rw\n\
            9 1 0:4 / /lib/overlay rw - overlay overlay rw\n";
        Mounted::beneath(Path::new("/"), mounts::parse(text))
    }

    #[test]
    fn what_is_not_this_hosts_own_is_closed_before_it_is_touched() {
        let mut mounted = mounted();
        for (place, word) in [("/mnt/nfs", "nfs4"), ("/proc", "kernel"), ("/home", "automount"), ("/net", "nfs")] {
            assert!(mounted.closed(&path(place)).unwrap().contains(word), "{place}");
        }
        for place in ["/var", "/lib/overlay", "/mnt", "/srv/web"] {
            assert_eq!(mounted.closed(&path(place)), None, "{place}");
        }
        mounted.go_to_network(true);
        assert_eq!(mounted.closed(&path("/mnt/nfs")), None);
        assert!(mounted.closed(&path("/proc")).is_some(), "the kernel's are never walked");
        let notes = mounted.notes();
        assert_eq!(notes.len(), 7, "{notes:?}");
        assert!(notes.iter().all(|note| !note.is_visited && note.why.is_some()));
    }

    #[test]
    fn a_second_mount_of_a_folder_has_the_first_place_for_its_origin() {
        let mounted = mounted();
        let origin = |place: &str| mounted.places.get(&path(place)).unwrap().origin.clone();
        assert_eq!(origin("/srv/web"), Some(path("/var/www")));
        assert_eq!(origin("/var"), None);
        assert_eq!(origin("/mnt/nfs"), None);
    }

    #[test]
    fn mounts_are_seen_from_the_evidences_own_root() {
        let text = b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /mnt/image rw - ext4 /dev/loop0 rw\n\
            3 2 0:9 / /mnt/image/proc rw - proc proc rw\n4 1 0:9 / /mnt/imagery rw - proc proc rw\n";
        let mounted = Mounted::beneath(Path::new("/mnt/image"), mounts::parse(text));
        assert!(mounted.closed(&path("/proc")).is_some());
        assert_eq!(mounted.places.len(), 1);
    }
}
