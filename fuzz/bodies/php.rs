//! The PHP analyser: a script in, findings and the code hidden in it out.

use super::parser::path;
use triage_core::detect::{Detector as _, PhpDetector, PhpLimits, Report};
use triage_core::model::{FileKind, FileMeta, Mode};
use triage_core::sweep::Swept;

/// Tight, so that a walk that runs away shows as a hang.
const LIMITS: PhpLimits = PhpLimits {
    max_bytes: 1 << 20,
    max_tokens: 100_000,
    fuel: 300_000,
    max_layers: 50,
    max_layer_bytes: 1 << 20,
    max_layer_depth: 20,
};

/// The analyser has no state: each input is judged by itself.
pub(super) fn php(data: &[u8]) {
    let at = path("/var/www/html/x.php");
    let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), data.len() as u64);
    let mut report = Report::default();
    PhpDetector::new(LIMITS).inspect(&Swept { path: &at, meta: &meta, sha256: None, content: Some(data) }, &mut report);
    assert!(report.layers.len() <= LIMITS.max_layers, "more layers than the limit allows");
    let bytes: usize = report.layers.iter().map(|layer| layer.text.len()).sum();
    assert!(bytes <= LIMITS.max_layer_bytes, "more bytes of layers than the limit allows");
    assert!(report.layers.iter().all(|layer| layer.depth <= LIMITS.max_layer_depth), "a layer too deep");
    assert!(report.gaps.iter().all(|gap| !gap.to_string().contains("failed")), "the analyser failed");
}
