//! Hashing the contents of a folder by several threads. Each opens the files itself, beneath the folder and through no link.

use crate::model::{Digest, FileKind, Hasher};
use crate::sys::look;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

/// Threads at most: more would wait for the disk.
const MAX_THREADS: usize = 8;
/// Files that wait to be hashed.
const WAITING: usize = 256;
/// Bytes read at a time: what the second cache of a core holds, so that they are hashed out of it.
const CHUNK: usize = 128 << 10;

/// What became of one file.
pub(super) struct Hashed {
    pub(super) path: String,
    /// Its digest and its length.
    pub(super) result: io::Result<(Digest, u64)>,
}

/// The threads. They end when it is dropped.
pub(super) struct Pool {
    jobs: SyncSender<String>,
    done: Receiver<Hashed>,
    /// Files that were given and did not come back yet.
    under_way: usize,
}

impl Pool {
    pub(super) fn start<'scope>(scope: &'scope Scope<'scope, '_>, folder: &Path) -> io::Result<Self> {
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        let root: Arc<OwnedFd> = Arc::new(rustix::fs::open(folder, flags, rustix::fs::Mode::empty())?);
        let (jobs, queue) = sync_channel::<String>(WAITING);
        let (sender, done) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for _ in 0..cores.min(MAX_THREADS) {
            let (root, queue, sender) = (Arc::clone(&root), Arc::clone(&queue), sender.clone());
            scope.spawn(move || work(&root, &queue, &sender));
        }
        Ok(Self { jobs, done, under_way: 0 })
    }

    /// Gives a file to be hashed, by its path beneath the folder. Waits where many are waiting.
    pub(super) fn give(&mut self, path: String) {
        if self.jobs.send(path).is_ok() {
            self.under_way += 1;
        }
    }

    /// What is ready.
    pub(super) fn ready(&mut self) -> impl Iterator<Item = Hashed> {
        std::iter::from_fn(|| self.done.try_recv().ok().inspect(|_| self.under_way -= 1))
    }

    /// Waits for the next; none where nothing is under way.
    pub(super) fn next(&mut self) -> Option<Hashed> {
        if self.under_way == 0 {
            return None;
        }
        self.under_way -= 1;
        self.done.recv().ok()
    }
}

fn work(root: &OwnedFd, queue: &Mutex<Receiver<String>>, sender: &Sender<Hashed>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(path) = job else { return };
        let result = hash(root, &path, &mut buffer);
        // Nobody listens any more where the verification was stopped.
        if sender.send(Hashed { path, result }).is_err() {
            return;
        }
    }
}

fn hash(root: &OwnedFd, path: &str, buffer: &mut [u8]) -> io::Result<(Digest, u64)> {
    let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
    let folder = look::open_directory_beneath(root, folder.as_bytes())?;
    let mut file = File::from(look::open_file(folder, name.as_bytes())?);
    if FileKind::of_mode(rustix::fs::fstat(&file)?.st_mode) != FileKind::File {
        return Err(io::Error::other("it is not a regular file any more"));
    }
    let (mut hasher, mut length) = (Hasher::new(), 0_u64);
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok((hasher.finish(), length)),
            Ok(count) => {
                hasher.update(buffer.get(..count).unwrap_or_default());
                length += u64::try_from(count).unwrap_or(0);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
