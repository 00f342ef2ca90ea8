//! `triage`: from alarm to clean host, with proof.
//!
//! This crate holds arguments, views, progress and exit codes; what they are about is in `triage-core`.

mod args;
mod commands;
mod exit;
mod progress;
mod session;
mod ui;
mod view;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => return exit::usage(&error),
    };
    let ui = ui::Ui::new(args.verbose, args.quiet);
    match session::Session::start(&args, ui.clone()).and_then(|session| commands::run(args.command, &session)) {
        Ok(exit) => exit.into(),
        Err(error) => exit::failed(&ui, &error).into(),
    }
}
