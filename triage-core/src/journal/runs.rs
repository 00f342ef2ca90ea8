//! The state folder and the runs in it.

use super::chain;
use super::event::{Consent, Event, Evidence, RunId, RunStarted};
use super::{Journal, JournalError, Run, Vault};
use crate::model::{Digest, Timestamp, escape};
use crate::plan::Plan;
use crate::sys::{change, look};
use rustix::fs::{CWD, Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often, and after what pause, a lock that somebody has is asked for again.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(30);

const RUNS: &[u8] = b"runs";
const LOCK: &[u8] = b"lock";
pub(super) const PLAN: &[u8] = b"plan.json";
pub(super) const JOURNAL: &[u8] = b"journal.jsonl";
const VAULT: &[u8] = b"vault";

/// The state folder.
#[derive(Debug)]
pub struct Runs {
    dir: OwnedFd,
    list: OwnedFd,
    label: String,
}

/// The right to change hosts with this state folder: one process at a time has it, until the value and every [`Journal`] opened
/// with it are gone. The kernel gives it back when the process dies.
#[derive(Debug)]
pub struct Lock {
    file: OwnedFd,
}

/// Closing the file would do, but for a program that some thread is just starting: until it runs it has all our open files, and the lock with them.
impl Drop for Lock {
    fn drop(&mut self) {
        let _ = change::unlock(&self.file);
    }
}

#[derive(Serialize, Deserialize)]
struct Holder {
    pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<RunId>,
}

impl Runs {
    /// Opens the state folder; makes it, 0700, and the folders above it where they are missing.
    ///
    /// # Errors
    /// [`JournalError::NotPrivate`] when it is a link, belongs to another user, or others may enter it.
    pub fn create(path: &Path) -> Result<Self, JournalError> {
        let label = escape(path.as_os_str().as_bytes());
        let failed = |source| JournalError::Io { doing: "making the state folder", what: label.clone(), source };
        let mut missing: Vec<&Path> = Vec::new();
        for folder in path.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
            match rustix::fs::stat(folder) {
                Ok(_) => break,
                Err(rustix::io::Errno::NOENT) => missing.push(folder),
                Err(error) => return Err(failed(error.into())),
            }
        }
        for folder in missing.into_iter().rev() {
            let mode = if folder == path { 0o700 } else { 0o755 };
            match change::make_directory(CWD, folder.as_os_str().as_bytes(), mode) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
                _ => {}
            }
            // ORDER: a state folder that is not on the device takes every original with it when the power goes.
            let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let above = rustix::fs::open(above, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
            above.map_err(io::Error::from).and_then(change::sync).map_err(failed)?;
        }
        let dir = open_private(path, &label)?;
        match change::make_directory(&dir, RUNS, 0o700) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        change::sync(&dir).map_err(failed)?;
        Self::of(dir, label)
    }

    /// Opens the state folder for looking; `None` where there is none, because nothing was ever applied.
    ///
    /// # Errors
    /// As [`Runs::create`].
    pub fn open(path: &Path) -> Result<Option<Self>, JournalError> {
        let label = escape(path.as_os_str().as_bytes());
        if matches!(rustix::fs::lstat(path), Err(rustix::io::Errno::NOENT)) {
            return Ok(None);
        }
        let dir = open_private(path, &label)?;
        match look::stat_at(&dir, RUNS) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => Self::of(dir, label).map(Some),
        }
    }

    fn of(dir: OwnedFd, label: String) -> Result<Self, JournalError> {
        let list = look::open_directory(&dir, RUNS).map_err(JournalError::io("opening", format!("{label}/runs")))?;
        Ok(Self { dir, list, label })
    }

    /// Device and inode of the state folder: what collection and scan leave out, and what no step may touch.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn inode(&self) -> Result<(u64, u64), JournalError> {
        let failed = JournalError::io("looking at", self.label.clone());
        let meta = look::stat_open_briefly(&self.dir).map_err(failed)?;
        Ok((meta.device.unwrap_or_default(), meta.inode.unwrap_or_default()))
    }

    /// What a person calls the state folder.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Takes the right to change hosts.
    ///
    /// # Errors
    /// [`JournalError::Locked`], with the run and process that has it.
    pub fn lock(&self) -> Result<Arc<Lock>, JournalError> {
        let failed = |source| JournalError::Io { doing: "locking", what: self.label.clone(), source };
        let file = change::open_append(&self.dir, LOCK, 0o600).map_err(failed)?;
        let mut is_ours = change::try_lock(&file).map_err(failed)?;
        for _ in 0..ATTEMPTS {
            if is_ours {
                break;
            }
            // Somebody who lists the runs has it for a moment, to see whether it is free.
            std::thread::sleep(PAUSE);
            is_ours = change::try_lock(&file).map_err(failed)?;
        }
        if !is_ours {
            let holder = match self.holder() {
                Some(Holder { pid, run: Some(run) }) => format!("run {run}, process {pid}"),
                Some(Holder { pid, run: None }) => format!("process {pid}"),
                None => "another process".to_owned(),
            };
            return Err(JournalError::Locked { what: self.label.clone(), holder });
        }
        let lock = Lock { file };
        lock.say(None).map_err(failed)?;
        Ok(Arc::new(lock))
    }

    fn holder(&self) -> Option<Holder> {
        let file = look::open_file(&self.dir, LOCK).ok()?;
        let mut text = String::new();
        File::from(file).take(4096).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The run that some process is working on now.
    fn busy(&self) -> Option<RunId> {
        let file = look::open_file(&self.dir, LOCK).ok()?;
        if !change::try_lock(&file).ok()? {
            return self.holder()?.run;
        }
        // Got only to see that it is free.
        let _ = change::unlock(&file);
        None
    }

    /// Begins a run: its folder, its copy of the plan, an empty vault and a journal with its first line. The folder appears whole or
    /// not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(&self, lock: &Arc<Lock>, plan: &Plan, now: Timestamp, start: Start) -> Result<Journal, JournalError> {
        let failed = |source| JournalError::Io { doing: "beginning a run in", what: self.label.clone(), source };
        let token = random_token().map_err(failed)?;
        let run = RunId::new(&now.compact(), token.get(..6).unwrap_or_default());
        let hidden = format!(".{run}");
        change::make_directory(&self.list, hidden.as_bytes(), 0o700).map_err(failed)?;
        let dir = look::open_directory(&self.list, hidden.as_bytes()).map_err(failed)?;
        change::make_directory(&dir, VAULT, 0o700).map_err(failed)?;
        let copy = change::create_new(&dir, PLAN, 0o600).map_err(failed)?;
        let json = plan.to_json();
        change::write_all(&copy, json.as_bytes()).map_err(failed)?;
        change::sync(&copy).map_err(failed)?;
        let file = change::create_new(&dir, JOURNAL, 0o600).map_err(failed)?;
        let what = format!("{}/runs/{run}", self.label);
        let vault = open_vault(&dir, &what)?;
        let chain = Journal::empty();
        let mut journal =
            Journal::new(run.clone(), format!("{what}/journal.jsonl"), file, &chain, vault, Arc::clone(lock));
        let started = RunStarted {
            format_version: chain::FORMAT_VERSION,
            run: run.clone(),
            tool: start.tool,
            plan: Digest::of(json.as_bytes()),
            host: plan.host.clone(),
            root: start.root,
            evidence: start.evidence,
            consent: start.consent,
            rollback_of: start.rollback_of,
            token,
        };
        journal.append(now, Event::RunStarted(Box::new(started)))?;
        change::sync(&dir).map_err(failed)?;
        change::settle(&self.list, hidden.as_bytes(), run.as_str().as_bytes()).map_err(failed)?;
        change::sync(&self.list).map_err(failed)?;
        lock.say(Some(&run)).map_err(failed)?;
        Ok(journal)
    }

    /// Opens a run's journal for more lines. Half a line that a crash left at its end is kept in a file of its own, `torn-<offset>`,
    /// and cut off.
    ///
    /// # Errors
    /// As [`Runs::run`], and when it cannot be written.
    pub fn reopen(&self, lock: &Arc<Lock>, id: &RunId) -> Result<(Journal, Run), JournalError> {
        let (run, dir) = self.load(id)?;
        let what = format!("{}/runs/{id}", self.label);
        let failed = |source| JournalError::Io { doing: "opening the journal of", what: what.clone(), source };
        let file = change::open_append(&dir, JOURNAL, 0o600).map_err(failed)?;
        if let Some(torn) = &run.chain.torn {
            let name = format!("torn-{}", torn.offset);
            match change::create_new(&dir, name.as_bytes(), 0o600) {
                Ok(kept) => {
                    change::write_all(&kept, &torn.bytes).map_err(failed)?;
                    change::sync(&kept).map_err(failed)?;
                    change::sync(&dir).map_err(failed)?;
                }
                // A crash after the copy and before the cut.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
            change::truncate(&file, torn.offset).map_err(failed)?;
            change::sync(&file).map_err(failed)?;
        }
        let vault = open_vault(&dir, &what)?;
        let journal =
            Journal::new(id.clone(), format!("{what}/journal.jsonl"), file, &run.chain, vault, Arc::clone(lock));
        lock.say(Some(id)).map_err(failed)?;
        Ok((journal, run))
    }

    /// Reads one run. Its chain and the digest of its plan are checked.
    ///
    /// # Errors
    /// [`JournalError::UnknownRun`], or [`JournalError::Damaged`] where somebody altered it.
    pub fn run(&self, id: &RunId) -> Result<Run, JournalError> {
        self.load(id).map(|(run, _)| run)
    }

    fn load(&self, id: &RunId) -> Result<(Run, OwnedFd), JournalError> {
        let what = format!("{}/runs/{id}", self.label);
        let dir = match look::open_directory(&self.list, id.as_str().as_bytes()) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(JournalError::UnknownRun(id.to_string()));
            }
            Err(error) => return Err(JournalError::io("opening", what)(error)),
        };
        let is_busy = self.busy().as_ref() == Some(id);
        let run = Run::read(&dir, &what, is_busy)?;
        if run.id() != id {
            let detail = format!("its journal is that of run {}", run.id());
            return Err(JournalError::Damaged { what, detail });
        }
        Ok((run, dir))
    }

    /// The names of all runs, oldest first.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn names(&self) -> Result<Vec<RunId>, JournalError> {
        let names =
            look::list(look::open_directory(&self.list, b".").map_err(JournalError::io("opening", &*self.label))?)
                .map_err(JournalError::io("listing", self.label.clone()))?;
        // What does not parse is hidden: a run that was never begun.
        Ok(names.iter().filter_map(|name| std::str::from_utf8(name).ok()?.parse().ok()).collect())
    }

    /// All runs, oldest first. One that is damaged does not hide the others.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn list(&self) -> Result<Vec<Listed>, JournalError> {
        Ok(self.names()?.into_iter().map(|id| (id.clone(), self.run(&id))).collect())
    }

    /// The run that a person means: `last`, a name, or the beginning of exactly one name.
    ///
    /// # Errors
    /// [`JournalError::UnknownRun`] when there is none, [`JournalError::AmbiguousRun`] when there is more than one.
    pub fn find(&self, word: &str) -> Result<RunId, JournalError> {
        let names = self.names()?;
        let unknown = || JournalError::UnknownRun(escape(word.as_bytes()));
        if word == "last" {
            return names.into_iter().next_back().ok_or_else(unknown);
        }
        if let Some(exact) = names.iter().find(|id| id.as_str() == word) {
            return Ok(exact.clone());
        }
        let is_meant = |id: &RunId| !word.is_empty() && id.as_str().starts_with(word);
        let mut matching: Vec<RunId> = names.into_iter().filter(is_meant).collect();
        match (matching.pop(), matching.len()) {
            (Some(only), 0) => Ok(only),
            (Some(_), others) => Err(JournalError::AmbiguousRun { word: escape(word.as_bytes()), count: others + 1 }),
            (None, _) => Err(unknown()),
        }
    }
}

