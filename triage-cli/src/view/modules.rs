//! The standing of `FreePBX` modules as a table.

use super::findings::{count, gaps};
use comfy_table::{ContentArrangement, Table, presets};
use std::fmt::Write as _;
use triage_core::detect::{ModuleStanding, ModulesReport};
use triage_core::model::EvidencePath;

/// Files of one kind that are named of one module; all are in the JSON.
const NAMED: usize = 20;

/// The modules for a person: one row each, then what is wrong with which file.
pub(crate) fn table(report: &ModulesReport) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}: {}", report.target, count(report.modules.len(), "module"));
    if !report.modules.is_empty() {
        let mut table = Table::new();
        table.set_content_arrangement(ContentArrangement::Dynamic).load_style(presets::UTF8_BORDERS_ONLY);
        if let Some((width, _)) = terminal_size::terminal_size_of(std::io::stdout()) {
            table.set_width(width.0);
        }
        table.set_header(["module", "version", "state", "signature", "files"]);
        let several_roots = report
            .modules
            .iter()
            .any(|module| report.modules.first().is_some_and(|first| first.path.parent() != module.path.parent()));
        for module in &report.modules {
            let name = if several_roots { module.path.to_string() } else { module.name.to_string() };
            table.add_row([
                name,
                module.version.clone().unwrap_or_default(),
                states(module),
                signature(module),
                files(module),
            ]);
        }
        let _ = writeln!(out, "{table}");
        for module in &report.modules {
            let totals = module.totals;
            named(&mut out, "altered", &module.altered, totals.altered);
            named(&mut out, "unlisted", &module.unlisted, totals.unlisted);
            named(&mut out, "missing", &module.missing, totals.missing);
            for archive in module.archives.iter().filter(|archive| archive.signature.state.as_str() != "good") {
                let _ = writeln!(out, "archive {}: {}", archive.signature.state.as_str(), archive.path);
            }
        }
        for key in &report.keys {
            let place = key.files.first().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(out, "key {}: {place}", key.fingerprint);
        }
    }
    out.push_str(&gaps(&report.gaps));
    out
}

fn states(module: &ModuleStanding) -> String {
    let words: Vec<&str> = module.states.iter().map(|state| state.as_str()).collect();
    words.join(", ")
}

fn signature(module: &ModuleStanding) -> String {
    let Some(verdict) = &module.signature else { return "none".to_owned() };
    let mut text = verdict.state.as_str().to_owned();
    if let Some(key) = &verdict.key {
        // The id is what people know a key by; the whole fingerprint is in the JSON.
        let id = key.len().checked_sub(16).and_then(|at| key.get(at..)).unwrap_or(key);
        let _ = write!(text, ", {id}");
    }
    if let Some(hash) = &verdict.hash {
        let _ = write!(text, ", {hash}");
    }
    text
}

fn files(module: &ModuleStanding) -> String {
    let totals = module.totals;
    let mut parts = Vec::new();
    if module.listed > 0 {
        parts.push(format!("{} of {} as signed", module.matching, module.listed));
    }
    for (number, word) in [(totals.altered, "altered"), (totals.unlisted, "unlisted"), (totals.missing, "missing")] {
        if number > 0 {
            parts.push(format!("{number} {word}"));
        }
    }
    parts.join(", ")
}

fn named(out: &mut String, word: &str, paths: &[EvidencePath], total: u64) {
    for path in paths.iter().take(NAMED) {
        let _ = writeln!(out, "{word}: {path}");
    }
    if let Some(more @ 1..) = total.checked_sub(NAMED as u64) {
        let _ = writeln!(out, "{word}: and {more} more; `--format json` lists them");
    }
}

/// The result in one sentence.
pub(crate) fn last_line(report: &ModulesReport) -> String {
    let (good, all) = (report.good(), report.modules.len());
    let gaps = count(report.gaps.len(), "gap");
    if all == 0 {
        return format!("No FreePBX module was found in what was read; {gaps}.");
    }
    format!(
        "{good} of {} as the vendor signed them; {gaps}. What the database says of modules is not looked at.",
        count(all, "module")
    )
}
