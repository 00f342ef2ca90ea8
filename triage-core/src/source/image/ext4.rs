//! One ext2, ext3 or ext4 file system, read through the crate `ext4-view`.
//!
//! The crate's handle belongs to one thread, so that a thread of its own has it and answers questions. Where the crate panics on a
//! hostile file system, that one question is answered with an error and the file system is opened again.

use super::super::container::Backing;
use super::inode::{self, Inodes};
use crate::model::{FileKind, FileMeta, Mode, RawText, Timestamp};
use ext4_view::{Ext4, Ext4Error, Ext4Read, File, FileType, Metadata, Path};
use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;

/// Bytes that are read from a file at a time.
const CHUNK: usize = 1 << 20;
/// Most folders whose inode numbers are remembered.
const MAX_FOLDERS: usize = 100_000;
/// Most entries of one folder.
const MAX_NAMES: usize = 5_000_000;

/// Why a question has no answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is no such file.
    #[error("there is no such file")]
    Missing,
    /// The file system is broken, or is none that the crate reads.
    #[error("{0}")]
    Damaged(String),
}

impl From<Ext4Error> for Fault {
    fn from(error: Ext4Error) -> Self {
        match error {
            Ext4Error::NotFound | Ext4Error::NotADirectory => Self::Missing,
            error => Self::Damaged(error.to_string()),
        }
    }
}

type Answer<T> = Result<T, Fault>;
/// A name in a folder and what it is.
type Name = (Vec<u8>, Answer<FileMeta>);
type Question = Box<dyn FnOnce(&mut Volume) + Send>;

/// A file system that is open; clones share it.
#[derive(Clone)]
pub(super) struct FileSystem {
    ask: Arc<Mutex<Sender<Question>>>,
    /// What `UUID=` names in a file system table.
    pub(super) uuid: String,
    /// What `LABEL=` names.
    pub(super) label: String,
    /// Says that it was not unmounted: its journal holds changes that are not in place yet.
    pub(super) is_dirty: bool,
}

/// The thread's own: the handle, and the file that is being read.
struct Volume {
    backing: Backing,
    handle: Option<Ext4>,
    open: Option<(Vec<u8>, File)>,
    /// What the crate does not give; none where a journal has to be applied.
    inodes: Option<Inodes>,
    /// Inode numbers of folders by path.
    folders: HashMap<Vec<u8>, u32>,
}

/// Reads the image for the crate.
struct Bytes(Backing);

impl Ext4Read for Bytes {
    fn read(&mut self, start_byte: u64, dst: &mut [u8]) -> Result<(), Box<dyn Error + Send + Sync + 'static>> {
        Ok(self.0.fill(start_byte, dst)?)
    }
}

impl Volume {
    fn handle(&mut self) -> Answer<Ext4> {
        if self.handle.is_none() {
            self.handle = Some(Ext4::load(Box::new(Bytes(self.backing.clone())))?);
        }
        self.handle.clone().ok_or(Fault::Missing)
    }

    /// Answers, or says that the crate gave up.
    fn answer<T>(&mut self, question: impl FnOnce(&mut Self) -> Answer<T>) -> Answer<T> {
        let answer = catch_unwind(AssertUnwindSafe(|| question(self)));
        answer.unwrap_or_else(|_| {
            // What the crate left half-done is not used again.
            (self.handle, self.open) = (None, None);
            Err(Fault::Damaged("the file system made its reader fail".to_owned()))
        })
    }

    /// What is there, a link not followed; links on the way lead nowhere.
    fn look(&mut self, path: &[u8]) -> Answer<FileMeta> {
        let handle = self.handle()?;
        for (at, _) in path.iter().enumerate().skip(1).filter(|&(_, &byte)| byte == b'/') {
            let parent = place(path.get(..at).unwrap_or_default())?;
            if !handle.symlink_metadata(parent)?.is_dir() {
                return Err(Fault::Missing);
            }
        }
        let mut meta = self.look_here(path)?;
        if self.inodes.is_some() {
            let number = self.number_of(path);
            self.complete(&mut meta, number);
        }
        Ok(meta)
    }

