//! `triage rules`

use super::{allow, open, rule_files};
use crate::args::RulesCommand;
use crate::exit::{Exit, Failure};
use crate::session::Session;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use triage_core::detect::{
    self, Advisories, Detectors, HostContext, LogDetector, ProblemKind, RuleInfo, RuleSet, RuleSource, SigmaSet,
    YaraDetector, YaraOptions,
};
use triage_core::engine::{self, Opening, Reading, Target};
use triage_core::model::{Digest, EvidencePath, FileKind, FileMeta, Mode, escape};
use triage_core::sweep::{self, Swept};

pub(crate) fn run(command: &RulesCommand, session: &Session) -> Result<Exit, Failure> {
    match command {
        RulesCommand::List => {
            let (yara, sigma) = (RuleSet::builtin(), SigmaSet::builtin());
            let (code, advisories) = (detect::code_rules(), Advisories::builtin()?);
            let mut text = String::new();
            for rule in yara.infos().iter().chain(sigma.infos()).chain(&code) {
                let _ = writeln!(text, "{:<20} {:<9} {:>3}  {}", rule.id, rule.severity, rule.confidence, rule.title);
            }
            for known in advisories.all() {
                let (id, severity, confidence) = (known.rule(), known.severity(), known.confidence());
                let _ = writeln!(text, "{id:<20} {severity:<9} {confidence:>3}  {} ({})", known.title, known.module);
            }
            session.ui.data(&text)?;
            let (yara, sigma, code) = (yara.len(), sigma.len(), code.len());
            session.ui.note(&format!(
                "{yara} YARA rules for files, {sigma} Sigma rules for logs, {code} rules in code, {} advisories.",
                advisories.all().len()
            ));
            Ok(Exit::Done)
        }
        RulesCommand::Check { paths } => {
            let (lists, paths): (Vec<PathBuf>, Vec<PathBuf>) =
                paths.iter().cloned().partition(|path| allow::is_list(path) && !is_of_rules(path));
            let mut checked = if lists.is_empty() { Exit::Done } else { allow::check(&lists, session)? };
            if paths.is_empty() {
                return Ok(checked);
            }
            let sources = rule_files::sources(&paths, false)?;
            for RuleSource { name, text } in &sources.advisories {
                match Advisories::read(name, text.as_bytes()) {
                    Ok(read) => session.ui.note(&format!("`{name}`: {} advisories.", read.all().len())),
                    Err(error) => {
                        session.ui.data(&format!("{error}\n"))?;
                        checked = Exit::Error;
                    }
                }
            }
            if sources.yara.is_empty() && sources.sigma.is_empty() && !sources.advisories.is_empty() {
                return Ok(checked);
            }
            let (yara, mut problems) = RuleSet::compile(&sources.yara);
            let (sigma, mut more) = SigmaSet::compile(&sources.sigma);
            problems.append(&mut more);
            let mut text = String::new();
            for problem in &problems {
                let _ = writeln!(text, "{problem}\n{}\n", problem.report.trim_end());
            }
            session.ui.data(&text)?;
            let broken = problems.iter().filter(|problem| problem.kind == ProblemKind::Broken).count();
            let ignored = problems.iter().filter(|problem| problem.kind == ProblemKind::Ignored).count();
            let left_out = if ignored > 0 { format!(", {ignored} left out") } else { String::new() };
            session.ui.note(&format!(
                "{} rules compiled{left_out}, {broken} files or rules broken.",
                yara.len() + sigma.len()
            ));
            Ok(if broken > 0 { Exit::Error } else { checked })
        }
        RulesCommand::Test { paths, samples, clean } => test(paths, samples, clean, session),
    }
}

