//! Processes, one after the other, so that fifty thousand need no more memory than one.

use super::{Flow, Round, reason};
use crate::model::{
    BpfObject, Digest, EvidencePath, FileMeta, GapReason, Hasher, OpenFile, Process, RawText, Record, SocketOwner,
    Timestamp,
};
use crate::parse::procfs;
use crate::source::{Content, Entry, Observation, Opened};
use crate::sys::folder::Folder;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::ops::ControlFlow;

/// The most bytes of a command line that are kept.
const MAX_COMMAND_LINE: usize = 64 << 10;
const MAX_ENVIRONMENT: usize = 1 << 20;
const MAX_MAPS: usize = 16 << 20;
/// The most descriptors of one process that are looked at, and that are kept.
const MAX_DESCRIPTORS: usize = 1 << 20;
const KEPT_DESCRIPTORS: usize = 256;
/// The most sockets of all processes whose owners are kept.
const MAX_OWNERS: usize = 1 << 18;
/// The most owners of one socket that are kept.
const MAX_SHARED: usize = 64;
/// The most gaps that name one process each.
const MAX_LATE: u64 = 100;

/// What tells one program file from another: device, inode, size, time of change.
pub(super) type Identity = (Option<u64>, Option<u64>, u64, Option<Timestamp>);

/// What is read without the lock of the process's memory.
struct Outline {
    stat: procfs::Stat,
    process: Process,
    sockets: Vec<(u64, u32)>,
    bpf: Vec<(u32, BTreeMap<String, RawText>)>,
    network: Option<u64>,
    was_refused: bool,
}

/// What needs that lock.
struct Memory {
    command_line: io::Result<crate::sys::folder::Read>,
    environment: io::Result<crate::sys::folder::Read>,
    maps: io::Result<crate::sys::folder::Read>,
}

/// The namespaces of a process, by kind.
pub(super) fn namespaces(process: &Folder) -> BTreeMap<String, u64> {
    const KINDS: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
    let Ok(folder) = process.folder("ns") else { return BTreeMap::new() };
    let of = |kind: &&str| Some(((*kind).to_owned(), procfs::namespace_inode(folder.link(kind).ok()?.as_bytes())?));
    KINDS.iter().filter_map(of).collect()
}

/// When the kernel started, in seconds since 1970.
pub(super) fn boot_time(proc: &Folder) -> Option<i64> {
    let content = proc.read("stat", 1 << 20).ok()?.bytes;
    let line = content.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(b"btime "))?;
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

/// A process and those who started it, but for process 1, which is everybody's ancestor.
pub(super) fn ancestry(proc: &Folder, own: &Folder) -> BTreeSet<(u32, u64)> {
    let mut found = BTreeSet::new();
    // Without `self` this is no view of us.
    if proc.link("self").is_err() {
        return found;
    }
    let mut folder = Some(own.clone());
    while let Some(stat) = folder.take().and_then(|folder| procfs::stat(&folder.read("stat", 8192).ok()?.bytes)) {
        if stat.pid <= 1 || !found.insert((stat.pid, stat.start_ticks)) {
            break;
        }
        folder = proc.folder(stat.parent.to_string()).ok();
    }
    found
}

/// The numbers among the names of a listing.
pub(super) fn pids(names: &[Vec<u8>]) -> BTreeSet<u32> {
    let number = |name: &Vec<u8>| std::str::from_utf8(name).ok()?.parse().ok();
    names.iter().filter(|name| name.iter().all(u8::is_ascii_digit)).filter_map(number).collect()
}

