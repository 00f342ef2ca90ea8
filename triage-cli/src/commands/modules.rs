//! `triage modules`

use super::{artifacts, open};
use crate::args::{ModulesArgs, ModulesFormat, ReadingArgs};
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::session::Session;
use crate::view;
use std::sync::Arc;
use triage_core::detect::{
    Detectors, Indicators, MODULES_FORMAT_VERSION, ModuleSignatureDetector, ModulesReport, modules_json, modules_jsonl,
};
use triage_core::engine::{self, Reading};
use triage_core::model::Clock as _;
use triage_core::sweep::Options;

/// All that a module's files, its keys and the settings of their places are among.
const ARTIFACTS: [&str; 5] = ["web_roots", "freepbx_programs", "freepbx_keys", "freepbx_config", "asterisk_config"];

pub(crate) fn run(args: &ModulesArgs, session: &Session) -> Result<Exit, Failure> {
    let wanted: Vec<String> = if args.reading.profile.is_empty() {
        ARTIFACTS.iter().map(|&name| name.to_owned()).collect()
    } else {
        Vec::new()
    };
    // What the host is doing says nothing of its modules.
    let (root, profile) = (args.reading.root.clone(), args.reading.profile.clone());
    let reading = ReadingArgs { root, profile, no_volatile: true, ..args.reading };
    let catalogue = artifacts::catalogue(&[], session)?;
    let target = open::chosen(args.target.as_deref(), &reading, &args.identity, &catalogue, &wanted, session)?;
    let detector = Arc::new(ModuleSignatureDetector::new(Arc::new(Indicators::builtin()?)));
    let detectors = Detectors::new(vec![Box::new(Arc::clone(&detector))]);
    let manners = open::manners(&target, &reading, session);
    let options = Options { threads: manners.threads, ..open::options(&reading) };
    let progress = Progress::start(&session.ui, "checking modules");
    let how = Reading { options, progress: &progress, cancel: &|| session.is_interrupted() };
    let scan = engine::scan(&target, detectors, how)?;
    drop(progress);
    if session.is_interrupted() {
        return Ok(Exit::Interrupted);
    }
    let report = ModulesReport {
        format_version: MODULES_FORMAT_VERSION,
        tool: Session::tool(),
        created: session.clock.now(),
        target: target.source.label(),
        host: target.host.clone(),
        verdict: scan.verdict,
        keys: detector.keys(),
        modules: detector.modules().to_vec(),
        gaps: scan.gaps,
    };
    let text = match args.format {
        ModulesFormat::Table => view::modules::table(&report),
        ModulesFormat::Json => modules_json(&report)?,
        ModulesFormat::Jsonl => modules_jsonl(&report)?,
    };
    session.ui.data(&text)?;
    session.ui.note(&view::modules::last_line(&report));
    Ok(Exit::of(report.verdict.is_found(), !report.gaps.is_empty()))
}
