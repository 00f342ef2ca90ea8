//! The analyser as a detector of the sweep.

use super::{Limits, analyse, finding, gate};
use crate::detect::{Detector, Inside, Layer, Report};
use crate::model::{FileKind, Gap, GapReason, Subject};
use crate::sweep::Swept;

/// What is told of a script that costs more than an analysis may. The same script always does.
pub(in super::super) const CUT: &str = "the PHP analyser did not look at all of it: a limit was reached";

/// Analyses each PHP file, and gives the code that it decodes to the other detectors.
#[derive(Default)]
pub struct PhpDetector {
    limits: Limits,
}

impl PhpDetector {
    /// A detector with `limits` for each file.
    pub fn new(limits: Limits) -> Self {
        Self { limits }
    }
}

impl Detector for PhpDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        let (FileKind::File, Some(content)) = (file.meta.kind, file.content) else { return };
        if !gate::is_worth_it(content) {
            return;
        }
        let gap = |reason, detail: &str| Gap::new(file.path.clone(), reason, detail);
        let Some(analysis) = analyse(content, &self.limits) else {
            report.gaps.push(gap(GapReason::Unreadable, "the PHP analyser failed on it"));
            return;
        };
        if analysis.is_cut {
            report.gaps.push(gap(GapReason::LimitReached, CUT));
        }
        let subject = Subject::File { path: file.path.clone(), sha256: file.sha256 };
        report.findings.extend(finding::findings(&analysis, content, &subject));
        let layers = analysis.layers.into_iter().filter(|layer| layer.is_hidden);
        report.layers.extend(layers.map(|layer| Layer { text: layer.text, line: layer.line, depth: layer.depth }));
    }

    fn looks_inside(&self, inside: Inside) -> bool {
        inside == Inside::Member
    }
}
