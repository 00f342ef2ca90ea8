//! Starting a program of the host, and waiting for it no longer than asked.
//!
//! It gets its arguments as they are, never through a shell, an environment that the caller names, and a process group of its own
//! that is killed when the time is up; what it writes has a cap. Only a program that root owns and nobody else may change is started. It can
//! be the intruder's all the same, so its digest is told with what it said.

use super::look;
use crate::model::{Digest, Hasher, RawText};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The most bytes of output that are kept.
pub(crate) const MAX_OUTPUT: u64 = 16 << 20;
const MAX_ERRORS: u64 = 64 << 10;
/// How long the output may take to arrive once the program has ended.
const DRAIN: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(10);

/// One call of a program.
pub(crate) struct Call<'a> {
    /// The name that it is called by: for some programs that says what they do.
    pub(crate) place: &'a Path,
    /// The file behind that name.
    pub(crate) file: &'a Path,
    /// What it is told.
    pub(crate) arguments: &'a [RawText],
    /// All that it finds in its environment.
    pub(crate) environment: &'a [(&'a str, &'a str)],
    /// What it reads; nothing where this is empty.
    pub(crate) input: &'a [u8],
    /// How long it may take.
    pub(crate) limit: Duration,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// SHA-256 of the program's file before it was started.
    pub(crate) sha256: Digest,
    /// What it gave back; none where a signal ended it.
    pub(crate) exit_code: Option<i32>,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: Vec<u8>,
    /// Why it did not come to its own end, or its output not to us.
    pub(crate) stopped: Option<String>,
}

impl Ended {
    /// Says whether it came to its end and found that all went well.
    pub(crate) fn is_good(&self) -> bool {
        self.exit_code == Some(0) && self.stopped.is_none()
    }

    /// Why it was not good, in one line.
    pub(crate) fn trouble(&self) -> String {
        let said = [&self.errors, &self.output].into_iter().find(|text| !text.trim_ascii().is_empty());
        let line = said.and_then(|text| text.trim_ascii().split(|&byte| byte == b'\n').next_back());
        let line = line.map(|line| format!(": {}", crate::model::escape(line))).unwrap_or_default();
        match (&self.stopped, self.exit_code) {
            (Some(why), _) => format!("{why}{line}"),
            (None, Some(code)) => format!("it ended with {code}{line}"),
            (None, None) => format!("a signal ended it{line}"),
        }
    }
}

/// SHA-256 of a program that may be started.
///
/// # Errors
/// When it cannot be read, is no regular file, or is not root's alone.
pub(crate) fn trusted(file: &Path) -> io::Result<Digest> {
    let mut file = File::open(file)?;
    let meta = look::stat_open_briefly(&file)?;
    if !meta.is_file() || meta.uid != 0 || meta.mode.bits() & 0o022 != 0 {
        return Err(io::Error::other("it is not root's alone"));
    }
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(buffer.get(..length).unwrap_or_default()),
        }
    }
}

/// Runs a program to its end, or to that of its time.
///
/// # Errors
/// When it may not be started or cannot be. That it ends badly is no error: see [`Ended`].
pub(crate) fn run(call: &Call<'_>) -> io::Result<Ended> {
    let sha256 = trusted(call.file)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where programs of the host are run; see the module's head"
    )]
    let mut command = Command::new(call.place);
    command.args(call.arguments.iter().map(|argument| OsStr::from_bytes(argument.as_bytes())));
    command.env_clear().envs(call.environment.iter().copied()).current_dir("/").process_group(0);
    let input = if call.input.is_empty() { Stdio::null() } else { Stdio::piped() };
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let output = drain(child.stdout.take(), MAX_OUTPUT);
    let errors = drain(child.stderr.take(), MAX_ERRORS);
    if let Some(mut pipe) = child.stdin.take() {
        let input = call.input.to_vec();
        // One that does not read must not keep us; what it did not take, it says itself.
        let _ = thread::Builder::new().name("triage-pipe".to_owned()).spawn(move || pipe.write_all(&input));
    }
    let begin = Instant::now();
    let mut stopped = None;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if begin.elapsed() > call.limit {
            stopped = Some(format!("it was ended after {:?}", call.limit));
            break None;
        }
        thread::sleep(STEP);
    };
    // What it has started and left behind goes with it.
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = status.or_else(|| {
        let end = Instant::now() + DRAIN;
        // A program that not even SIGKILL ends hangs in the kernel; it is not waited for.
        while Instant::now() < end {
            if let Ok(Some(status)) = child.try_wait() {
                return Some(status);
            }
            thread::sleep(STEP);
        }
        None
    });
    let (output, is_whole) = collected(&output);
    let (errors, _) = collected(&errors);
    if !is_whole && stopped.is_none() {
        stopped = Some(format!("it wrote more than {MAX_OUTPUT} bytes, or something kept its output open"));
    }
    let exit_code = status.and_then(|status| status.signal().map_or(status.code(), |_| None));
    Ok(Ended { sha256, exit_code, output, errors, stopped })
}

/// Reads a pipe on a thread of its own, in pieces: whoever holds the other end open may do so for ever.
fn drain(pipe: Option<impl Read + Send + 'static>, cap: u64) -> Receiver<Option<Vec<u8>>> {
    let (give, take) = channel();
    let Some(pipe) = pipe else { return take };
    let run = move || {
        let mut pipe = pipe.take(cap);
        let mut buffer = vec![0; 64 << 10];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    if give.send(buffer.get(..read).map(<[u8]>::to_vec)).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
        // Nothing but the end says that it is whole; at the cap there may be more.
        if pipe.limit() > 0 {
            let _ = give.send(None);
        }
    };
    let _ = thread::Builder::new().name("triage-pipe".to_owned()).spawn(run);
    take
}

/// What has arrived, and whether that is all.
fn collected(pipe: &Receiver<Option<Vec<u8>>>) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    while let Ok(piece) = pipe.recv_timeout(DRAIN) {
        match piece {
            Some(piece) => all.extend(piece),
            None => return (all, true),
        }
    }
    (all, false)
}
