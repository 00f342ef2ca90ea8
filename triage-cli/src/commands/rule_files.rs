//! Reads files and folders of rules: YARA for files, Sigma for logs, advisories for versions.

use crate::exit::Failure;
use std::fs;
use std::path::{Path, PathBuf};
use triage_core::detect::{Advisories, RuleSet, RuleSource, SigmaSet};
use triage_core::model::escape;

/// Rules as text.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    pub(super) yara: Vec<RuleSource>,
    pub(super) sigma: Vec<RuleSource>,
    /// Beside the built-in ones.
    pub(super) advisories: Vec<RuleSource>,
}

impl Sources {
    /// All of them, for what depends on each.
    pub(super) fn all(&self) -> Vec<RuleSource> {
        self.yara.iter().chain(&self.sigma).chain(&self.advisories).cloned().collect()
    }
}

/// Reads rules from files and folders.
pub(super) fn sources(paths: &[PathBuf], with_builtin: bool) -> Result<Sources, Failure> {
    let mut sources = Sources::default();
    if with_builtin {
        sources = Sources { yara: RuleSet::builtin_sources(), sigma: SigmaSet::builtin_sources(), ..sources };
    }
    for path in paths {
        read(path, true, &mut sources)?;
    }
    Ok(sources)
}

fn read(path: &Path, is_named: bool, sources: &mut Sources) -> Result<(), Failure> {
    let name = escape(path.as_os_str().as_encoded_bytes());
    let fail = |error: std::io::Error| {
        Failure::hinted(
            anyhow::Error::new(error).context(format!("reading rules from `{name}`")),
            "name a file of YARA rules (.yar, .yara), Sigma rules or advisories (.yml, .yaml), or a folder of them",
        )
    };
    if fs::metadata(path).map_err(fail)?.is_dir() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(path).map_err(fail)?.filter_map(Result::ok).map(|entry| entry.path()).collect();
        entries.sort();
        return entries.iter().try_for_each(|entry| read(entry, false, sources));
    }
    let is_yara = path.extension().is_some_and(|extension| extension == "yar" || extension == "yara");
    if !(is_named || is_yara || is_yaml(path)) {
        return Ok(());
    }
    let text = String::from_utf8(fs::read(path).map_err(fail)?)
        .map_err(|_| anyhow::anyhow!("rules in `{name}` are not UTF-8 text"))?;
    if !is_yaml(path) {
        sources.yara.push(RuleSource { name, text });
    } else if Advisories::is_one(&text) {
        sources.advisories.push(RuleSource { name, text });
    } else if is_named || is_rule(&text) {
        // A folder holds other YAML too.
        sources.sigma.push(RuleSource { name, text });
    }
    Ok(())
}

pub(super) fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml")
}

/// Says whether a text in YAML has the two fields that every rule of Sigma has, or is a correlation of rules.
pub(super) fn is_rule(text: &str) -> bool {
    let has = |field: &str| text.lines().any(|line| line.starts_with(field));
    (has("logsource:") && has("detection:")) || has("correlation:")
}
