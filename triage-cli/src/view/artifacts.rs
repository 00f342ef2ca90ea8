//! Definitions, what they come to, and how much that is.

use super::findings::count;
use crate::progress::human_bytes;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::fmt::Write as _;
use triage_core::collect::definition::{Definition, Effect, Notice, Treatment};
use triage_core::collect::{Budget, Estimate, Explanation, Listing, Sized};
use triage_core::model::escape;

/// What a path comes to is named so many times; the rest is counted and stands in the JSON.
const NAMED: usize = 6;

/// One JSON document.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// Profiles and artifacts.
pub(crate) fn list(listing: &Listing<'_>) -> String {
    let mut profiles = table(["profile", "what", "includes", "artifacts", "from"]);
    for profile in &listing.profiles {
        let includes: Vec<&str> = profile.includes.iter().map(|include| include.name.as_str()).collect();
        profiles.add_row([
            profile.name.clone(),
            shown(&profile.title),
            shown(&includes.join(", ")),
            profile.artifacts.len().to_string(),
            source(profile.origin.is_builtin, profile.origin.format.as_str()),
        ]);
    }
    let mut artifacts = table(["artifact", "what", "how", "from"]);
    for artifact in &listing.artifacts {
        artifacts.add_row([
            artifact.name.clone(),
            shown(&artifact.title),
            how(artifact),
            source(artifact.origin.is_builtin, artifact.origin.format.as_str()),
        ]);
    }
    format!("{profiles}\n{artifacts}\n")
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic).load_style(presets::UTF8_BORDERS_ONLY);
    if let Some((width, _)) = terminal_size::terminal_size_of(std::io::stdout()) {
        table.set_width(width.0);
    }
    table.set_header(header);
    table
}

fn source(is_builtin: bool, format: &str) -> String {
    if is_builtin { "built in".to_owned() } else { format.to_owned() }
}

fn how(artifact: &Definition) -> String {
    let mut words: Vec<String> = Vec::new();
    let treatments: std::collections::BTreeSet<Treatment> = artifact.rules.iter().map(|rule| rule.treatment).collect();
    words.extend(treatments.into_iter().map(|treatment| done(treatment).to_owned()));
    if artifact.is_sensitive {
        words.push("secret".to_owned());
    }
    if !artifact.volatile.is_empty() {
        words.push("live".to_owned());
    }
    if !artifact.members.is_empty() {
        words.push(format!("{} others", artifact.members.len()));
    }
    words.join(", ")
}

fn done(treatment: Treatment) -> &'static str {
    match treatment {
        Treatment::List => "listed",
        Treatment::Hash => "hashed",
        Treatment::Collect => "collected",
    }
}

/// Text of a definition, which may be anybody's.
fn shown(text: &str) -> String {
    escape(text.as_bytes())
}

/// A limitation, in a line.
pub(crate) fn notice(notice: &Notice) -> String {
    let effect = match notice.effect {
        Effect::Less => "not read",
        Effect::More => "read more than asked",
        Effect::Replaces => "replaced",
    };
    format!("{}, line {}, {}: {} ({effect})", notice.file, notice.line, shown(&notice.name), notice.text)
}

