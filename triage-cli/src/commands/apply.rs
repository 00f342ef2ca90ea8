//! `triage apply`

use super::{aftermath, material, open, review};
use crate::args::{ApplyArgs, RiskLevel};
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::session::Session;
use crate::view;
use std::path::{Path, PathBuf};
use triage_core::apply::{self, ApplyError, ApplyRequest, RunReport, StepEvent, Target, Watch};
use triage_core::engine::{self, Reading, evidence};
use triage_core::journal::{Consent, Evidence, RunState, Runs};
use triage_core::model::{Clock as _, Digest, escape};
use triage_core::plan::{self, Affects, Plan, PlanError, Risk, StepStatus};
use triage_core::source::{DirectorySource, Source, SourceKind};

pub(crate) fn run(args: &ApplyArgs, session: &Session) -> Result<Exit, Failure> {
    let mut plan = plan::file::read(&args.plan).map_err(|error| match error {
        PlanError::Io { .. } => Failure::hinted(error, "make one with `triage plan --playbook NAME -o plan.json`"),
        error => Failure::refused(error, "make the plan again with `triage plan`"),
    })?;
    if let Some(wanted) = &args.digest {
        let wanted: Digest = wanted.parse()?;
        let actual = plan.digest();
        if wanted != actual {
            return Err(Failure::refused(
                anyhow::anyhow!("the plan's digest is {actual}, and {wanted} was asked for"),
                "the file was changed since it was planned: make the plan again, or find out who changed it",
            ));
        }
    }
    if !args.only.is_empty() {
        plan = plan.only(&args.only)?;
    } else if !args.skip.is_empty() {
        plan = plan.skip(&args.skip)?;
    }
    if let Some(risk) = args.max_risk {
        let (part, dropped) = plan.at_most(risk.into());
        if !dropped.is_empty() {
            session.ui.note(&format!("Left out for their risk: {}.", review::numbers(&dropped)));
        }
        plan = part;
    }
    let host = open_host(&args.root, &plan, session)?;
    if args.review {
        plan = review::review(&plan, session)?;
    } else {
        session.ui.note(&view::plan::text(&plan));
    }
    // What could not be known when it was planned is tried, too.
    let is_tried = |status: &StepStatus| matches!(status, StepStatus::WouldChange | StepStatus::CannotKnow { .. });
    let changes = plan.steps.iter().filter(|step| is_tried(&step.status)).count();
    if changes == 0 {
        session.ui.note("Nothing to do: no step would change anything.");
        return Ok(Exit::Done);
    }
    let consent = Consent {
        skip_stale: args.consent.skip_stale,
        restore_malicious: false,
        irreversible: args.allow_irreversible,
        call_impact: args.allow_call_impact,
    };
    if plan.steps.iter().any(|step| is_tried(&step.status) && step.affects.contains(&Affects::Calls))
        && args.root == Path::new("/")
        && let Some(calls) = open::active_calls()
    {
        session.ui.warning(&format!("this host has {} at this moment", view::findings::count(calls as usize, "call")));
    }
    // Before the question: who says yes to it should not be refused afterwards.
    apply::check_consent(&plan, consent).map_err(explain)?;
    let question = format!(
        "Change {} on host {} ({})?",
        view::findings::count(changes, "object"),
        plan.host.hostname,
        escape(args.root.as_os_str().as_encoded_bytes())
    );
    agree(args.consent.yes, &question, session)?;
    let good = material_for(&args.from, &args.root, session)?;
    let runs = open_runs(session)?;
    tell_unsettled(&runs, session);
    let evidence = evidence(args, &plan, session)?;
    let doing = Doing { plan: &plan, root: &args.root, evidence, consent, material: good.as_deref() };
    let report = carry_out(doing, &host, &runs, session)?;
    let is_well = aftermath::look_again(&plan, &report, &args.root, args.watch.map(|period| period.0), session)?;
    let exit = conclude(&report, &args.root, session);
    Ok(if is_well || exit != Exit::Done { exit } else { Exit::Found })
}

impl From<RiskLevel> for Risk {
    fn from(level: RiskLevel) -> Self {
        match level {
            RiskLevel::Low => Self::Low,
            RiskLevel::Medium => Self::Medium,
            RiskLevel::High => Self::High,
        }
    }
}

