//! `triage playbook`

use super::plan;
use crate::args::PlaybookCommand;
use crate::exit::{Exit, Failure};
use crate::session::Session;
use std::fmt::Write as _;
use triage_core::model::escape;
use triage_core::playbook;

pub(crate) fn run(command: &PlaybookCommand, session: &Session) -> Result<Exit, Failure> {
    match command {
        PlaybookCommand::List => {
            let mut text = String::new();
            for name in playbook::builtin_names() {
                let playbook = plan::load(name)?;
                let _ = writeln!(text, "{name:<24} {}", playbook.title);
            }
            session.ui.data(&text)?;
        }
        PlaybookCommand::Show { name } => {
            let Some(text) = playbook::builtin_text(name) else {
                // The same answer, with the same hint, as everywhere else.
                plan::load(name)?;
                return Err(Failure::from(anyhow::anyhow!("`{}` is a file; read it there", escape(name.as_bytes()))));
            };
            session.ui.data(text)?;
        }
        PlaybookCommand::Schema => session.ui.data(&playbook::schema())?,
        PlaybookCommand::Check { file } => {
            let name = file.to_str().ok_or_else(|| anyhow::anyhow!("the file's name is not UTF-8"))?;
            let playbook = plan::load(name)?;
            session.ui.note(&format!("{}: {} steps, nothing wrong.", playbook.name, playbook.steps.len()));
        }
    }
    Ok(Exit::Done)
}