/// Holds rules to what they promise. Every rule that misses, every false alarm and every rule that names no sample is a line.
fn test(paths: &[PathBuf], samples: &Path, clean: &[PathBuf], session: &Session) -> Result<Exit, Failure> {
    let sources = rule_files::sources(paths, paths.is_empty())?;
    let (rules, mut problems) = RuleSet::compile(&sources.yara);
    let (sigma, mut more) = SigmaSet::compile(&sources.sigma);
    problems.append(&mut more);
    let mut text = String::new();
    let broken = problems.iter().filter(|problem| problem.kind == ProblemKind::Broken);
    let mut failures = broken.map(|problem| writeln!(text, "broken       {problem}")).count();
    let detector = Arc::new(YaraDetector::new(rules.clone(), YaraOptions::default()));
    let (mut hits, mut untested) = (0, 0);
    for (rule, is_sigma) in
        rules.infos().iter().map(|rule| (rule, false)).chain(sigma.infos().iter().map(|rule| (rule, true)))
    {
        let said = |key: &str| rule.other.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let Some(sample) = said("sample") else {
            let _ = writeln!(text, "no sample    {} ({})", rule.id, rule.source);
            untested += 1;
            continue;
        };
        let sample_file = samples.join(sample);
        let is_hit = if is_sigma {
            hit_in_log(&sigma, rule, &sample_file, said("sample_path"))?
        } else {
            hit(&detector, rule, &sample_file, said("sample_path"))?
        };
        if is_hit {
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
        let logs = LogDetector::new(sigma.clone());
        let detectors = Detectors::new(vec![Box::new(Arc::clone(&detector)), Box::new(logs)]);
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
        rules.len() + sigma.len()
    ));
    Ok(if failures > 0 { Exit::Error } else { Exit::Done })
}

/// Says whether a file is one of Sigma rules or advisories and no allow-list, which has the same ending.
fn is_of_rules(path: &Path) -> bool {
    let is = |text: &str| rule_files::is_rule(text) || Advisories::is_one(text);
    rule_files::is_yaml(path) && std::fs::read_to_string(path).is_ok_and(|text| is(&text))
}

/// Says whether a rule finds its sample, a log, at the place that the rule names or in that of an access log.
fn hit_in_log(rules: &SigmaSet, rule: &RuleInfo, sample: &Path, place: Option<&str>) -> Result<bool, Failure> {
    let content = read_sample(rule, sample)?;
    let path = EvidencePath::new(place.unwrap_or("/var/log/apache2/access.log"))?;
    let meta = FileMeta::bare(FileKind::File, Mode::new(0o640), content.len() as u64);
    let detectors = Detectors::new(vec![Box::new(LogDetector::new(rules.clone()))]);
    let file = Swept { path: &path, meta: &meta, sha256: Some(Digest::of(&content)), content: Some(&content) };
    sweep::Visitor::visit(&detectors, &file);
    let found = detectors.conclude(&HostContext { is_host: false, gaps: &[], selects: &|_| true }).value;
    Ok(found.iter().any(|finding| finding.rule.0 == rule.id && finding.severity == rule.severity))
}

fn read_sample(rule: &RuleInfo, sample: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(sample).map_err(|error| {
        let context = format!("reading the sample `{}` of {}", escape(sample.as_os_str().as_encoded_bytes()), rule.id);
        Failure::hinted(
            anyhow::Error::new(error).context(context),
            "`--samples DIR` names the folder that holds the samples",
        )
    })
}

/// Says whether a rule finds its sample, at the place that the rule names or in a web root.
fn hit(detector: &YaraDetector, rule: &RuleInfo, sample: &Path, place: Option<&str>) -> Result<bool, Failure> {
    let name = sample.file_name().unwrap_or_default().as_encoded_bytes();
    let content = read_sample(rule, sample)?;
    let path = place.map_or_else(|| [b"/var/www/html/", name].concat(), |place| place.as_bytes().to_vec());
    let path = EvidencePath::new(path)?;
    let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), content.len() as u64);
    let file = Swept { path: &path, meta: &meta, sha256: Some(Digest::of(&content)), content: Some(&content) };
    Ok(detector.look(&file, &content).findings.iter().any(|finding| finding.rule.0 == rule.id))
}