/// Where the good copies are, for the host at `root`.
pub(super) fn material_for(
    from: &[String],
    root: &Path,
    session: &Session,
) -> Result<Option<Box<dyn Source>>, Failure> {
    if from.is_empty() {
        return Ok(None);
    }
    material::sources(from, &DirectorySource::open(root, SourceKind::Root)?, session)
}

/// The host that is to be changed, once it is sure that it is the plan's.
pub(super) fn open_host(root: &Path, plan: &Plan, session: &Session) -> Result<Target, Failure> {
    let target = open::target(None, &material::reading(root), session)?;
    apply::check_host(plan, &target.host).map_err(|error| {
        Failure::refused(
            error,
            format!(
                "the plan was made for `{}`; name that host's root with `--root DIR`, or make a plan here",
                plan.target
            ),
        )
    })?;
    open_target(root, session)
}

/// The root that is to be changed.
pub(super) fn open_target(root: &Path, session: &Session) -> Result<Target, Failure> {
    // The journal says where it was, and is read from anywhere.
    let target = Target::open(&std::path::absolute(root)?)
        .map_err(|error| anyhow::Error::new(error).context(format!("opening the root `{}`", root.display())))?;
    let target = if root == Path::new("/") { target.running(engine::living_host()?) } else { target };
    // Our own record of what was done is never an object of a plan.
    let state = session.state()?;
    let inodes = std::fs::metadata(state).ok().map(|found| {
        use std::os::unix::fs::MetadataExt as _;
        (found.dev(), found.ino())
    });
    Ok(target.keeping_off(inodes))
}

pub(super) fn open_runs(session: &Session) -> Result<Runs, Failure> {
    Runs::create(&session.state()?)
        .map_err(|error| Failure::hinted(error, "name a folder that you can write to with `--state DIR`"))
}

/// A run that was cut short may have left a step half done, which a new plan does not know of.
fn tell_unsettled(runs: &Runs, session: &Session) {
    for (id, run) in runs.list().unwrap_or_default() {
        if run.is_ok_and(|run| run.state() == RunState::Crashed) {
            session.ui.warning(&format!(
                "run {id} was cut short and is not in order: `triage resume {id}` brings it to its end, `triage rollback {id}` undoes it"
            ));
        }
    }
}

/// Asks, unless the answer was given on the command line.
pub(super) fn agree(yes: bool, question: &str, session: &Session) -> Result<(), Failure> {
    if yes || session.ui.confirm(question) {
        return Ok(());
    }
    Err(Failure::refused(
        anyhow::anyhow!("not confirmed, and nothing was changed"),
        "answer `yes` on a terminal, or give `--yes`",
    ))
}

/// The bundle that keeps what is about to change: the one that was named, or one that is made now.
fn evidence(args: &ApplyArgs, plan: &Plan, session: &Session) -> Result<Evidence, Failure> {
    if args.without_evidence {
        session.ui.warning("no evidence is kept of what is about to change; the journal records that");
        return Ok(Evidence::Waived);
    }
    let cancel = || session.is_interrupted();
    if let Some(bundle) = &args.evidence {
        return evidence::check(bundle, plan, &cancel).map_err(|error| {
            Failure::refused(
                error,
                "name a bundle of this host that has the plan's objects, or leave `--evidence` out and one is collected now",
            )
        });
    }
    let how = material::reading(&args.root);
    let target = open::target(None, &how, session)?;
    let path = free_name(&session.state()?, &format!("evidence-{}", session.clock.now().compact()));
    let progress = Progress::start(&session.ui, "keeping evidence");
    let reading = Reading { options: open::options(&how), progress: &progress, cancel: &cancel };
    let bound = evidence::Bound::default();
    let evidence =
        evidence::gather(plan, target, &path, (Session::VERSION, bound), &session.clock, reading).map_err(|error| {
            Failure::refused(
                error,
                "nothing was changed; free space in the state folder, or name a bundle of this host with `--evidence`",
            )
        })?;
    drop(progress);
    session.ui.note(&format!("Evidence is kept in {}; it verifies.", escape(path.as_os_str().as_encoded_bytes())));
    if let Evidence::Bundle { left_out, .. } = &evidence {
        for path in left_out.iter().take(10) {
            session.ui.warning(&format!("left out of the evidence for its size: {path}; the run's vault keeps it"));
        }
        if left_out.len() > 10 {
            session.ui.warning(&format!("and {} more; `triage runs show` lists them", left_out.len() - 10));
        }
    }
    Ok(evidence)
}

