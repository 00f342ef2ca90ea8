//! Programs that a playbook declares.

use crate::action::LiveState;
use crate::action::live::Argv;
use crate::model::{Digest, escape};
use crate::sys::program::{self, Call};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The most lines of what a program said that are told.
const MAX_LINES: usize = 5;

/// The program, and what its file holds.
pub(super) fn look(argv: &Argv) -> Result<LiveState, String> {
    let file = file_of(argv).map_err(|error| format!("{} is not there: {error}", argv.program()))?;
    let sha256 = program::trusted(&file).map_err(|error| format!("{} may not be run: {error}", argv.program()))?;
    Ok(LiveState::Program { sha256, has_run: false })
}

/// Runs it. Gives the last lines of what it said.
pub(super) fn run(argv: &Argv, limit_seconds: u64, seen: &Digest) -> io::Result<Vec<String>> {
    let file = file_of(argv)?;
    if program::trusted(&file)? != *seen {
        return Err(io::Error::other("the program is another one by now"));
    }
    let environment =
        [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C"), ("HOME", "/root")];
    let ended = program::run(&Call {
        place: Path::new(OsStr::from_bytes(argv.program().as_bytes())),
        file: &file,
        arguments: argv.arguments(),
        environment: &environment,
        input: b"",
        limit: Duration::from_secs(limit_seconds),
    })?;
    if !ended.is_good() {
        return Err(io::Error::other(ended.trouble()));
    }
    let lines: Vec<&[u8]> = ended.output.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
    let last = lines.iter().skip(lines.len().saturating_sub(MAX_LINES));
    Ok(last.map(|line| format!("it said: {}", escape(line))).collect())
}

/// The host's own links, as from `/bin` to `/usr/bin`, are followed; what is started is what they lead to.
fn file_of(argv: &Argv) -> io::Result<PathBuf> {
    std::fs::canonicalize(OsStr::from_bytes(argv.program().as_bytes()))
}
