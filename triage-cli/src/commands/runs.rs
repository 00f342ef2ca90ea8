//! `triage runs`

use crate::args::{Format, RunsArgs, RunsCommand};
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::view;
use triage_core::journal::{Run, RunState, Runs};

pub(crate) fn run(args: &RunsArgs, session: &Session) -> Result<Exit, Failure> {
    let Some(runs) = Runs::open(&session.state()?)? else {
        if args.command.is_some() {
            return Err(Failure::hinted(
                anyhow::anyhow!("no run is recorded in `{}`", session.state()?.display()),
                "runs are kept in the state folder of the user who applied; name it with `--state DIR`",
            ));
        }
        session.ui.note("No runs yet.");
        return Ok(Exit::Done);
    };
    if let Some(RunsCommand::Show { run: word }) = &args.command {
        let id = runs.find(word).map_err(|error| Failure::hinted(error, "`triage runs` lists them"))?;
        let run = runs.run(&id)?;
        match args.format {
            Format::Human => session.ui.data(&view::run::text(&run))?,
            Format::Json => session.ui.data(&view::run::json(&run)?)?,
        }
        session.ui.note(&view::run::next(&run).unwrap_or_default());
        return Ok(Exit::Done);
    }
    let list = runs.list()?;
    match args.format {
        Format::Human => session.ui.data(&view::run::list(&list))?,
        Format::Json => session.ui.data(&view::run::list_json(&list)?)?,
    }
    let unsettled = |run: &&Run| matches!(run.state(), RunState::Crashed | RunState::Interrupted);
    for run in list.iter().filter_map(|(_, run)| run.as_ref().ok()).filter(unsettled) {
        session.ui.note(&view::run::next(run).unwrap_or_default());
    }
    // A run whose record is damaged is not passed over.
    Ok(if list.iter().any(|(_, run)| run.is_err()) { Exit::Refused } else { Exit::Done })
}
