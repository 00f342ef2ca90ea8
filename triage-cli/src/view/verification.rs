//! What the verification of a bundle said.

use super::findings::count;
use crate::progress::human_bytes;
use serde_json::json;
use std::fmt::Write as _;
use triage_core::bundle::{Signature, Truncation, Verification};
use triage_core::model::{Digest, escape};

/// Failures that are named; a bundle that was cut in half has thousands.
const NAMED: usize = 50;

/// The result for a person; the last line is the sentence that counts.
pub(crate) fn text(verification: &Verification) -> String {
    let mut out = String::new();
    for failure in verification.failures.iter().take(NAMED) {
        let _ = writeln!(out, "FAILED {}: {}", failure.what, failure.why);
    }
    let failures = verification.failures.len() as u64 + verification.more_failures;
    if failures > NAMED as u64 {
        let _ = writeln!(out, "and {} more", failures - NAMED as u64);
    }
    if let Some(head) = &verification.chain_head {
        let _ = writeln!(out, "head of the collection log: {head}");
    }
    match &verification.signature {
        Signature::None | Signature::Invalid { .. } => {}
        Signature::Unchecked { key_id } => {
            let _ = writeln!(out, "signed by key ID {key_id}, not checked: `--public-key KEY` checks it");
        }
        Signature::Valid { key_id, comment } => {
            let _ = writeln!(out, "signed by key ID {key_id}: valid ({})", escape(comment.as_bytes()));
        }
    }
    if let Some(manifest) = verification.manifest.as_ref().filter(|manifest| !manifest.resumed.is_empty()) {
        let times: Vec<String> = manifest.resumed.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "the collection was killed and gone on with at {}", times.join(", "));
    }
    match (&verification.bundle_sha256, &verification.tag_manifest) {
        (None, None) => {}
        (sha256, tag_manifest) => {
            let stand_in = Digest::of(b"");
            let _ = writeln!(out, "{}", paper(sha256.as_ref(), tag_manifest.as_ref().unwrap_or(&stand_in)));
        }
    }
    let files = count(usize::try_from(verification.verified_files).unwrap_or(usize::MAX), "file");
    let bytes = human_bytes(verification.verified_bytes);
    let interrupted = verification
        .interrupted
        .as_ref()
        .map(|why| format!(" The collection was interrupted ({}).", escape(why.as_bytes())))
        .unwrap_or_default();
    let gaps = match gaps(verification) {
        0 => String::new(),
        gaps => format!(" It has {}.", count(usize::try_from(gaps).unwrap_or(usize::MAX), "gap")),
    };
    let _ = if let Some(truncated) = &verification.truncated {
        let Truncation { members, covered_files, detail, .. } = truncated;
        writeln!(
            out,
            "CUT SHORT after {}: {detail}. {} still vouched for by whole segments of the log; verified: {files}, {bytes}.",
            count(usize::try_from(*members).unwrap_or(usize::MAX), "member"),
            count(usize::try_from(*covered_files).unwrap_or(usize::MAX), "file"),
        )
    } else if verification.is_intact() {
        writeln!(
            out,
            "Intact: {files}, {bytes}; every hash agrees, nothing is missing, nothing was added.{interrupted}{gaps}"
        )
    } else {
        writeln!(out, "NOT INTACT: {}.", count(usize::try_from(failures).unwrap_or(usize::MAX), "failure"))
    };
    out
}

/// The line for the paper form: what `sha256sum` shows for the file, or for the tag manifest of a folder.
pub(crate) fn paper(sha256: Option<&Digest>, tag_manifest: &Digest) -> String {
    match sha256 {
        Some(sha256) => format!("sha256 of the bundle: {sha256}"),
        None => format!("sha256 of tagmanifest-sha256.txt: {tag_manifest}"),
    }
}

/// What the collection did not read, as the bundle says.
pub(crate) fn gaps(verification: &Verification) -> u64 {
    verification.manifest.as_ref().map_or(0, |manifest| manifest.totals.gaps)
}

/// The result as JSON.
pub(crate) fn json(verification: &Verification) -> Result<String, serde_json::Error> {
    let failures: Vec<_> =
        verification.failures.iter().map(|failure| json!({"what": failure.what, "why": failure.why})).collect();
    let document = json!({
        "format_version": 1,
        "is_intact": verification.is_intact(),
        "interrupted": verification.interrupted,
        "truncated": verification.truncated.as_ref().map(|truncation| json!({
            "members": truncation.members,
            "files": truncation.files,
            "covered_files": truncation.covered_files,
            "byte": truncation.byte,
            "detail": truncation.detail,
        })),
        "files": verification.verified_files,
        "size_bytes": verification.verified_bytes,
        "gaps": gaps(verification),
        "more_failures": verification.more_failures,
        "chain_head": verification.chain_head.as_ref().map(Digest::to_string),
        "tag_manifest_sha256": verification.tag_manifest.as_ref().map(Digest::to_string),
        "is_sealed": verification.is_sealed,
        "signature": match &verification.signature {
            Signature::None => json!({"state": "none"}),
            Signature::Unchecked { key_id } => json!({"state": "unchecked", "key_id": key_id}),
            Signature::Valid { key_id, comment } => json!({"state": "valid", "key_id": key_id, "comment": comment}),
            Signature::Invalid { why } => json!({"state": "invalid", "why": why}),
        },
        "resumed": verification.manifest.as_ref().map(|manifest| &manifest.resumed),
        "bundle_sha256": verification.bundle_sha256.as_ref().map(Digest::to_string),
        "failures": failures,
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}