impl Round<'_> {
    pub(super) fn processes(&mut self) -> Flow {
        let proc = self.proc.clone();
        match self.wait(move || proc.list()) {
            Ok(Ok(names)) => self.listed = pids(&names),
            Ok(Err(error)) => self.gap("/proc", reason(&error), error.to_string())?,
            Err(late) => self.gap("/proc", GapReason::LimitReached, late.to_string())?,
        }
        for pid in self.listed.clone() {
            self.process(pid)?;
        }
        ControlFlow::Continue(())
    }

    /// Reads one process; that it has ended meanwhile is no gap.
    pub(super) fn process(&mut self, pid: u32) -> Flow {
        let Ok(folder) = self.proc.folder(pid.to_string()) else { return ControlFlow::Continue(()) };
        let time = self.now();
        let at = folder.clone();
        let outline = match self.wait(move || outline(&at)) {
            Ok(Ok(outline)) => outline,
            Ok(Err(error)) if has_ended(&error) => return ControlFlow::Continue(()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.refused += 1;
                return ControlFlow::Continue(());
            }
            Ok(Err(error)) => return self.gap(&format!("/proc/{pid}"), reason(&error), error.to_string()),
            Err(late) => return self.late(pid, "stat", late),
        };
        let mut was_refused = outline.was_refused;
        let mut process = outline.process;
        process.time = Some(time);
        process.pid = pid;
        let ticks = i64::try_from(outline.stat.start_ticks).unwrap_or(i64::MAX);
        // Every Linux that this runs on shows 100 ticks a second to programs (`USER_HZ`).
        let nanoseconds = u32::try_from(ticks % 100).unwrap_or(0) * 10_000_000;
        process.start = self.boot.and_then(|boot| Some(Timestamp::new(boot.checked_add(ticks / 100)?, nanoseconds)));
        process.is_own = self.own_processes.contains(&(pid, outline.stat.start_ticks));
        process.user = process.uids.get(1).and_then(|uid| self.users.get(uid)).cloned();
        process.namespaces.retain(|kind, inode| self.base.get(kind) != Some(inode));
        self.parents.insert(process.parent);
        for (inode, descriptor) in &outline.sockets {
            if self.owners.len() < MAX_OWNERS || self.owners.contains_key(inode) {
                let owner = SocketOwner { pid, descriptor: *descriptor };
                let owners = self.owners.entry(*inode).or_default();
                // A daemon's children inherit its sockets by the thousand.
                if owners.len() < MAX_SHARED {
                    owners.push(owner);
                }
            }
        }
        if let Some(network) = outline.network
            && self.networks.len() < 128
        {
            self.networks.entry(network).or_insert_with(|| folder.clone());
        }
        let at = folder.clone();
        match self.wait(move || memory(&at)) {
            Ok(memory) => was_refused |= memory.into(&mut process),
            Err(late) => {
                process.is_cut = true;
                self.late(pid, "cmdline", late)?;
            }
        }
        if process.executable.is_some() {
            was_refused |= self.executable(&folder, &mut process)?;
        }
        self.refused += u64::from(was_refused);
        self.give(Record::Process(Box::new(process)))?;
        for (descriptor, properties) in outline.bpf {
            let place = RawText::from(format!("/proc/{pid}/fd/{descriptor}").as_str());
            self.give(Record::BpfObject(BpfObject { time, place, properties }))?;
        }
        ControlFlow::Continue(())
    }

    fn late(&mut self, pid: u32, what: &str, late: super::Late) -> Flow {
        self.late += 1;
        match self.late {
            late_ones if late_ones < MAX_LATE => {
                self.gap(&format!("/proc/{pid}/{what}"), GapReason::LimitReached, late.to_string())
            }
            MAX_LATE => self.gap("/proc", GapReason::LimitReached, "and more processes that did not answer"),
            _ => ControlFlow::Continue(()),
        }
    }

    /// Hashes what a process runs, and gives a copy of it where it has no name any more.
    fn executable(&mut self, folder: &Folder, process: &mut Process) -> ControlFlow<(), bool> {
        let at = format!("/proc/{}/exe", process.pid);
        let opened = folder.clone();
        let read = self.wait(move || opened.executable());
        let (mut file, meta) = match read {
            Ok(Ok(read)) => read,
            Ok(Err(error)) if has_ended(&error) => return ControlFlow::Continue(false),
            Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => return ControlFlow::Continue(true),
            Ok(Err(error)) => {
                self.gap(&at, reason(&error), error.to_string())?;
                return ControlFlow::Continue(false);
            }
            Err(late) => {
                self.late(process.pid, "exe", late)?;
                return ControlFlow::Continue(false);
            }
        };
        let identity = (meta.device, meta.inode, meta.size, meta.ctime);
        let cap = self.options.program_cap;
        if let Some(sha256) = self.digests.get(&identity) {
            process.sha256 = Some(*sha256);
        } else if meta.size > cap {
            self.gap(&at, GapReason::TooLarge, format!("{} bytes; neither hashed nor copied", meta.size))?;
        } else {
            let limit = self.options.command_time.max(self.options.patience);
            let hashed = self.patience.wait(limit, move || {
                let sha256 = digest(&mut file, cap)?;
                file.rewind()?;
                Ok::<_, io::Error>((file, sha256))
            });
            match hashed {
                Ok(Ok((read, sha256))) => {
                    file = read;
                    process.sha256 = Some(sha256);
                    self.digests.insert(identity, sha256);
                }
                Ok(Err(error)) => {
                    self.gap(&at, reason(&error), error.to_string())?;
                    return ControlFlow::Continue(false);
                }
                Err(late) => {
                    self.late(process.pid, "exe", late)?;
                    return ControlFlow::Continue(false);
                }
            }
        }
        // A file may be called `x (deleted)` and be there; one that has no link left is gone.
        if process.is_deleted && meta.links.is_some_and(|links| links > 0) {
            process.is_deleted = false;
            let mut name = process.executable.take().unwrap_or_default().as_bytes().to_vec();
            name.extend_from_slice(b" (deleted)");
            process.executable = Some(RawText::from(name));
        }
        if process.is_deleted && process.sha256.is_some() {
            self.copy(at, file, meta, process)?;
        }
        ControlFlow::Continue(false)
    }

    /// Gives the content of a program that has no name any more; once, however many processes run it.
    fn copy(&mut self, at: String, file: File, meta: FileMeta, process: &mut Process) -> Flow {
        let key = (meta.device.unwrap_or(0), meta.inode.unwrap_or(0));
        if let Some(copy) = self.copied.get(&key) {
            process.copy = Some(copy.clone());
            return ControlFlow::Continue(());
        }
        if self.copied_bytes.saturating_add(meta.size) > self.options.copies_cap {
            return self.gap(
                &at,
                GapReason::LimitReached,
                "deleted programs take more room than is given to their copies",
            );
        }
        let Ok(path) = EvidencePath::new(&at) else { return ControlFlow::Continue(()) };
        self.copied_bytes += meta.size;
        self.copied.insert(key, at.clone());
        process.copy = Some(at);
        let opened = Opened { meta: meta.clone(), reader: Box::new(Running(file)) };
        (self.sink)(Observation::File(Box::new(Entry { path, meta, content: Some(Box::new(move || Ok(opened))) })))
    }
}