/// What a profile or an artifact reads on a host.
pub(crate) fn explanation(explanation: &Explanation) -> String {
    let mut out = String::new();
    let Explanation { name, title, origin, .. } = explanation;
    let kind = if explanation.is_profile { "profile" } else { "artifact" };
    let _ = writeln!(out, "{kind} {}: {}", shown(name), shown(title));
    let _ = writeln!(out, "  defined in {}, line {} ({})", origin.file, origin.line, origin.format.as_str());
    if !explanation.in_profiles.is_empty() {
        let _ = writeln!(out, "  in the profiles {}", shown(&explanation.in_profiles.join(", ")));
    }
    for line in explanation.description.lines().filter(|_| explanation.is_profile) {
        let _ = writeln!(out, "  {}", shown(line));
    }
    for artifact in &explanation.artifacts {
        let secret = if artifact.is_sensitive { ", secret" } else { "" };
        let _ = writeln!(out, "\n{}: {}{secret}", shown(&artifact.name), shown(&artifact.title));
        for line in artifact.description.lines() {
            let _ = writeln!(out, "  {}", shown(line));
        }
        for url in &artifact.urls {
            let _ = writeln!(out, "  see {}", shown(url));
        }
        for path in &artifact.paths {
            let _ = write!(out, "  {:<9} {}", done(path.treatment), shown(&path.path));
            let is_same = matches!(path.patterns.as_slice(), [one] if *one == path.path);
            let _ = writeln!(out, "{}", if path.patterns.is_empty() { "  (nothing here)" } else { "" });
            for pattern in path.patterns.iter().filter(|_| !is_same).take(NAMED) {
                let _ = writeln!(out, "              {}", shown(pattern));
            }
            if path.patterns.len() > NAMED {
                let _ = writeln!(out, "              and {} more", path.patterns.len() - NAMED);
            }
            for except in &path.except {
                let _ = writeln!(out, "       not    {}", shown(except));
            }
        }
        for kind in &artifact.volatile {
            let _ = writeln!(out, "  live      {kind}, of a running host");
        }
        for command in &artifact.commands {
            let instead = command
                .served_by
                .map_or_else(|| "not run".to_owned(), |kind| format!("not run; {kind} are read instead"));
            let _ = writeln!(out, "  command   {} ({instead})", shown(&command.text));
        }
        for limit in &artifact.notices {
            let _ = writeln!(out, "  note      line {}: {}", limit.line, limit.text);
        }
    }
    let _ = writeln!(out, "\nhomes here: {}", nothing_or(&explanation.homes));
    let _ = writeln!(out, "web roots here: {}", nothing_or(&explanation.web_roots));
    out.push_str(&super::findings::gaps(&explanation.gaps));
    out
}

fn nothing_or(paths: &[String]) -> String {
    if paths.is_empty() { "none found".to_owned() } else { paths.join(" ") }
}

/// How much a collection would be.
pub(crate) fn estimate(estimate: &Estimate, budget: Budget) -> String {
    let mut out = String::new();
    let mut by_size: Vec<_> = estimate.artifacts.iter().filter(|artifact| artifact.objects > 0).collect();
    by_size.sort_by_key(|artifact| std::cmp::Reverse((artifact.size.bytes, artifact.objects)));
    if !by_size.is_empty() {
        let mut table = table(["artifact", "objects", "files", "bytes"]);
        for artifact in by_size {
            table.add_row([
                artifact.name.clone(),
                artifact.objects.to_string(),
                artifact.size.files.to_string(),
                human_bytes(artifact.size.bytes),
            ]);
        }
        let _ = writeln!(out, "{table}");
    }
    if !estimate.biggest.is_empty() {
        out.push_str("the largest files:\n");
        for file in &estimate.biggest {
            let _ = writeln!(out, "  {:>9}  {}", human_bytes(file.size_bytes), file.path);
        }
    }
    let mut line = |what: &str, size: Sized| {
        if size.files > 0 {
            let files = count(usize::try_from(size.files).unwrap_or(usize::MAX), "file");
            let _ = writeln!(out, "{what}: {files}, {}", human_bytes(size.bytes));
        }
    };
    line("hashed and not kept", estimate.hashed);
    line("listed and not read", estimate.listed);
    line(&format!("left out, over {}", human_bytes(budget.max_file_size)), estimate.left_out.too_large);
    line("left out, secret", estimate.left_out.secret);
    out.push_str(&super::findings::gaps(&estimate.gaps));
    let files = count(usize::try_from(estimate.collected.files).unwrap_or(usize::MAX), "file");
    let _ = writeln!(
        out,
        "{} objects; to collect: {files}, {} before compression.{}",
        estimate.objects,
        human_bytes(estimate.collected.bytes),
        if estimate.is_interrupted { " INTERRUPTED: it is more than that." } else { "" },
    );
    out
}
