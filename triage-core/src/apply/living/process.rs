//! Processes: found by what they run, held by a descriptor, and touched only while they are still who they were.

use super::{Remains, Vouches};
use crate::action::LiveState;
use crate::action::live::{ProcessId, ProcessSelector, RunningProcess};
use crate::model::{Digest, EvidencePath, Hasher};
use crate::parse::procfs;
use crate::sys::change::{self, ProcessHandle, ProcessSignal};
use crate::sys::folder::Folder;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const MAX_STAT: usize = 8 << 10;
const MAX_COMMAND_LINE: usize = 64 << 10;
const MAX_MAPS: u64 = 16 << 20;
/// The most bytes of a program that are kept of it.
const MAX_PROGRAM: u64 = 256 << 20;
/// How long a process may take to be gone or to stand still once it was told to.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);
/// How long nothing may have come back for it to be gone.
const SETTLE: Duration = Duration::from_millis(300);
/// How often what has come back meanwhile is ended, too.
const ROUNDS: u32 = 5;

/// Programs that hold the host and its calls up, wherever a distribution has them. A miner that calls itself `asterisk` lies elsewhere.
const PROTECTED: [(&str, &str); 9] = [
    ("init", "it is init"),
    ("systemd", "it is init"),
    ("asterisk", "calls run in it"),
    ("safe_asterisk", "it keeps Asterisk running"),
    ("mariadbd", "it is the database"),
    ("mysqld", "it is the database"),
    ("sshd", "logins run in it"),
    ("dbus-daemon", "services hang on it"),
    ("systemd-logind", "logins hang on it"),
];
const PLACES: [&[u8]; 7] =
    [b"/sbin", b"/bin", b"/usr/sbin", b"/usr/bin", b"/usr/libexec", b"/lib/systemd", b"/usr/lib/systemd"];
const INTERPRETERS: [&[u8]; 16] = [
    b"sh", b"bash", b"dash", b"ash", b"zsh", b"ksh", b"busybox", b"perl", b"node", b"nodejs", b"php", b"python",
    b"ruby", b"lua", b"env", b"setsid",
];

/// The processes that a selector means.
///
/// A file that was taken out of its place since has another name in `/proc`, so a program is known by its content, too: one of `programs`.
pub(super) fn matching(
    proc: &Path,
    which: &ProcessSelector,
    programs: &BTreeSet<Digest>,
    is_vouched: &Vouches,
) -> Result<LiveState, String> {
    let folder = Folder::open(proc).map_err(|error| format!("the processes cannot be listed: {error}"))?;
    let ours = ancestry(&folder);
    let mut running = Vec::new();
    for pid in pids(&folder)? {
        let Ok(process) = folder.folder(pid.to_string()) else { continue };
        // A process that ends meanwhile takes its folder with it.
        let Some((stat, program)) = identity(&process) else { continue };
        let arguments = process.read("cmdline", MAX_COMMAND_LINE).map(|read| read.bytes).unwrap_or_default();
        if !which.was_called(&arguments) || stat.state == 'Z' {
            continue;
        }
        let sha256 = digest(&process);
        let is_known = sha256.is_some_and(|sha256| programs.contains(&sha256));
        if which.program.as_bytes() != program && !is_known {
            continue;
        }
        let protected = guard(&stat, &program, sha256.as_ref(), &ours, is_vouched);
        running.push(of(&stat, sha256, protected));
    }
    Ok(LiveState::Processes { running })
}

/// Processes by their numbers, as far as they are still who they were.
pub(super) fn these(proc: &Path, ids: &[ProcessId]) -> Result<LiveState, String> {
    let folder = Folder::open(proc).map_err(|error| format!("the processes cannot be listed: {error}"))?;
    let one = |id: &ProcessId| {
        let process = folder.folder(id.pid.to_string()).ok()?;
        let (stat, _) = identity(&process)?;
        (stat.start_ticks == id.start_ticks).then(|| of(&stat, digest(&process), None))
    };
    Ok(LiveState::Processes { running: ids.iter().filter_map(one).collect() })
}