    /// The inode number of an object, by the names of the folders on the way.
    fn number_of(&mut self, path: &[u8]) -> Option<u32> {
        if path == b"/" {
            return Some(inode::ROOT);
        }
        let inodes = self.inodes.as_ref()?;
        let mut number = inode::ROOT;
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            number = *inodes.names(&inodes.inode(number)?)?.get(name)?;
        }
        Some(number)
    }

    /// Adds what the inode table says.
    fn complete(&self, meta: &mut FileMeta, number: Option<u32>) {
        if let (Some(inodes), Some(number)) = (&self.inodes, number)
            && let Some(inode) = inodes.inode(number)
        {
            let _ = inodes.add(meta, &inode);
        }
    }

    /// As [`Volume::look`], for a path that was found by going down.
    fn look_here(&mut self, path: &[u8]) -> Answer<FileMeta> {
        let handle = self.handle()?;
        let at = place(path)?;
        let found = handle.symlink_metadata(at)?;
        let mut meta = meta_of(&found);
        if meta.kind == FileKind::Symlink {
            meta.link_target = Some(RawText::from(handle.read_link(at)?.as_ref().to_vec()));
        }
        Ok(meta)
    }

    /// The names in a folder, sorted, with what they are.
    fn list(&mut self, path: &[u8]) -> Answer<(Vec<Name>, Option<Fault>)> {
        let handle = self.handle()?;
        let mut names = Vec::new();
        let mut trouble = None;
        for entry in handle.read_dir(place(path)?)? {
            match entry {
                Ok(entry) => names.push(entry.file_name().as_ref().to_vec()),
                Err(error) => {
                    trouble = Some(Fault::from(error));
                    break;
                }
            }
            if names.len() > MAX_NAMES {
                trouble = Some(Fault::Damaged(format!("it has more than {MAX_NAMES} names")));
                break;
            }
        }
        names.retain(|name| {
            !matches!(name.as_slice(), b"" | b"." | b"..") && !name.contains(&0) && !name.contains(&b'/')
        });
        names.sort_unstable();
        names.dedup();
        let own = if path == b"/" { Some(inode::ROOT) } else { self.folders.get(path).copied() };
        let own = own.or_else(|| self.number_of(path));
        let numbers = self.inodes.as_ref().and_then(|inodes| inodes.names(&inodes.inode(own?)?)).unwrap_or_default();
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let mut child = if path == b"/" { Vec::new() } else { path.to_vec() };
            child.push(b'/');
            child.extend_from_slice(&name);
            let mut meta = self.look_here(&child);
            let number = numbers.get(&name).copied();
            if let Ok(meta) = &mut meta {
                self.complete(meta, number);
                if let Some(number) = number.filter(|_| meta.kind == FileKind::Directory) {
                    if self.folders.len() >= MAX_FOLDERS {
                        self.folders.clear();
                    }
                    self.folders.insert(child, number);
                }
            }
            found.push((name, meta));
        }
        Ok((found, trouble))
    }

    fn read(&mut self, path: &[u8], offset: u64) -> Answer<Vec<u8>> {
        let is_open = self.open.as_ref().is_some_and(|(open, file)| open == path && file.position() == offset);
        if !is_open {
            let mut file = self.handle()?.open(place(path)?)?;
            file.seek_to(offset)?;
            self.open = Some((path.to_vec(), file));
        }
        let Some((_, file)) = &mut self.open else { return Err(Fault::Missing) };
        let mut bytes = vec![0; CHUNK];
        let mut filled = 0;
        while let Some(window) = bytes.get_mut(filled..).filter(|window| !window.is_empty()) {
            match file.read_bytes(window)? {
                0 => break,
                read => filled += read,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}

fn place(path: &[u8]) -> Answer<Path<'_>> {
    Path::try_from(path).map_err(|error| Fault::Damaged(error.to_string()))
}

fn meta_of(found: &Metadata) -> FileMeta {
    let kind = match found.file_type() {
        FileType::Regular => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        FileType::Fifo => FileKind::Fifo,
        FileType::Socket => FileKind::Socket,
        FileType::BlockDevice => FileKind::BlockDevice,
        FileType::CharacterDevice => FileKind::CharDevice,
    };
    let time = |time: ext4_view::Timestamp| Timestamp::new(time.seconds(), time.nanoseconds());
    let mut meta = FileMeta::bare(kind, Mode::new(u32::from(found.mode())), found.len());
    (meta.uid, meta.gid) = (found.uid(), found.gid());
    (meta.mtime, meta.atime) = (Some(time(found.modified())), Some(time(found.accessed())));
    meta.btime = found.created().map(time);
    meta
}

impl FileSystem {
    /// Opens the file system of an image or partition.
    pub(super) fn open(backing: Backing) -> Answer<Self> {
        // `s_feature_incompat`: 4 says that the journal has to be applied.
        let is_dirty =
            backing.bytes_at(1024 + 0x60, 1).is_ok_and(|flags| flags.first().is_some_and(|flags| flags & 4 != 0));
        let (ask, questions) = channel::<Question>();
        std::thread::Builder::new()
            .name("ext4".to_owned())
            .spawn(move || serve(backing, is_dirty, &questions))
            .map_err(|error| Fault::Damaged(error.to_string()))?;
        let mut system = Self { ask: Arc::new(Mutex::new(ask)), uuid: String::new(), label: String::new(), is_dirty };
        (system.uuid, system.label) = system.question(|volume| {
            let handle = volume.handle()?;
            let label = handle.label().to_str().map(str::to_owned).unwrap_or_default();
            Ok((format!("{:?}", handle.uuid()), label))
        })?;
        Ok(system)
    }

    fn question<T: Send + 'static>(&self, ask: impl FnOnce(&mut Volume) -> Answer<T> + Send + 'static) -> Answer<T> {
        let (reply, answer) = sync_channel(1);
        let question: Question = Box::new(move |volume| {
            let answer = volume.answer(ask);
            let _ = reply.send(answer);
        });
        let gone = || Fault::Damaged("the reader of the file system stopped".to_owned());
        self.ask.lock().unwrap_or_else(PoisonError::into_inner).send(question).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }

    /// What is at a path, a link not followed.
    pub(super) fn look(&self, path: &[u8]) -> Answer<FileMeta> {
        let path = path.to_vec();
        self.question(move |volume| volume.look(&path))
    }

    /// What is in a folder, sorted by name; the second part says why that may not be all.
    pub(super) fn list(&self, path: &[u8]) -> Answer<(Vec<Name>, Option<Fault>)> {
        let path = path.to_vec();
        self.question(move |volume| volume.list(&path))
    }

    /// A reader of a file that was found by going down or by [`FileSystem::look`].
    pub(super) fn reader(&self, path: &[u8], size: u64) -> Content {
        Content { system: self.clone(), path: path.to_vec(), offset: 0, size, piece: io::Cursor::new(Vec::new()) }
    }
}

fn serve(backing: Backing, is_dirty: bool, questions: &Receiver<Question>) {
    let inodes = Inodes::open(&backing).filter(|_| !is_dirty);
    let mut volume = Volume { backing, handle: None, open: None, inodes, folders: HashMap::new() };
    while let Ok(question) = questions.recv() {
        question(&mut volume);
    }
}

/// The content of one file.
pub(super) struct Content {
    system: FileSystem,
    path: Vec<u8>,
    offset: u64,
    size: u64,
    piece: io::Cursor<Vec<u8>>,
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.piece.read(buffer)?;
        if read > 0 || buffer.is_empty() || self.offset >= self.size {
            return Ok(read);
        }
        let (path, offset) = (self.path.clone(), self.offset);
        let piece = self.system.question(move |volume| volume.read(&path, offset)).map_err(io::Error::other)?;
        if piece.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends before its size"));
        }
        self.offset += u64::try_from(piece.len()).unwrap_or(0);
        self.piece = io::Cursor::new(piece);
        self.piece.read(buffer)
    }
}

impl crate::source::Content for Content {}
