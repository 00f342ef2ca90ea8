//! `triage completions`

use crate::args::{Args, CompletionsArgs};
use crate::exit::{Exit, Failure};
use crate::session::Session;
use clap::CommandFactory as _;

pub(crate) fn run(args: &CompletionsArgs, session: &Session) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "triage", &mut script);
    session.ui.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