/// A program that runs: nobody can write to it (`ETXTBSY`), so it does not change while it is read.
struct Running(File);

impl Read for Running {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Content for Running {}

fn digest(file: &mut File, cap: u64) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 128 << 10];
    let mut rest = file.take(cap.saturating_add(1));
    loop {
        match rest.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

/// A process that ends takes its folder with it: `ENOENT` for a name in it, `ESRCH` for a file that is open.
fn has_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

fn outline(folder: &Folder) -> io::Result<Outline> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "`stat` is not as the kernel writes it");
    let stat = procfs::stat(&folder.read("stat", 8192)?.bytes).ok_or_else(invalid)?;
    let status = procfs::status(&folder.read("status", 64 << 10)?.bytes);
    let mut was_refused = false;
    let mut link = |name: &str| match folder.link(name) {
        Ok(target) => Some(target),
        Err(error) => {
            was_refused |= error.kind() == io::ErrorKind::PermissionDenied;
            None
        }
    };
    let executable = link("exe").map(|target| procfs::link(target.as_bytes()));
    let (directory, root) = (link("cwd"), link("root").filter(|root| root.as_bytes() != b"/"));
    let login = folder.read("loginuid", 64).ok().map(|content| content.bytes);
    let login = login.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.trim().parse().ok());
    let process = Process {
        parent: stat.parent,
        start_ticks: stat.start_ticks,
        state: stat.state.to_string(),
        name: stat.name.clone(),
        is_deleted: executable.as_ref().is_some_and(|link| link.is_deleted),
        executable: executable.map(|link| link.target),
        directory,
        root,
        uids: status.uids,
        gids: status.gids,
        // The kernel's word for nobody.
        login_uid: login.filter(|&uid| uid != u32::MAX),
        group: stat.group,
        session: stat.session,
        terminal: stat.terminal.clone(),
        threads: stat.threads,
        tracer: (status.tracer != 0).then_some(status.tracer),
        privileges: status.privileges,
        control_group: folder.read("cgroup", 16 << 10).map(|read| procfs::cgroup(&read.bytes)).unwrap_or_default(),
        namespaces: namespaces(folder),
        ..Process::default()
    };
    let network = process.namespaces.get("net").copied();
    let mut outline = Outline { stat, process, sockets: Vec::new(), bpf: Vec::new(), network, was_refused };
    match descriptors(folder, &mut outline) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => outline.was_refused = true,
        _ => {}
    }
    Ok(outline)
}

