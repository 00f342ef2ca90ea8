//! `triage rollback`

use super::apply;
use crate::args::RollbackArgs;
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::view;
use triage_core::action::Living;
use triage_core::apply::{ApplyError, ResumeRequest, Watch, settle};
use triage_core::journal::{Consent, Evidence, RunId, Runs};
use triage_core::model::{Clock as _, escape};
use triage_core::plan::StepStatus;
use triage_core::rollback::{self, RollbackError, RollbackOptions, Scope};
use triage_core::source::{DirectorySource, SourceKind};

pub(crate) fn run(args: &RollbackArgs, session: &Session) -> Result<Exit, Failure> {
    let runs = apply::open_runs(session)?;
    let id = runs.find(&args.run).map_err(|error| Failure::hinted(error, "`triage runs` lists them"))?;
    let run = runs.run(&id)?;
    let target = apply::open_host(&args.root, run.plan(), session)?;
    if run.dangling().is_some() {
        session.ui.note("The run was cut short; putting its last step in order first.");
        settle_run(&id, &target, &runs, session)?;
    }
    let run = runs.run(&id)?;
    let source = DirectorySource::open(&args.root, SourceKind::Root)?;
    let options = RollbackOptions {
        scope: match (args.step, args.service) {
            (Some(step), _) => Scope::Step(step),
            (None, true) => Scope::Service,
            (None, false) => Scope::Everything,
        },
        keep_both: args.keep_both,
        tool: Session::tool(),
        created: session.clock.now(),
    };
    let living = target.living().map(|host| host as &dyn Living);
    let outcome = rollback::plan(&run, &source, living, &options).map_err(|error| match error {
        RollbackError::NothingToUndo { .. } => {
            let hint = format!("`triage runs show {id}` shows its steps");
            Failure::hinted(error, hint)
        }
        error => error.into(),
    })?;
    let plan = outcome.value;
    session.ui.note(&view::plan::text(&plan));
    session.ui.note(view::findings::gaps(&outcome.gaps).trim_end());
    // What was done to the running host may have nothing that undoes it; a file that cannot be put back is a conflict.
    let (stays, conflicts): (Vec<_>, Vec<_>) = plan
        .steps
        .iter()
        .filter(|step| matches!(step.status, StepStatus::Blocked { .. }))
        .partition(|step| step.action.path().is_none());
    let (stays, conflicts) = (stays.len(), conflicts.len());
    let changes = plan.steps.iter().filter(|step| step.status == StepStatus::WouldChange).count();
    if changes == 0 {
        if conflicts > 0 {
            return Err(Failure::refused(
                anyhow::anyhow!(
                    "nothing was undone: {} changed since the run",
                    view::findings::count(conflicts, "object")
                ),
                "the plan above says which; nothing of theirs is overwritten: look at them by hand, or give `--keep-both`",
            ));
        }
        if stays > 0 {
            session.ui.warning(&format!("nothing undoes {}", view::findings::count(stays, "step")));
            return Ok(Exit::Gaps);
        }
        session.ui.note("Nothing to undo.");
        return Ok(Exit::Done);
    }
    let malicious =
        plan.steps.iter().filter(|step| step.restores_malicious && step.status == StepStatus::WouldChange).count();
    if malicious > 0 {
        session.ui.warning(&format!("{} would come back", view::findings::count(malicious, "malicious object")));
        if !args.restore_malicious {
            // Before the question: who says yes to it should not be refused afterwards.
            return Err(apply::explain(ApplyError::RestoresMalicious { count: malicious }));
        }
    }
    let question =
        format!("Undo {} of run {id} on host {}?", view::findings::count(changes, "change"), plan.host.hostname);
    apply::agree(args.consent.yes, &question, session)?;
    let consent = Consent {
        skip_stale: args.consent.skip_stale,
        restore_malicious: args.restore_malicious,
        ..Consent::default()
    };
    let doing = apply::Doing { plan: &plan, root: &args.root, evidence: Evidence::Rollback, consent, material: None };
    let report = apply::carry_out(doing, &target, &runs, session)?;
    if stays > 0 {
        session.ui.warning(&format!(
            "nothing undoes {}: the plan above says what stays as the run left it",
            view::findings::count(stays, "step")
        ));
    }
    if conflicts > 0 {
        let root = view::run::root_words(&escape(args.root.as_os_str().as_encoded_bytes()));
        session.ui.warning(&format!(
            "{} changed since the run and left alone, where the plan above says BLOCKED; `triage rollback {id}{root} --keep-both` puts the originals beside them",
            view::findings::count(conflicts, "object")
        ));
    }
    Ok(apply::conclude(&report, &args.root, session))
}

fn settle_run(id: &RunId, target: &triage_core::apply::Target, runs: &Runs, session: &Session) -> Result<(), Failure> {
    settle(ResumeRequest {
        run: id,
        target,
        runs,
        material: None,
        watch: Watch {
            clock: &session.clock,
            cancel: &|| false,
            progress: &mut |event| apply::tell(&event, session),
            examine: &triage_core::apply::accept,
        },
    })
    .map_err(apply::explain)?;
    Ok(())
}
