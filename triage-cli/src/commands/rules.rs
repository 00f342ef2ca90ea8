//! `triage rules`

use super::{allow, open};
use crate::args::RulesCommand;
use crate::exit::{Exit, Failure};
use crate::session::Session;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use triage_core::detect::{self, Advisories, Detectors, ProblemKind, RuleInfo, RuleSet, YaraDetector, YaraOptions};
use triage_core::engine::{self, Opening, Reading, Target};
use triage_core::model::{Digest, EvidencePath, FileKind, FileMeta, Mode, escape};
use triage_core::sweep::{self, Swept};

pub(crate) fn run(command: &RulesCommand, session: &Session) -> Result<Exit, Failure> {
    match command {
        RulesCommand::List => {
            let rules = RuleSet::builtin();
            let (code, advisories) = (detect::code_rules(), Advisories::builtin()?);
            let mut text = String::new();
            for rule in rules.infos().iter().chain(&code) {
                let _ = writeln!(text, "{:<20} {:<9} {:>3}  {}", rule.id, rule.severity, rule.confidence, rule.title);
            }
            for known in advisories.all() {
                let (id, severity, confidence) = (known.rule(), known.severity(), known.confidence());
                let _ = writeln!(text, "{id:<20} {severity:<9} {confidence:>3}  {} ({})", known.title, known.module);
            }
            session.ui.data(&text)?;
            let (yara, code, advisories) = (rules.len(), code.len(), advisories.all().len());
            session.ui.note(&format!("{yara} YARA rules, {code} rules in code, {advisories} advisories."));
            Ok(Exit::Done)
        }
        RulesCommand::Check { paths } => {
            let (lists, paths): (Vec<PathBuf>, Vec<PathBuf>) =
                paths.iter().cloned().partition(|path| allow::is_list(path) && !open::is_advisories(path));
            let mut checked = if lists.is_empty() { Exit::Done } else { allow::check(&lists, session)? };
            let advisories = open::advisory_files(&paths);
            for path in &advisories {
                let (name, bytes) = open::read_advisories(path)?;
                match Advisories::read(&name, &bytes) {
                    Ok(read) => session.ui.note(&format!("`{name}`: {} advisories.", read.all().len())),
                    Err(error) => {
                        session.ui.data(&format!("{error}\n"))?;
                        checked = Exit::Error;
                    }
                }
            }
            let paths: Vec<PathBuf> = paths.into_iter().filter(|path| !advisories.contains(path)).collect();
            if paths.is_empty() {
                return Ok(checked);
            }
            let (rules, problems) = open::compile(&paths, false)?;
            let mut text = String::new();
            for problem in &problems {
                let _ = writeln!(text, "{problem}\n{}\n", problem.report.trim_end());
            }
            session.ui.data(&text)?;
            let broken = problems.iter().filter(|problem| problem.kind == ProblemKind::Broken).count();
            session.ui.note(&format!("{} rules compiled, {broken} files or rules broken.", rules.len()));
            Ok(if broken > 0 { Exit::Error } else { checked })
        }
        RulesCommand::Test { paths, samples, clean } => test(paths, samples, clean, session),
    }
}

/// Holds rules to what they promise. Every rule that misses, every false alarm and every rule that names no sample is a line.
fn test(paths: &[PathBuf], samples: &Path, clean: &[PathBuf], session: &Session) -> Result<Exit, Failure> {
    let (rules, problems) = open::compile(paths, paths.is_empty())?;
    let mut text = String::new();
    let broken = problems.iter().filter(|problem| problem.kind == ProblemKind::Broken);
    let mut failures = broken.map(|problem| writeln!(text, "broken       {problem}")).count();
    let detector = Arc::new(YaraDetector::new(rules.clone(), YaraOptions::default()));
    let (mut hits, mut untested) = (0, 0);
    for rule in rules.infos() {
        let said = |key: &str| rule.other.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let Some(sample) = said("sample") else {
            let _ = writeln!(text, "no sample    {} ({})", rule.id, rule.source);
            untested += 1;
            continue;
        };
        if hit(&detector, rule, &samples.join(sample), said("sample_path"))? {
            hits += 1;
        } else {
            let _ = writeln!(text, "missed       {} does not find `{}`", rule.id, escape(sample.as_bytes()));
            failures += 1;
        }
    }
    let mut files = 0;
    for folder in clean {
        let opening = Opening::new(Some(folder), Path::new("/"));
        let target = Target::open(&opening).map_err(open::explain)?;
        let detectors = Detectors::new(vec![Box::new(Arc::clone(&detector))]);
        let reading =
            Reading { options: sweep::Options::default(), progress: &(), cancel: &|| session.is_interrupted() };
        let scan = engine::scan(&target, detectors, reading)?;
        files += scan.summary.files;
        for finding in &scan.findings {
            let _ = writeln!(text, "false alarm  {} in {}", finding.rule, finding.subject);
        }
        failures += scan.findings.len();
    }
    session.ui.data(&text)?;
    session.ui.note(&format!(
        "{hits} of {} rules hit their sample, {untested} name none; {files} clean files; {failures} failures.",
        rules.len()
    ));
    Ok(if failures > 0 { Exit::Error } else { Exit::Done })
}

/// Says whether a rule finds its sample, at the place that the rule names or in a web root.
fn hit(detector: &YaraDetector, rule: &RuleInfo, sample: &Path, place: Option<&str>) -> Result<bool, Failure> {
    let name = sample.file_name().unwrap_or_default().as_encoded_bytes();
    let content = std::fs::read(sample).map_err(|error| {
        let context = format!("reading the sample `{}` of {}", escape(sample.as_os_str().as_encoded_bytes()), rule.id);
        Failure::hinted(
            anyhow::Error::new(error).context(context),
            "`--samples DIR` names the folder that holds the samples",
        )
    })?;
    let path = place.map_or_else(|| [b"/var/www/html/", name].concat(), |place| place.as_bytes().to_vec());
    let path = EvidencePath::new(path)?;
    let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), content.len() as u64);
    let file = Swept { path: &path, meta: &meta, sha256: Some(Digest::of(&content)), content: Some(&content) };
    Ok(detector.look(&file, &content).findings.iter().any(|finding| finding.rule.0 == rule.id))
}
