//! `triage plan`

use super::{allow, material, open};
use crate::args::{Format, PlanArgs};
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::session::Session;
use crate::view;
use std::collections::BTreeMap;
use std::path::Path;
use triage_core::action::Living;
use triage_core::engine::{self, Reading, Scan, Target};
use triage_core::model::{Clock as _, escape};
use triage_core::plan::{self, Plan, PlanError, PlanRequest, StepStatus};
use triage_core::playbook::{self, Playbook, PlaybookError};
use triage_core::source::{Source, SourceKind};

pub(crate) fn run(args: &PlanArgs, session: &Session) -> Result<Exit, Failure> {
    // A mistake in a playbook is told before minutes are spent on reading the host.
    let playbooks = args.playbook.iter().map(|name| load(name)).collect::<Result<Vec<_>, _>>()?;
    let inputs: BTreeMap<String, String> = args.set.iter().cloned().collect();
    for playbook in &playbooks {
        playbook.inputs_with(&inputs).map_err(explain)?;
    }
    playbook::check_inputs(&playbooks, &inputs).map_err(explain)?;
    let target = open::sealed_target(args.target.as_deref(), &args.reading, &args.identity, session)?;
    let list = allow::list(&args.allow, args.target.as_deref(), &target, &args.reading, session)?;
    let detectors = open::detectors(&args.rules, true, 30)?.allowing(list);
    let progress = Progress::start(&session.ui, "scanning");
    let reading =
        Reading { options: open::options(&args.reading), progress: &progress, cancel: &|| session.is_interrupted() };
    let scan = engine::scan(&target, detectors, reading)?;
    drop(progress);
    if session.is_interrupted() {
        session.ui.note("Interrupted: a plan from half a scan would be half a clean-up; none was made.");
        return Ok(Exit::Interrupted);
    }
    allow::tell_unused(&scan, session);
    if !scan.allowed.is_empty() {
        let allowed = view::findings::count(scan.allowed.len(), "finding");
        session.ui.note(&format!("{allowed} allowed and not planned for; `triage scan` lists them."));
    }
    let material = material::sources(&args.from, target.source.as_ref(), session)?;
    let what = What { playbooks: &playbooks, inputs: &inputs, material: material.as_deref() };
    let (plan, gaps) = make(&target, &scan, &what, session)?;
    match args.format {
        Format::Human => session.ui.data(&view::plan::text(&plan))?,
        Format::Json => session.ui.data(&plan.to_json())?,
    }
    session.ui.note(view::findings::gaps(&gaps).trim_end());
    let changes = plan.steps.iter().filter(|step| step.status == StepStatus::WouldChange).count();
    if let Some(output) = &args.output {
        let digest = plan::file::write(output, &plan)?;
        let name = escape(output.as_os_str().as_encoded_bytes());
        session.ui.note(&format!("plan {name}, sha256 {digest}"));
        let root = match args.reading.root.as_path() {
            // A plan of a bundle is applied on its host.
            root if root == Path::new("/") || args.target.is_some() => String::new(),
            root => view::run::root_words(&escape(root.as_os_str().as_encoded_bytes())),
        };
        session.ui.note(&format!(
            "{} would change the host. Look at the plan, then: triage apply {} --digest {digest}{root}",
            view::findings::count(changes, "step"),
            view::run::word(&name)
        ));
    } else {
        session.ui.note(&format!(
            "{} would change the host. To keep the plan for `triage apply`, add `-o plan.json`.",
            view::findings::count(changes, "step")
        ));
    }
    Ok(Exit::of(changes > 0, !scan.gaps.is_empty() || !gaps.is_empty()))
}

/// What a plan is to do.
pub(super) struct What<'a> {
    playbooks: &'a [Playbook],
    inputs: &'a BTreeMap<String, String>,
    material: Option<&'a dyn Source>,
}

/// What to do about an input that is wrong or missing.
fn explain(error: PlaybookError) -> Failure {
    match &error {
        PlaybookError::Input { hint: Some(hint), .. } => {
            let hint = hint.clone();
            Failure::hinted(error, hint)
        }
        PlaybookError::MissingInput { name, .. } => {
            let hint = format!("say it with `--set {name}=VALUE`");
            Failure::hinted(error, hint)
        }
        _ => error.into(),
    }
}

/// Makes the plan for what a scan found.
fn make(
    target: &Target,
    scan: &Scan,
    what: &What<'_>,
    session: &Session,
) -> Result<(Plan, Vec<triage_core::model::Gap>), Failure> {
    // Only where the running host itself is looked at is there anything that runs.
    let host = (target.source.kind() == SourceKind::Live).then(engine::living_host).transpose()?;
    let outcome = plan::make(&PlanRequest {
        living: host.as_ref().map(|host| host as &dyn Living),
        findings: &scan.findings,
        playbooks: what.playbooks,
        inputs: what.inputs,
        material: what.material,
        open_source: &material::named(target.source.as_ref(), session),
        source: target.source.as_ref(),
        host: target.host.clone(),
        target: target.source.label(),
        tool: Session::tool(),
        created: session.clock.now(),
    })
    .map_err(|error| match error {
        PlanError::Playbook(error) => explain(error),
        error => error.into(),
    })?;
    Ok((outcome.value, outcome.gaps))
}

/// A built-in playbook by name, or a file.
pub(super) fn load(name: &str) -> Result<Playbook, Failure> {
    if let Some(playbook) = playbook::builtin(name) {
        return Ok(playbook?);
    }
    let shown = escape(name.as_bytes());
    if !Path::new(name).exists() {
        let known: Vec<&str> = playbook::builtin_names().collect();
        return Err(Failure::hinted(
            anyhow::anyhow!("there is no playbook `{shown}`, built in or as a file"),
            format!("built in are: {}", known.join(", ")),
        ));
    }
    let text = std::fs::read(name)
        .map_err(|error| anyhow::Error::new(error).context(format!("reading playbook `{shown}`")))?;
    let text = String::from_utf8(text).map_err(|_| anyhow::anyhow!("playbook `{shown}` is not UTF-8 text"))?;
    Ok(Playbook::load(name, &text)?)
}
