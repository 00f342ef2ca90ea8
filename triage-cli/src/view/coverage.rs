//! What a collection covered, as a short table. The whole is in the bundle, as `triage/coverage.json`.

use super::findings::count;
use crate::progress::human_bytes;
use comfy_table::{CellAlignment, Table, presets};
use std::fmt::Write as _;
use triage_core::collect::{Counts, Coverage};
use triage_core::model::escape;

/// Mounts, holes and rotations that are named.
const NAMED: usize = 6;

/// The table of artifacts, and what a responder has to know of mounts, logs and files that moved.
pub(crate) fn table(coverage: &Coverage) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["artifact", "matched", "collected", "bytes", "listed", "skipped"]);
    let rows = coverage.artifacts.iter().map(|artifact| (artifact.name.as_str(), &artifact.counts));
    let (met, unmet): (Vec<_>, Vec<_>) = rows.partition(|(_, counts)| counts.matched > 0 || !counts.skipped.is_empty());
    for (name, counts) in met.into_iter().chain([("in all", &coverage.total)]) {
        table.add_row([
            escape(name.as_bytes()),
            counts.matched.to_string(),
            counts.collected.to_string(),
            human_bytes(counts.collected_bytes),
            counts.listed_only.to_string(),
            skipped(counts),
        ]);
    }
    for column in 1..5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut out = format!("{table}\n");
    if !unmet.is_empty() {
        let names: Vec<_> = unmet.iter().map(|(name, _)| escape(name.as_bytes())).collect();
        let _ = writeln!(out, "nothing on this host: {}", names.join(", "));
    }
    out.push_str(&notes(coverage));
    out
}

fn skipped(counts: &Counts) -> String {
    let reasons = counts.skipped.iter().map(|(reason, number)| format!("{} {number}", escape(reason.as_bytes())));
    reasons.collect::<Vec<_>>().join(", ")
}

/// One line for a verification or a scan, and the notes.
pub(crate) fn short(coverage: &Coverage) -> String {
    let total = &coverage.total;
    let skipped = if total.skipped.is_empty() { String::new() } else { format!("; skipped: {}", skipped(total)) };
    format!(
        "coverage: {} matched, {} collected ({}), {} listed only{skipped}\n{}",
        count(usize::try_from(total.matched).unwrap_or(usize::MAX), "object"),
        total.collected,
        human_bytes(total.collected_bytes),
        total.listed_only,
        notes(coverage)
    )
}

fn notes(coverage: &Coverage) -> String {
    let mut out = String::new();
    if let Some(why) = &coverage.ended_by {
        let _ = writeln!(out, "ENDED EARLY: {}", escape(why.as_bytes()));
    }
    let passed_by: Vec<_> = coverage.mounts_passed_by().collect();
    if !passed_by.is_empty() {
        let _ = writeln!(out, "not visited: {} of {}", passed_by.len(), count(coverage.mounts.len(), "mount"));
        // What nobody asked for is in the statement; here is what somebody may have expected.
        let asked = passed_by.iter().filter(|mount| mount.why.as_deref() != Some("nothing in it was asked for"));
        for mount in asked.clone().take(NAMED) {
            let why = mount.why.as_deref().unwrap_or_default();
            let _ = writeln!(out, "  {}: {}", mount.path, escape(why.as_bytes()));
        }
        if asked.clone().count() > NAMED {
            let _ = writeln!(out, "  and {} more", asked.count() - NAMED);
        }
    }
    out.push_str(&logs(coverage));
    let changed = coverage.changed.len() as u64 + coverage.more_changed;
    if changed > 0 {
        let _ = writeln!(out, "changed while they were read: {changed}");
    }
    if coverage.access_times_moved > 0 {
        let _ = writeln!(out, "access times that may have moved: {}", coverage.access_times_moved);
    }
    out
}

fn logs(coverage: &Coverage) -> String {
    let timed: Vec<_> =
        coverage.logs.iter().filter_map(|log| log.window.as_ref().map(|window| (log, window))).collect();
    if timed.is_empty() {
        return String::new();
    }
    let mut out = format!("logs with times: {}", timed.len());
    let backwards = timed.iter().filter(|(_, window)| window.backward_steps > 0).count();
    if backwards > 0 {
        let _ = write!(out, ", {backwards} of them with time that goes back");
    }
    let holes = coverage.holes();
    let _ = writeln!(out, ", {} in them", count(holes, "hole"));
    let inside = timed.iter().flat_map(|(log, window)| window.holes.iter().map(move |hole| (&log.path, hole)));
    let between =
        coverage.rotations.iter().flat_map(|rotation| rotation.holes.iter().map(|hole| (&rotation.path, hole)));
    for (path, hole) in inside.chain(between).take(NAMED) {
        let (from, to) = (escape(hole.from.as_bytes()), escape(hole.to.as_bytes()));
        let _ = writeln!(out, "  {path}: nothing from {from} to {to} ({} h)", hole.seconds / 3600);
    }
    if holes > NAMED {
        let _ = writeln!(out, "  and {} more", holes - NAMED);
    }
    let missing: Vec<_> = coverage.rotations.iter().filter(|rotation| !rotation.missing.is_empty()).collect();
    for rotation in missing.iter().take(NAMED) {
        let numbers: Vec<_> = rotation.missing.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "  {}: rotation {} is missing", rotation.path, numbers.join(", "));
    }
    out
}

/// The window of each log, a line each.
pub(crate) fn windows(coverage: &Coverage) -> String {
    let mut out = String::new();
    for log in &coverage.logs {
        if let Some(window) = &log.window {
            let (first, last) = (escape(window.first.as_bytes()), escape(window.last.as_bytes()));
            let _ = writeln!(out, "{}: {first} to {last}, {} entries", log.path, window.entries);
        }
    }
    out
}