fn of(stat: &procfs::Stat, sha256: Option<Digest>, protected: Option<String>) -> RunningProcess {
    let id = ProcessId { pid: stat.pid, start_ticks: stat.start_ticks };
    RunningProcess { id, sha256, is_frozen: matches!(stat.state, 'T' | 't'), protected }
}

fn pids(folder: &Folder) -> Result<BTreeSet<u32>, String> {
    let names = folder.list().map_err(|error| format!("the processes cannot be listed: {error}"))?;
    Ok(names.iter().filter_map(|name| std::str::from_utf8(name).ok()?.parse().ok()).collect())
}

fn stat(process: &Folder) -> Option<procfs::Stat> {
    procfs::stat(&process.read("stat", MAX_STAT).ok()?.bytes)
}

/// What names a process, and what it runs without the kernel's ` (deleted)`.
fn identity(process: &Folder) -> Option<(procfs::Stat, Vec<u8>)> {
    let program = process.link("exe").ok()?;
    Some((stat(process)?, procfs::link(program.as_bytes()).target.as_bytes().to_vec()))
}

fn digest(process: &Folder) -> Option<Digest> {
    let (file, meta) = process.executable().ok()?;
    if meta.size > MAX_PROGRAM {
        return None;
    }
    let mut file = file.take(MAX_PROGRAM);
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(hasher.finish()),
            length => hasher.update(buffer.get(..length).unwrap_or_default()),
        }
    }
}

/// Ourselves and those who started us.
fn ancestry(folder: &Folder) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut next = folder.own();
    while let Some(stat) = next.take().and_then(|process| stat(&process)) {
        if !found.insert(stat.pid) || stat.pid <= 1 {
            break;
        }
        next = folder.folder(stat.parent.to_string()).ok();
    }
    found
}

/// Why a process is never touched.
fn guard(
    stat: &procfs::Stat,
    program: &[u8],
    sha256: Option<&Digest>,
    ours: &BTreeSet<u32>,
    is_vouched: &Vouches,
) -> Option<String> {
    if stat.pid <= 2 || stat.parent == 2 {
        return Some("it is init or the kernel's own".to_owned());
    }
    if ours.contains(&stat.pid) {
        return Some("we run in it".to_owned());
    }
    let at = program.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    let (place, name) = (program.get(..at).unwrap_or_default(), program.get(at + 1..).unwrap_or_default());
    if PLACES.contains(&place)
        && let Some((_, why)) = PROTECTED.iter().find(|(protected, _)| protected.as_bytes() == name)
    {
        return Some((*why).to_owned());
    }
    let version = name.iter().position(|byte| byte.is_ascii_digit() || *byte == b'.').unwrap_or(name.len());
    if INTERPRETERS.contains(&name.get(..version).unwrap_or(name)) {
        return None;
    }
    let path = EvidencePath::new(program).ok()?;
    is_vouched(&path, sha256?).then(|| "a package of this host has this very program".to_owned())
}

/// A copy of what runs, of its memory maps and of how it was called; of programs with one content only one.
pub(super) fn remains(proc: &Path, running: &[RunningProcess]) -> Vec<Remains> {
    let mut all: Vec<Remains> = Vec::new();
    let mut copied = BTreeSet::new();
    let Ok(folder) = Folder::open(proc) else { return all };
    for process in running {
        let pid = process.id.pid;
        let Ok(process_folder) = folder.folder(pid.to_string()) else { continue };
        if process.sha256.is_none_or(|sha256| copied.insert(sha256)) {
            let opened = process_folder.executable().map_err(|error| error.to_string());
            let content = opened.and_then(|(file, meta)| match meta.size {
                size if size > MAX_PROGRAM => Err(format!("it has {size} bytes")),
                _ => Ok(Box::new(file) as Box<dyn Read>),
            });
            all.push((format!("/proc/{pid}/exe"), content));
        }
        for name in ["maps", "cmdline", "environ"] {
            let content = process_folder.file(name).map(|file| Box::new(file.take(MAX_MAPS)) as Box<dyn Read>);
            all.push((format!("/proc/{pid}/{name}"), content.map_err(|error| error.to_string())));
        }
    }
    all
}

