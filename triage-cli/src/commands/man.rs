//! `triage man`

use crate::args::{Args, ManArgs};
use crate::exit::{Exit, Failure};
use crate::session::Session;
use clap::CommandFactory as _;

pub(crate) fn run(args: &ManArgs, session: &Session) -> Result<Exit, Failure> {
    #[expect(clippy::disallowed_methods, reason = "the manual pages go where the user said")]
    std::fs::create_dir_all(&args.folder)?;
    clap_mangen::generate_to(Args::command(), &args.folder)?;
    session.ui.note(&format!("wrote the manual pages; read them with `man -l {}/triage.1`", args.folder.display()));
    Ok(Exit::Done)
}