/// A run's name, and the run where it can be read.
pub type Listed = (RunId, Result<Run, JournalError>);

/// What a run begins with, beside its plan.
#[derive(Clone, Debug)]
pub struct Start {
    /// `triage` and its version.
    pub tool: String,
    /// The root of the target, escaped.
    pub root: String,
    /// What keeps the evidence.
    pub evidence: Evidence,
    /// What was agreed to.
    pub consent: Consent,
    /// For a rollback, the run that it undoes.
    pub rollback_of: Option<RunId>,
}

impl Lock {
    fn say(&self, run: Option<&RunId>) -> io::Result<()> {
        let holder = Holder { pid: std::process::id(), run: run.cloned() };
        change::truncate(&self.file, 0)?;
        change::write_all(&self.file, &serde_json::to_vec(&holder)?)
    }
}

fn open_private(path: &Path, label: &str) -> Result<OwnedFd, JournalError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let refused = |detail: &str| JournalError::NotPrivate { what: label.to_owned(), detail: detail.to_owned() };
    let dir = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(dir) => dir,
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) => return Err(refused("is a link or no folder")),
        Err(error) => return Err(JournalError::io("opening", label)(error.into())),
    };
    let meta = look::stat_open_briefly(&dir).map_err(JournalError::io("looking at", label))?;
    if meta.uid != rustix::process::geteuid().as_raw() {
        return Err(refused("belongs to another user"));
    }
    if meta.mode.bits() & 0o077 != 0 {
        return Err(refused("is open to other users; `chmod 700` it when you trust what is in it"));
    }
    Ok(dir)
}

pub(super) fn open_vault(dir: &OwnedFd, what: &str) -> Result<Vault, JournalError> {
    let what = format!("{what}/vault");
    let vault = look::open_directory(dir, VAULT).map_err(JournalError::io("opening", &*what))?;
    Ok(Vault::new(vault, what))
}

fn random_token() -> io::Result<String> {
    let file = rustix::fs::open("/dev/urandom", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = [0; 8];
    File::from(file).read_exact(&mut bytes)?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}
