//! `triage resume`

use super::{apply, material};
use crate::args::ResumeArgs;
use crate::exit::{Exit, Failure};
use crate::session::Session;
use triage_core::apply::{ResumeRequest, Watch, resume};

pub(crate) fn run(args: &ResumeArgs, session: &Session) -> Result<Exit, Failure> {
    let runs = apply::open_runs(session)?;
    let id = runs.find(&args.run).map_err(|error| Failure::hinted(error, "`triage runs` lists them"))?;
    let run = runs.run(&id)?;
    let target = apply::open_host(&args.root, run.plan(), session)?;
    let steps = run.steps();
    let left = steps.iter().filter(|step| step.outcome.is_none() || step.is_dangling).count();
    let question =
        format!("Go on with run {id} on host {}, {left} of {} steps left?", run.plan().host.hostname, steps.len());
    apply::agree(args.yes, &question, session)?;
    let good = apply::material_for(&args.from, &args.root, session)?;
    let request = ResumeRequest {
        run: &id,
        target: &target,
        runs: &runs,
        material: good.as_deref(),
        watch: Watch {
            clock: &session.clock,
            cancel: &|| session.is_interrupted(),
            progress: &mut |event| apply::tell(&event, session),
            examine: &material::examine(&args.root),
        },
    };
    let report = resume(request).map_err(apply::explain)?;
    Ok(apply::conclude(&report, &args.root, session))
}
