//! The analyser as a detector of the sweep.

use super::{Limits, analyse, finding, gate};
use crate::detect::{Detector, Report};
use crate::model::{EvidencePath, FileKind, Finding, Gap, GapReason, Subject};
use crate::sweep::Swept;
use std::sync::Arc;

/// Looks into code that was found hidden in code, as another engine would look into a file.
pub trait LayerScanner: Send + Sync {
    /// What it finds in a layer of the file at `path`; the findings are about the file.
    fn scan_layer(&self, path: &EvidencePath, layer: &[u8]) -> Vec<Finding>;
}

/// Analyses each PHP file.
#[derive(Default)]
pub struct PhpDetector {
    limits: Limits,
    layers: Option<Arc<dyn LayerScanner>>,
}

impl PhpDetector {
    /// A detector with `limits` for each file.
    pub fn new(limits: Limits) -> Self {
        Self { limits, layers: None }
    }

    /// The same detector, which gives each decoded layer to `scanner` too.
    #[must_use]
    pub fn with_layers(mut self, scanner: Arc<dyn LayerScanner>) -> Self {
        self.layers = Some(scanner);
        self
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
            report
                .gaps
                .push(gap(GapReason::LimitReached, "the PHP analyser did not look at all of it: a limit was reached"));
        }
        let subject = Subject::File { path: file.path.clone(), sha256: file.sha256 };
        report.findings.extend(finding::findings(&analysis, content, &subject));
        if let Some(scanner) = &self.layers {
            for layer in &analysis.layers {
                report.findings.extend(scanner.scan_layer(file.path, &layer.text));
            }
        }
    }
}