fn descriptors(folder: &Folder, outline: &mut Outline) -> io::Result<()> {
    let links = folder.folder("fd")?;
    let details = folder.folder("fdinfo").ok();
    let numbers = pids(&links.list()?);
    outline.process.open_files = u64::try_from(numbers.len()).unwrap_or(u64::MAX);
    outline.process.is_cut |= numbers.len() > KEPT_DESCRIPTORS;
    for descriptor in numbers.into_iter().take(MAX_DESCRIPTORS) {
        let Ok(target) = links.link(descriptor.to_string()) else { continue };
        if let Some(inode) = procfs::socket_inode(target.as_bytes()) {
            outline.sockets.push((inode, descriptor));
        }
        let is_kept = outline.process.files.len() < KEPT_DESCRIPTORS;
        let is_bpf = target.as_bytes().starts_with(b"anon_inode:bpf");
        if !is_kept && !is_bpf {
            continue;
        }
        let info = details.as_ref().and_then(|details| details.read(descriptor.to_string(), 8192).ok());
        let info: BTreeMap<String, RawText> = info.map(|info| properties(&info.bytes)).unwrap_or_default();
        if is_kept {
            let flags = info.get("flags").map(ToString::to_string);
            let procfs::Link { target, is_deleted } = procfs::link(target.as_bytes());
            outline.process.files.push(OpenFile { descriptor, target, is_deleted, flags });
        }
        if is_bpf && outline.bpf.len() < KEPT_DESCRIPTORS {
            let is_common = |name: &str| matches!(name, "pos" | "flags" | "mnt_id" | "ino");
            outline.bpf.push((descriptor, info.into_iter().filter(|(name, _)| !is_common(name)).collect()));
        }
    }
    Ok(())
}

/// Lines of a name, a colon and a value.
fn properties(bytes: &[u8]) -> BTreeMap<String, RawText> {
    let line = |line: &[u8]| {
        let colon = line.iter().position(|&b| b == b':')?;
        let name = String::from_utf8(line.get(..colon)?.to_vec()).ok()?;
        Some((name, RawText::from(line.get(colon + 1..)?.trim_ascii())))
    };
    bytes.split(|&b| b == b'\n').filter_map(line).take(64).collect()
}

fn memory(folder: &Folder) -> Memory {
    Memory {
        command_line: folder.read("cmdline", MAX_COMMAND_LINE),
        environment: folder.read("environ", MAX_ENVIRONMENT),
        maps: folder.read("maps", MAX_MAPS),
    }
}

impl Memory {
    /// Adds it to a process, and says whether something was refused.
    fn into(self, process: &mut Process) -> bool {
        let mut was_refused = false;
        let mut of = |read: io::Result<crate::sys::folder::Read>| match read {
            Ok(read) => {
                process.is_cut |= read.is_cut;
                read.bytes
            }
            Err(error) => {
                was_refused |= error.kind() == io::ErrorKind::PermissionDenied;
                Vec::new()
            }
        };
        let (command_line, environment, maps) = (of(self.command_line), of(self.environment), of(self.maps));
        process.command_line = RawText::from(command_line);
        let (variables, is_cut) = procfs::environment(&environment);
        process.environment = variables;
        process.is_cut |= is_cut;
        let (maps, is_cut) = procfs::maps(&maps);
        process.maps = maps;
        process.is_cut |= is_cut;
        was_refused
    }
}
