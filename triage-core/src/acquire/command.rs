//! The programs of the host that are run, because what they tell is in no file: the firewall's rules.
//!
//! They are called by their full path with fixed arguments, an empty environment and no input ([`crate::sys::program`]). Each can
//! be the intruder's, so its digest is kept with its output.

use crate::model::{CommandRun, RawText, Timestamp, escape};
use crate::sys::program::{self, Call};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
        let arguments: Vec<RawText> = self.arguments.iter().map(|argument| RawText::from(argument.as_str())).collect();
        let call = Call { place, file: real, arguments: &arguments, environment: &[], input: b"", limit };
        let ended = program::run(&call)?;
        Ok(CommandRun {
            time,
            program: RawText::from(place.as_os_str().as_encoded_bytes()),
            sha256: Some(ended.sha256),
            arguments: self.arguments.clone(),
            exit_code: ended.exit_code,
            output: RawText::from(ended.output),
            errors: RawText::from(ended.errors),
            stopped: ended.stopped,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::program::MAX_OUTPUT;

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
