//! One file a verb. A command reads arguments, calls the library, shows the result, and says how it ended.

mod aftermath;
mod allow;
mod apply;
mod artifacts;
mod baseline;
mod cache;
mod check;
mod clean_up;
mod collect;
mod completions;
mod demo;
mod diff;
mod export;
mod keys;
mod man;
mod material;
mod modules;
mod open;
mod plan;
mod playbook;
mod resume;
mod review;
mod rollback;
mod rule_files;
mod rules;
mod runs;
mod scan;
mod verify;
mod writer;

use crate::args::Command;
use crate::exit::{Exit, Failure};
use crate::session::Session;

/// Carries out what the command line asks for.
pub(crate) fn run(command: Command, session: &Session) -> Result<Exit, Failure> {
    match command {
        Command::Check(args) => check::run(&args, session),
        Command::Collect(args) => collect::run(&args, session),
        Command::Verify(args) => verify::run(&args, session),
        Command::Export(args) => export::run(&args, session),
        Command::Scan(args) => scan::run(&args, session),
        Command::Diff(args) => diff::run(&args, session),
        Command::Modules(args) => modules::run(&args, session),
        Command::Plan(args) => plan::run(&args, session),
        Command::Apply(args) => apply::run(&args, session),
        Command::Resume(args) => resume::run(&args, session),
        Command::Rollback(args) => rollback::run(&args, session),
        Command::Runs(args) => runs::run(&args, session),
        Command::Playbook(command) => playbook::run(&command, session),
        Command::Artifacts(command) => artifacts::run(&command, session),
        Command::Rules(command) => rules::run(&command, session),
        Command::Demo(args) => demo::run(&args, session),
        Command::Completions(args) => completions::run(&args, session),
        Command::Man(args) => man::run(&args, session),
    }
}
