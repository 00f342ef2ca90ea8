//! A server of the analyst's machine that serves a copy of a data folder to us alone.
//!
//! The copy is hostile: it can name libraries to load, statements to run and machines to speak with. So the server reads no configuration, takes
//! no connection from a network, loads no plugin and no function of a library (an empty folder for them, and no grant tables), runs no
//! event, and belongs to a user that owns nothing. It runs in a process group of its own that is killed when this value is dropped.

use rustix::process::{Pid, Signal, geteuid, kill_process_group};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `nobody` of every distribution.
const NOBODY: u32 = 65_534;

const STEP: Duration = Duration::from_millis(50);

/// How much of its log is told when it does not start, in bytes.
const LOG_END: i64 = 2000;

/// The longest path of a socket (`unix(7)`).
const MAX_SOCKET: usize = 100;

/// A folder that is removed with everything in it.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    owner: Option<u32>,
}

/// A server that runs.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    socket: PathBuf,
    // ORDER: dropped after the server has been killed.
    _scratch: Scratch,
}

impl Scratch {
    /// A folder of our own beneath `parent`, which nobody else may look into.
    pub(super) fn new(parent: &Path) -> io::Result<Self> {
        let owner = geteuid().is_root().then_some(NOBODY);
        for attempt in 0..100_u32 {
            let path = parent.join(format!(".triage-database-{}-{attempt}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    let scratch = Self { path, owner };
                    scratch.own(&scratch.path)?;
                    for name in ["data", "none", "tmp"] {
                        scratch.folder(Path::new(name))?;
                    }
                    return Ok(scratch);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no folder could be made for the copy"))
    }

    /// Makes a folder in it.
    pub(super) fn folder(&self, name: &Path) -> io::Result<()> {
        let path = self.path.join(name);
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.own(&path),
        }
    }

    /// Makes a file in it of no more than `most` bytes; gives how many it has.
    pub(super) fn file(&self, name: &Path, content: &mut dyn io::Read, most: u64) -> io::Result<u64> {
        let path = self.path.join(name);
        let mut file = File::create_new(&path)?;
        let written = io::copy(&mut content.take(most), &mut file)?;
        self.own(&path)?;
        Ok(written)
    }

    #[expect(clippy::disallowed_methods, reason = "files of our own, in a folder of our own")]
    fn own(&self, path: &Path) -> io::Result<()> {
        self.owner.map_or(Ok(()), |owner| std::os::unix::fs::chown(path, Some(owner), Some(owner)))
    }
}

impl Drop for Scratch {
    #[expect(clippy::disallowed_methods, reason = "the folder is our own")]
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The first of these programs that may be run: root's, and nobody else may change it.
pub(super) fn program(servers: &[PathBuf]) -> Option<PathBuf> {
    servers.iter().find_map(|path| {
        let real = fs::canonicalize(path).ok()?;
        let found = fs::metadata(&real).ok()?;
        (found.is_file() && found.uid() == 0 && found.mode() & 0o022 == 0 && found.mode() & 0o111 != 0).then_some(real)
    })
}

impl Server {
    /// Starts a server on the copy in `scratch/data`, and waits until somebody listens.
    ///
    /// # Errors
    /// What it wrote last, when it did not start: also with the repair of its storage engine that drops what was not finished.
    pub(super) fn start(program: &Path, scratch: Scratch, limit: Duration) -> Result<Self, String> {
        let socket = scratch.path.join("s");
        if socket.as_os_str().len() > MAX_SOCKET {
            return Err("the path of the folder for the copy is too long for a socket".to_owned());
        }
        let end = Instant::now() + limit;
        // A copy of a server that ran is repaired as after a loss of power; where its log cannot be used it is left out.
        for recovery in [0, 6] {
            let mut child = command(program, &scratch, &socket, recovery).spawn().map_err(|error| error.to_string())?;
            let is_up = loop {
                if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
                    break true;
                }
                if !matches!(child.try_wait(), Ok(None)) || Instant::now() >= end {
                    break false;
                }
                std::thread::sleep(STEP);
            };
            if is_up {
                return Ok(Self { child, socket, _scratch: scratch });
            }
            stop(&mut child);
            if Instant::now() >= end {
                break;
            }
        }
        Err(log_end(&scratch.path.join("log")).unwrap_or_else(|| "it did not start in time".to_owned()))
    }

    /// Where it listens.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// What it serves is a copy, so that nothing is lost when it is killed.
fn stop(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

fn command(program: &Path, scratch: &Scratch, socket: &Path, recovery: u8) -> Command {
    let at = |name: &str| scratch.path.join(name).display().to_string();
    #[expect(
        clippy::disallowed_methods,
        reason = "a program of the analyst's machine, never of the evidence; see the module's head"
    )]
    let mut command = Command::new(program);
    command
        .arg("--no-defaults")
        .arg(format!("--datadir={}", at("data")))
        .arg(format!("--tmpdir={}", at("tmp")))
        .arg(format!("--socket={}", socket.display()))
        .arg(format!("--pid-file={}", at("pid")))
        .arg(format!("--log-error={}", at("log")))
        .arg(format!("--plugin-dir={}", at("none")))
        .arg(format!("--secure-file-priv={}", at("none")))
        .args(["--skip-networking", "--skip-grant-tables", "--skip-name-resolve", "--local-infile=0"])
        .args(["--skip-slave-start", "--symbolic-links=0", "--max-connections=5", "--loose-event-scheduler=DISABLED"])
        .args(["--loose-skip-log-bin", "--loose-performance-schema=OFF", "--loose-mysqlx=OFF", "--loose-feedback=OFF"])
        .args([
            "--loose-innodb-buffer-pool-size=64M",
            "--loose-key-buffer-size=16M",
            "--loose-aria-pagecache-buffer-size=16M",
        ])
        .args(["--loose-myisam-recover-options=QUICK", "--loose-innodb-use-native-aio=0", "--loose-skip-stack-trace"])
        .args(["--loose-innodb-flush-log-at-trx-commit=0", "--loose-innodb-buffer-pool-load-at-startup=OFF"])
        .args(["--loose-innodb-buffer-pool-dump-at-shutdown=OFF", "--loose-skip-core-file"])
        .env_clear()
        .current_dir(&scratch.path)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if recovery > 0 {
        command.arg(format!("--loose-innodb-force-recovery={recovery}"));
    }
    if let Some(owner) = scratch.owner {
        command.uid(owner).gid(owner);
    }
    command
}

/// What a log ends with, in one line.
fn log_end(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let length = i64::try_from(file.metadata().ok()?.len()).ok()?;
    file.seek(SeekFrom::End(-length.min(LOG_END))).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let lines: Vec<String> = bytes
        .split(|&byte| byte == b'\n')
        .filter(|line| line.windows(7).any(|part| part == b"[ERROR]"))
        .map(crate::model::escape)
        .collect();
    let skipped = lines.len().saturating_sub(3);
    (!lines.is_empty()).then(|| lines.get(skipped..).unwrap_or_default().join("; "))
}