/// A name that is not taken: a refused try leaves its evidence, and the next one may come in the same second.
fn free_name(folder: &Path, stem: &str) -> PathBuf {
    let numbered = |number: u32| folder.join(format!("{stem}-{number}.tar.zst"));
    (1..10_000).map(numbered).find(|path| !path.exists()).unwrap_or_else(|| numbered(0))
}

/// A plan that was agreed to.
pub(super) struct Doing<'a> {
    pub(super) plan: &'a Plan,
    pub(super) root: &'a Path,
    pub(super) evidence: Evidence,
    pub(super) consent: Consent,
    pub(super) material: Option<&'a dyn Source>,
}

/// Applies a plan that was agreed to.
pub(super) fn carry_out(
    doing: Doing<'_>,
    target: &Target,
    runs: &Runs,
    session: &Session,
) -> Result<RunReport, Failure> {
    let Doing { plan, root, evidence, consent, material } = doing;
    let request = ApplyRequest {
        plan,
        target,
        runs,
        tool: Session::tool(),
        evidence,
        consent,
        material,
        watch: Watch {
            clock: &session.clock,
            cancel: &|| session.is_interrupted(),
            progress: &mut |event| tell(&event, session),
            examine: &material::examine(root),
        },
    };
    apply::apply(request).map_err(explain)
}

/// Tells of a step as it ends.
pub(super) fn tell(event: &StepEvent<'_>, session: &Session) {
    match event {
        StepEvent::Checking(step) => session.ui.detail(&format!("checking {}", step.title)),
        StepEvent::Begins(step) => session.ui.detail(&format!("begins {}", step.title)),
        StepEvent::Ends(step, outcome) => session.ui.note(&view::run::outcome(step, outcome)),
        _ => {}
    }
}

/// What an error of apply means for the exit code, and what to do about it.
pub(super) fn explain(error: ApplyError) -> Failure {
    match &error {
        ApplyError::Stale { .. } => Failure::refused(
            error,
            "make a new plan, or give `--skip-stale` to leave those steps and what builds on them out",
        ),
        ApplyError::Blocked { .. } => Failure::refused(error, "leave those steps out with `--skip N`"),
        ApplyError::Irreversible { .. } => {
            Failure::refused(error, "give `--allow-irreversible` for all of them, or leave them out with `--skip N`")
        }
        ApplyError::AffectsCalls { .. } => Failure::refused(
            error,
            "`asterisk -rx 'core show channels'` tells which calls are up; give `--allow-call-impact`, or leave those steps out with `--skip N`",
        ),
        ApplyError::RestoresMalicious { .. } => {
            Failure::refused(error, "give `--restore-malicious` if that is really wanted, for instance on a test host")
        }
        ApplyError::WrongHost { .. } | ApplyError::UnsupportedPlan(_) | ApplyError::BadPlan(_) => {
            Failure::refused(error, "make a plan for this host with this version of `triage plan`")
        }
        _ => Failure {
            exit: Exit::Stopped,
            hint: Some(
                "`triage runs` says how far it came; `triage resume` goes on, `triage rollback last` undoes".into(),
            ),
            error: error.into(),
        },
    }
}

/// The last lines, which always say how to undo, and the exit code.
pub(super) fn conclude(report: &RunReport, root: &Path, session: &Session) -> Exit {
    let done = report.outcomes.iter().filter(|outcome| outcome.result.is_good()).count();
    let refused = report.outcomes.iter().filter(|outcome| outcome.result.is_refused()).count();
    let failed = report.outcomes.len() - done - refused;
    let root = view::run::root_words(&escape(root.as_os_str().as_encoded_bytes()));
    session.ui.note(&format!("head of the journal: {}", report.head));
    if let Some(stopped) = &report.stopped {
        session.ui.warning(&format!("stopped at step {}: {}", stopped.step, stopped.why));
        session.ui.note(&format!("Go on with `triage resume {}{root}`.", report.run));
    }
    session.ui.note(&format!(
        "Run {}: {} done, {refused} refused, {failed} failed. Undo with `triage rollback {}{root}`.",
        report.run,
        view::findings::count(done, "step"),
        report.run,
    ));
    match (&report.stopped, report.state) {
        (Some(stopped), _) if stopped.is_cancelled => Exit::Interrupted,
        (Some(_), _) => Exit::Stopped,
        (None, RunState::Applied) => Exit::Done,
        (None, _) if failed > 0 => Exit::Stopped,
        (None, _) => Exit::Gaps,
    }
}
