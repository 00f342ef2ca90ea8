//! Differences as tables: records first, because there are few of them and each says something; then files by what happened.

use super::findings::{count, gaps};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use triage_core::diff::{Change, DiffReport, FileChange, RecordChange};
use triage_core::model::escape;

/// Rows of one table; the others are counted, and all are in the JSON.
const ROWS: usize = 50;
/// Letters of one value.
const VALUE: usize = 120;

/// The differences for a person.
pub(crate) fn table(report: &DiffReport, is_all: bool) -> String {
    let mut out = String::new();
    let totals = report.totals;
    let _ = writeln!(
        out,
        "{} → {}: {} compared{}",
        report.old.target,
        report.new.target,
        count(usize::try_from(totals.compared).unwrap_or(usize::MAX), "object"),
        if totals.outside > 0 {
            format!(", {} that only one side was asked for", totals.outside)
        } else {
            String::new()
        },
    );
    let rows = if is_all { usize::MAX } else { ROWS };
    let mut groups: BTreeMap<&str, Vec<&RecordChange>> = BTreeMap::new();
    for record in &report.records {
        groups.entry(&record.group).or_default().push(record);
    }
    for (group, records) in groups {
        let lines =
            records.iter().map(|record| [record.change.as_str().to_owned(), record.path.to_string(), told(record)]);
        section(&mut out, &group.replace('_', " "), ["", "file", "what"], lines, rows);
    }
    for change in [Change::Added, Change::Removed, Change::Changed] {
        let files = report.files.iter().filter(|file| file.change == change);
        let lines = files.map(|file| [file.kind.as_str().to_owned(), file.path.to_string(), differences(file)]);
        section(&mut out, &format!("files {}", change.as_str()), ["type", "path", "what"], lines, rows);
    }
    for (noise, number) in &report.folded {
        let _ = writeln!(out, "left out: {} ({}); `--all` lists them", count_of(*number), noise.as_str());
    }
    out.push_str(&gaps(&report.gaps));
    out
}

/// The result in one sentence.
pub(crate) fn last_line(report: &DiffReport) -> String {
    let number = |change: Change| report.files.iter().filter(|file| file.change == change).count();
    let gaps = count(report.gaps.len(), "gap");
    if report.files.is_empty() && report.records.is_empty() {
        return format!("No difference in what was compared; {gaps}.");
    }
    format!(
        "Different: {} added, {} removed, {} changed; {}; {gaps}.",
        count(number(Change::Added), "file"),
        number(Change::Removed),
        number(Change::Changed),
        count(report.records.len(), "record"),
    )
}

fn count_of(number: u64) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), "file")
}

fn section(out: &mut String, title: &str, head: [&str; 3], lines: impl Iterator<Item = [String; 3]>, rows: usize) {
    let lines: Vec<[String; 3]> = lines.collect();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "{title}: {}", lines.len());
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic).load_style(presets::UTF8_BORDERS_ONLY);
    if let Some((width, _)) = terminal_size::terminal_size_of(std::io::stdout()) {
        table.set_width(width.0);
    }
    table.set_header(head);
    for line in lines.iter().take(rows) {
        table.add_row(line);
    }
    let _ = writeln!(out, "{table}");
    if lines.len() > rows {
        let _ = writeln!(out, "and {} more; `--all` lists them", lines.len() - rows);
    }
}

fn differences(file: &FileChange) -> String {
    if file.differences.is_empty() {
        return crate::progress::human_bytes(file.size);
    }
    let told = file
        .differences
        .iter()
        .map(|difference| format!("{} {} → {}", difference.what, difference.old, difference.new));
    told.collect::<Vec<_>>().join("\n")
}

/// The record's own fields, or what of them is another.
fn told(record: &RecordChange) -> String {
    if record.change == Change::Changed {
        let told = record
            .differences
            .iter()
            .map(|difference| format!("{} {} → {}", difference.field, value(&difference.old), value(&difference.new)));
        let name = record.record.get("name").map(|name| format!("{}: ", value(name))).unwrap_or_default();
        return name + &told.collect::<Vec<_>>().join(", ");
    }
    let Value::Object(fields) = &record.record else { return String::new() };
    // A cron job's line and a key's say it all.
    if let Some(text) = fields.get("text") {
        return value(text);
    }
    let is_told = |field: &str| !matches!(field, "kind" | "path" | "path_b64" | "line");
    let told =
        fields.iter().filter(|(field, _)| is_told(field)).map(|(field, found)| format!("{field} {}", value(found)));
    told.collect::<Vec<_>>().join(", ")
}

/// A value of a record in one line; what came from the evidence is escaped again, because JSON keeps it as it was.
fn value(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    };
    let mut short: String = text.chars().take(VALUE).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    escape(short.as_bytes())
}
