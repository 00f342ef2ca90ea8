//! Runs as text and JSON.

use super::findings::count;
use serde_json::json;
use std::fmt::Write as _;
use triage_core::journal::{Evidence, JournalError, Run, RunId, RunState, StepOutcome, StepResult};
use triage_core::plan::{Step, StepStatus};

/// One step's end.
pub(crate) fn outcome(step: &Step, outcome: &StepOutcome) -> String {
    let mut out = format!("{:>4}. {}: {}", step.number, step.title, result(&outcome.result));
    for note in &outcome.notes {
        let _ = write!(out, "\n      {note}");
    }
    out
}

fn result(result: &StepResult) -> String {
    match result {
        StepResult::Done => "done".to_owned(),
        StepResult::NoOp => "nothing to do".to_owned(),
        StepResult::Stale { why } => format!("REFUSED, it has changed: {why}"),
        StepResult::Blocked { why } => format!("REFUSED: {why}"),
        StepResult::Failed { why } => format!("FAILED: {why}"),
        _ => "ended in a way that this version does not know".to_owned(),
    }
}

fn state(state: RunState) -> &'static str {
    match state {
        RunState::Running => "running",
        RunState::Crashed => "crashed",
        RunState::Interrupted => "interrupted",
        RunState::Applied => "applied",
        RunState::PartlyApplied => "partly applied",
        RunState::PartlyRolledBack => "partly rolled back",
        RunState::RolledBack => "rolled back",
    }
}

/// All runs, oldest first.
pub(crate) fn list(runs: &[(RunId, Result<Run, JournalError>)]) -> String {
    let mut out = String::new();
    for (id, run) in runs {
        let _ = match run {
            Ok(run) => writeln!(
                out,
                "{id}  {:<18}  {:>9}  {} ({})  {}",
                state(run.state()),
                count(run.plan().steps.len(), "step"),
                run.plan().host.hostname,
                run.started().root,
                run.plan().playbooks.join(", "),
            ),
            Err(error) => writeln!(out, "{id}  DAMAGED: {error}"),
        };
    }
    if runs.is_empty() {
        out.push_str("no runs yet\n");
    }
    out
}

/// All runs as JSON.
pub(crate) fn list_json(runs: &[(RunId, Result<Run, JournalError>)]) -> Result<String, serde_json::Error> {
    let runs: Vec<_> = runs
        .iter()
        .map(|(id, run)| match run {
            Ok(run) => summary(run),
            Err(error) => json!({"run": id.as_str(), "state": "damaged", "error": error.to_string()}),
        })
        .collect();
    Ok(serde_json::to_string_pretty(&json!({"format_version": 1, "runs": runs}))? + "\n")
}

fn summary(run: &Run) -> serde_json::Value {
    json!({
        "run": run.id().as_str(),
        "state": run.state(),
        "host": run.plan().host,
        "root": run.started().root,
        "playbooks": run.plan().playbooks,
        "plan_sha256": run.started().plan,
        "evidence": run.started().evidence,
        "steps": run.plan().steps.len(),
        "head": run.head(),
    })
}

/// One run, step by step.
pub(crate) fn text(run: &Run) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "run {}: {}", run.id(), state(run.state()));
    let _ =
        writeln!(out, "host {} ({}), root {}", run.plan().host.hostname, run.plan().host.digest, run.started().root);
    let _ = writeln!(out, "from {}", run.plan().playbooks.join(", "));
    let _ = writeln!(out, "plan sha256 {}", run.started().plan);
    let _ = writeln!(out, "journal head {}", run.head());
    match &run.started().evidence {
        Evidence::Bundle { path, sha256, left_out } => {
            let _ = writeln!(out, "evidence {path} (sha256 {sha256})");
            for path in left_out {
                let _ = writeln!(out, "  left out for its size: {path}; the vault of the run has it");
            }
        }
        Evidence::Waived => out.push_str("evidence: none was kept, as was asked for\n"),
        Evidence::Rollback => {}
    }
    for step in &run.plan().steps {
        let record = run.step(step.number);
        let what = if record.is_dangling {
            "UNKNOWN: it was being done when the run ended; `triage resume` or `triage rollback` settles it".to_owned()
        } else if record.is_undone {
            "undone".to_owned()
        } else {
            match (record.outcome, &step.status) {
                (Some(outcome), _) => result(&outcome.result),
                (None, StepStatus::WouldChange | StepStatus::CannotKnow { .. }) => "not begun".to_owned(),
                (None, _) => "left out".to_owned(),
            }
        };
        let _ = writeln!(out, "{:>4}. {}: {what}", step.number, step.title);
        for note in record.outcome.iter().flat_map(|outcome| &outcome.notes) {
            let _ = writeln!(out, "      {note}");
        }
    }
    out
}

/// What to do next about a run, as commands; nothing where nothing is left to be done or undone.
pub(crate) fn next(run: &Run) -> Option<String> {
    let root = root_words(&run.started().root);
    let id = run.id();
    let undo = format!("`triage rollback {id}{root}` undoes it");
    Some(match run.state() {
        RunState::Running => format!("Run {id} is being done by a process now."),
        RunState::Crashed | RunState::Interrupted => {
            format!("Run {id} is not at its end: `triage resume {id}{root}` goes on, {undo}.")
        }
        RunState::Applied | RunState::PartlyApplied | RunState::PartlyRolledBack => format!("{undo}."),
        RunState::RolledBack => return None,
    })
}

/// ` --root DIR` for a command on the host of a run; nothing for the running host.
pub(crate) fn root_words(root: &str) -> String {
    if root == "/" { String::new() } else { format!(" --root {}", word(root)) }
}

/// A word as a shell takes it, from text that is escaped already.
pub(crate) fn word(text: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !text.is_empty() && text.chars().all(is_bare) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// One run as JSON, with the outcome of each step.
pub(crate) fn json(run: &Run) -> Result<String, serde_json::Error> {
    let mut document = summary(run);
    let steps: Vec<_> = run
        .plan()
        .steps
        .iter()
        .map(|step| {
            let record = run.step(step.number);
            json!({
                "number": step.number,
                "title": step.title,
                "action": step.action,
                "outcome": record.outcome,
                "is_dangling": record.is_dangling,
                "is_undone": record.is_undone,
            })
        })
        .collect();
    if let Some(object) = document.as_object_mut() {
        object.insert("format_version".to_owned(), json!(1));
        object.insert("steps".to_owned(), json!(steps));
    }
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}
