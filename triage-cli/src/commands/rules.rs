//! `triage rules`

use super::open;
use crate::args::RulesCommand;
use crate::exit::{Exit, Failure};
use crate::session::Session;
use std::fmt::Write as _;
use triage_core::detect::{ProblemKind, RuleSet};

pub(crate) fn run(command: &RulesCommand, session: &Session) -> Result<Exit, Failure> {
    match command {
        RulesCommand::List => {
            let rules = RuleSet::builtin();
            let mut text = String::new();
            for rule in rules.infos() {
                let _ = writeln!(text, "{:<20} {:<9} {:>3}  {}", rule.id, rule.severity, rule.confidence, rule.title);
            }
            session.ui.data(&text)?;
            session.ui.note(&format!("{} rules.", rules.len()));
            Ok(Exit::Done)
        }
        RulesCommand::Check { paths } => {
            let (rules, problems) = open::compile(paths, false)?;
            let mut text = String::new();
            for problem in &problems {
                let _ = writeln!(text, "{problem}\n{}\n", problem.report.trim_end());
            }
            session.ui.data(&text)?;
            let broken = problems.iter().filter(|problem| problem.kind == ProblemKind::Broken).count();
            session.ui.note(&format!("{} rules compiled, {broken} files or rules broken.", rules.len()));
            Ok(if broken > 0 { Exit::Error } else { Exit::Done })
        }
    }
}
