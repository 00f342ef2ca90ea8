//! The standing of all modules as JSON. The shape is specified in `docs/formats/modules.md`.

use super::ModuleStanding;
use crate::model::{EvidencePath, Gap, HostIdentity, Timestamp, Verdict};
use crate::parse::openpgp::Fingerprint;
use serde::Serialize;

/// Version of the format.
pub const FORMAT_VERSION: u32 = 1;

/// How all modules of a target stand.
#[derive(Clone, Debug, Serialize)]
pub struct ModulesReport {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// `triage` and its version.
    pub tool: String,
    /// When it was made.
    pub created: Timestamp,
    /// What was looked at, escaped.
    pub target: String,
    /// The host it is of.
    pub host: HostIdentity,
    /// What the findings about modules alone come to.
    pub verdict: Verdict,
    /// Pinned keys that the evidence has, and where.
    pub keys: Vec<KeyPlaces>,
    /// Each module, by its folder.
    pub modules: Vec<ModuleStanding>,
    /// What was not read or could not be checked.
    pub gaps: Vec<Gap>,
}

/// A pinned key that was found.
#[derive(Clone, Debug, Serialize)]
pub struct KeyPlaces {
    /// The key.
    pub fingerprint: Fingerprint,
    /// The files that have it.
    pub files: Vec<EvidencePath>,
}

/// One JSON document.
///
/// # Errors
/// None in practice.
pub fn modules_json(report: &ModulesReport) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// One JSON object a line: a `module` each, `gap`s, then one `modules` with the counts.
///
/// # Errors
/// None in practice.
pub fn modules_jsonl(report: &ModulesReport) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Line<'a, T> {
        kind: &'static str,
        format_version: u32,
        target: &'a str,
        #[serde(flatten)]
        body: &'a T,
    }
    #[derive(Serialize)]
    struct Summary<'a> {
        tool: &'a str,
        created: Timestamp,
        host: &'a HostIdentity,
        verdict: Verdict,
        keys: &'a [KeyPlaces],
        modules: usize,
        good: usize,
        gaps: usize,
    }
    fn push(out: &mut String, kind: &'static str, target: &str, body: &impl Serialize) -> serde_json::Result<()> {
        out.push_str(&serde_json::to_string(&Line { kind, format_version: FORMAT_VERSION, target, body })?);
        out.push('\n');
        Ok(())
    }
    let mut out = String::new();
    let target = report.target.as_str();
    report.modules.iter().try_for_each(|module| push(&mut out, "module", target, module))?;
    report.gaps.iter().try_for_each(|gap| push(&mut out, "gap", target, gap))?;
    let summary = Summary {
        tool: &report.tool,
        created: report.created,
        host: &report.host,
        verdict: report.verdict,
        keys: &report.keys,
        modules: report.modules.len(),
        good: report.good(),
        gaps: report.gaps.len(),
    };
    push(&mut out, "modules", target, &summary)?;
    Ok(out)
}

impl ModulesReport {
    /// How many are as the vendor signed them.
    pub fn good(&self) -> usize {
        self.modules.iter().filter(|module| module.worst() == super::ModuleState::Good).count()
    }
}