pub(super) fn freeze(proc: &Path, running: &[RunningProcess]) -> io::Result<()> {
    let wanted: Vec<&RunningProcess> = running.iter().filter(|process| !process.is_frozen).collect();
    for process in &wanted {
        signal(proc, process, ProcessSignal::Stop)?;
    }
    wait(|| {
        wanted.iter().all(|process| state_of(proc, process.id).is_none_or(|state| matches!(state, 'T' | 't' | 'Z')))
    });
    Ok(())
}

pub(super) fn thaw(proc: &Path, running: &[RunningProcess]) -> io::Result<()> {
    for process in running.iter().filter(|process| process.is_frozen) {
        signal(proc, process, ProcessSignal::Continue)?;
    }
    wait(|| running.iter().all(|process| state_of(proc, process.id).is_none_or(|state| !matches!(state, 'T' | 't'))));
    Ok(())
}

/// Ends processes, and those of the same program that have come in their place meanwhile.
pub(super) fn kill(
    proc: &Path,
    running: &[RunningProcess],
    again: &dyn Fn() -> io::Result<LiveState>,
) -> io::Result<Vec<String>> {
    let known: BTreeSet<Option<Digest>> = running.iter().map(|process| process.sha256).collect();
    let mut running = running.to_vec();
    let mut came_back = 0_usize;
    for _ in 0..ROUNDS {
        // All are stopped before the first is ended: one would start the other again.
        for process in &running {
            signal(proc, process, ProcessSignal::Stop)?;
        }
        for process in &running {
            signal(proc, process, ProcessSignal::Kill)?;
        }
        wait(|| running.iter().all(|process| state_of(proc, process.id).is_none_or(|state| state == 'Z')));
        let LiveState::Processes { running: mut now } = again()? else { break };
        if now.is_empty() {
            // A loop that starts it again takes a moment to notice.
            thread::sleep(SETTLE);
            let LiveState::Processes { running: later } = again()? else { break };
            now = later;
        }
        running = now;
        // What is not in the vault, and what nobody may touch, is left: the step says that something is there.
        running.retain(|process| known.contains(&process.sha256) && process.protected.is_none());
        if running.is_empty() {
            let note = format!("{came_back} came back meanwhile and were ended, too: something starts them");
            return Ok(if came_back == 0 { Vec::new() } else { vec![note] });
        }
        came_back += running.len();
    }
    Err(io::Error::other(format!(
        "{} of them came back {ROUNDS} times: what starts them has to go first",
        running.len()
    )))
}

/// Sends a signal to a process that is still who it was. One that has ended is as good.
fn signal(proc: &Path, process: &RunningProcess, signal: ProcessSignal) -> io::Result<()> {
    let Some(handle) = ProcessHandle::open(process.id.pid)? else { return Ok(()) };
    // RACE: the number may have gone to another process before the handle was opened; from here on it cannot.
    let folder = Folder::open(proc)?.folder(process.id.pid.to_string());
    let Some(found) = folder.ok().and_then(|folder| Some((stat(&folder)?.start_ticks, folder))) else { return Ok(()) };
    if found.0 != process.id.start_ticks {
        return Ok(());
    }
    if let (Some(seen), Some(now)) = (process.sha256, digest(&found.1))
        && seen != now
    {
        return Err(io::Error::other(format!("process {} runs another program by now", process.id.pid)));
    }
    change::signal(&handle, signal)
}

fn state_of(proc: &Path, id: ProcessId) -> Option<char> {
    let folder = Folder::open(proc).ok()?.folder(id.pid.to_string()).ok()?;
    stat(&folder).filter(|stat| stat.start_ticks == id.start_ticks).map(|stat| stat.state)
}

fn wait(is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() && begin.elapsed() < PATIENCE {
        thread::sleep(PAUSE);
    }
}
