//! Hits → findings.

use super::rule::Hit;
use super::{Analysis, Layer};
use crate::model::{Evidence, Finding, RawText, Subject};

/// Steps of one way that a finding shows.
const SHOWN_STEPS: usize = 12;
/// Ways that a finding shows.
const SHOWN_WAYS: usize = 5;
/// Bytes of a layer that a finding shows.
const SHOWN_BYTES: usize = 300;

/// Says whether the file was encoded for a loader (`ionCube`, `SourceGuardian`, `Zend Guard`), which leaves nothing to read.
pub(super) fn is_encoded(text: &[u8]) -> bool {
    const MARKS: [&[u8]; 6] =
        [b"_il_exec(", b"ioncube_loader", b"sg_load(", b"sourceguardian", b"<?php @Zend;", b"zend_loader_enabled"];
    let head = text.get(..text.len().min(8192)).unwrap_or(text);
    let lower = head.to_ascii_lowercase();
    MARKS.iter().any(|mark| super::lexer::find(&lower, 0, &mark.to_ascii_lowercase()).is_some())
}

/// One finding for each rule that hit, with the gravest of its hits first.
pub(super) fn findings(analysis: &Analysis, content: &[u8], subject: &Subject) -> Vec<Finding> {
    let mut out: Vec<Finding> = Vec::new();
    let mut shown: Vec<(&str, usize)> = Vec::new();
    for hit in &analysis.hits {
        let ways = shown.iter().filter(|(id, _)| *id == hit.rule.id).count();
        if ways >= SHOWN_WAYS {
            continue;
        }
        shown.push((hit.rule.id, ways));
        let evidence = evidence(hit, content, ways);
        if let Some(finding) = out.iter_mut().find(|finding| finding.rule.0 == hit.rule.id) {
            finding.evidence.extend(evidence);
            continue;
        }
        let mut finding = Finding::new(
            hit.rule.id,
            hit.rule.title,
            (hit.rule.category, hit.severity, hit.confidence),
            subject.clone(),
            evidence,
        );
        if let Some(layer) = layer_of(hit, &analysis.layers) {
            finding.evidence.push(attribute(&format!("layer_{}", layer.depth), &decoded(layer)));
        }
        out.push(finding.with_attack(hit.rule.attack.iter().copied()));
    }
    out
}

fn attribute(name: &str, value: &[u8]) -> Evidence {
    Evidence::Attribute { name: name.to_owned(), value: RawText::from(value) }
}

fn decoded(layer: &Layer) -> Vec<u8> {
    layer.text.get(..layer.text.len().min(SHOWN_BYTES)).unwrap_or_default().to_vec()
}

/// The decoded code in which a hit lies, or which it uncovered.
fn layer_of<'a>(hit: &Hit, layers: &'a [Layer]) -> Option<&'a Layer> {
    let (line, depth, _) = hit.steps.last()?;
    layers
        .iter()
        .find(|layer| layer.is_hidden && layer.line == *line && layer.depth == depth + 1)
        .or_else(|| layers.iter().find(|layer| layer.depth == *depth))
}

fn evidence(hit: &Hit, content: &[u8], way: usize) -> Vec<Evidence> {
    let mut out = Vec::new();
    for (line, layer, what) in hit.steps.iter().take(SHOWN_STEPS) {
        let place = if *layer == 0 { format!("line {line}") } else { format!("layer {layer}, line {line}") };
        out.push(attribute(&format!("path_{}", way + 1), format!("{place}: {what}").as_bytes()));
    }
    if let Some((line, 0, _)) = hit.steps.last()
        && let Some(text) = content.split(|&b| b == b'\n').nth(usize::try_from(line.saturating_sub(1)).unwrap_or(0))
    {
        let text = text.trim_ascii();
        let shown = text.get(..text.len().min(200)).unwrap_or_default();
        out.push(Evidence::Line { line: u64::from(*line), text: RawText::from(shown) });
    }
    if hit.is_dead {
        out.push(attribute("unreachable", b"stands behind a statement that ends the script"));
    }
    out
}
