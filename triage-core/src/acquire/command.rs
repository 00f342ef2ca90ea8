//! The programs of the host that are run, because what they tell is in no file: the firewall's rules.
//!
//! They are called by their full path with fixed arguments, an empty environment and no input, in a process group of their own that is
//! killed when the time is up; what they write has a cap. Only a program that root owns and nobody else may change is run. It can
//! be the intruder's all the same, so its digest is kept with its output.

use crate::model::{CommandRun, Hasher, RawText, Timestamp, escape};
use crate::sys::look;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

const MAX_OUTPUT: u64 = 16 << 20;
const MAX_ERRORS: u64 = 64 << 10;
/// How long the output may take to arrive once the program has ended.
const DRAIN: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(10);

/// A program that may be run.
#[derive(Clone, Debug)]
pub struct Program {
    places: Vec<PathBuf>,
    arguments: Vec<String>,
    /// Kernel modules of which one has to be loaded: else the program would load it, and there is nothing to tell.
    needs: Vec<&'static str>,
}

impl Program {
    /// What lists the firewall's rules.
    pub fn firewall() -> Vec<Self> {
        let program = |name: &str, arguments: &[&str], needs: &[&'static str]| Self {
            places: ["/usr/sbin", "/sbin"].iter().map(|folder| Path::new(folder).join(name)).collect(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            needs: needs.to_vec(),
        };
        vec![
            program("nft", &["-a", "list", "ruleset"], &["nf_tables"]),
            program("iptables-save", &["-c"], &["ip_tables", "nf_tables"]),
            program("ip6tables-save", &["-c"], &["ip6_tables", "nf_tables"]),
        ]
    }

    /// Runs it and waits no longer than `limit`; none where it is not there or has nothing to tell. `modules` is `/proc/modules`, if there
    /// is one.
    ///
    /// # Errors
    /// With the program's path, when it is there and cannot be run or may not be trusted so far.
    pub(super) fn run(
        &self,
        modules: Option<&[u8]>,
        limit: Duration,
        time: Timestamp,
    ) -> Result<Option<CommandRun>, (String, io::Error)> {
        let is_loaded = |name: &&str| {
            let lines = modules.unwrap_or_default().split(|&b| b == b'\n');
            modules.is_none()
                || lines.into_iter().any(|line| line.split(|&b| b == b' ').next() == Some(name.as_bytes()))
        };
        if !self.needs.is_empty() && !self.needs.iter().any(is_loaded) {
            return Ok(None);
        }
        // The host's own links, as from `iptables-save` to `xtables-nft-multi`, are followed; the name it is called by says what it does.
        let Some((place, real)) =
            self.places.iter().find_map(|place| Some((place, std::fs::canonicalize(place).ok()?)))
        else {
            return Ok(None);
        };
        self.at(place, &real, limit, time)
            .map(Some)
            .map_err(|error| (escape(real.as_os_str().as_encoded_bytes()), error))
    }

    fn at(&self, place: &Path, real: &Path, limit: Duration, time: Timestamp) -> io::Result<CommandRun> {
        let mut file = File::open(real)?;
        let meta = look::stat_open_briefly(&file)?;
        if !meta.is_file() || meta.uid != 0 || meta.mode.bits() & 0o022 != 0 {
            return Err(io::Error::other("it is not root's alone"));
        }
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 128 << 10];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                length => hasher.update(buffer.get(..length).unwrap_or_default()),
            }
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where programs of the host are run; see the module's head"
        )]
        let mut command = Command::new(place);
        command.args(&self.arguments).env_clear().current_dir("/").process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let output = drain(child.stdout.take(), MAX_OUTPUT);
        let errors = drain(child.stderr.take(), MAX_ERRORS);
        let begin = Instant::now();
        let mut stopped = None;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if begin.elapsed() > limit {
                stopped = Some(format!("it was ended after {limit:?}"));
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
        Ok(CommandRun {
            time,
            program: RawText::from(place.as_os_str().as_encoded_bytes()),
            sha256: Some(hasher.finish()),
            arguments: self.arguments.clone(),
            exit_code: status.and_then(|status| status.signal().map_or(status.code(), |_| None)),
            output: RawText::from(output),
            errors: RawText::from(errors),
            stopped,
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn program(folder: &tempfile::TempDir, script: &str) -> Option<Program> {
        use std::os::unix::fs::PermissionsExt as _;
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root's programs are run");
            return None;
        }
        let path = folder.path().join("tool");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Some(Program {
            places: vec!["/nonexistent/tool".into(), path],
            arguments: vec!["-x".into()],
            needs: Vec::new(),
        })
    }

    fn run(program: &Program, limit: Duration) -> CommandRun {
        program.run(None, limit, Timestamp::new(0, 0)).unwrap().unwrap()
    }

    #[test]
    fn output_exit_code_and_digest_are_kept_and_the_environment_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let Some(program) = program(&folder, "echo \"$1 ${HOME-none}\"; echo oops >&2; exit 3") else { return };
        let run = run(&program, Duration::from_mins(1));
        assert_eq!((run.output.as_bytes(), run.errors.as_bytes()), (&b"-x none\n"[..], &b"oops\n"[..]));
        assert_eq!((run.exit_code, &run.stopped), (Some(3), &None));
        assert_eq!(run.sha256, Some(crate::model::Digest::of(&std::fs::read(folder.path().join("tool")).unwrap())));
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("child");
        let script = format!("echo begun; sleep 1000 & echo $! > {}; wait", mark.display());
        let Some(program) = program(&folder, &script) else { return };
        let run = run(&program, Duration::from_millis(500));
        assert_eq!((run.output.as_bytes(), run.exit_code), (&b"begun\n"[..], None));
        assert!(run.stopped.unwrap().contains("ended after"));
        let child = std::fs::read_to_string(mark).unwrap();
        let stat = std::fs::read(format!("/proc/{}/stat", child.trim()));
        let is_gone = stat.map_or(true, |stat| crate::parse::procfs::stat(&stat).is_none_or(|stat| stat.state == 'Z'));
        assert!(is_gone, "its child still runs");
    }

    #[test]
    fn a_flood_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let Some(program) = program(&folder, "yes 2>/dev/null | head -c 20000000") else { return };
        let run = run(&program, Duration::from_mins(1));
        assert_eq!(run.output.as_bytes().len() as u64, MAX_OUTPUT);
        assert!(run.stopped.is_some());
    }

    #[test]
    fn a_program_that_others_may_change_is_not_run() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let Some(program) = program(&folder, "exit 0") else { return };
        let path = folder.path().join("tool");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        let (at, error) = program.run(None, Duration::from_mins(1), Timestamp::new(0, 0)).unwrap_err();
        assert!(at.ends_with("tool") && error.to_string().contains("root's alone"), "{error}");
    }

    #[test]
    fn no_module_is_loaded_by_asking() {
        let folder = tempfile::tempdir().unwrap();
        let Some(program) = program(&folder, "exit 0") else { return };
        let program = Program { needs: vec!["nf_tables"], ..program };
        let ask = |modules: &[u8]| program.run(Some(modules), Duration::from_mins(1), Timestamp::new(0, 0)).unwrap();
        assert_eq!(ask(b"nf_tables_x 1 0 - Live 0x0\n"), None);
        assert!(ask(b"x 1 0 - Live 0x0\nnf_tables 1 0 - Live 0x0\n").is_some());
    }
}
