//! The records of two states: accounts, cron jobs, units, modules, keys, and whatever else the parsers give.
//!
//! A record is one thing by what names it (an account by its file and name, a cron job by its file and line of text); the other
//! fields are what may have changed. Where a line stands in its file is neither.

use super::Change;
use crate::model::{EvidencePath, Gap, GapReason, Mechanism, Record};
use crate::parse;
use crate::sweep::Swept;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Most records of one side.
const MAX_RECORDS: usize = 500_000;

/// The fields that name a record, besides its file. A kind that is not here is named by all its fields.
const NAMED_BY: [(&str, &[&str]); 9] = [
    ("package", &["name", "architecture"]),
    ("password", &["name"]),
    ("fstab", &["target"]),
    ("account", &["name"]),
    ("group", &["name"]),
    ("cron", &["text"]),
    ("authorized_key", &["fingerprint"]),
    ("unit", &[]),
    ("module", &[]),
];
/// Kinds that tell what happened and not how things are: a log that has grown is no change of the host.
const EVENTS: [&str; 9] = [
    "audit_events",
    "auth_events",
    "ban_events",
    "bans",
    "journal_entries",
    "journal_files",
    "logins",
    "package_events",
    "typed_commands",
];
/// Fields that say where a record was found, not what it is.
const PLACE: [&str; 3] = ["line", "path_b64", "kind"];

/// One field that is not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordDifference {
    /// The field.
    pub field: String,
    /// What it was.
    pub old: Value,
    /// What it is.
    pub new: Value,
}

/// A record that is not the same in both states. In JSONL its `kind` is `"record_change"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordChange {
    /// The file it is in.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// The kind of record: `accounts`, `cron`, `units`, `modules`, `authorized_keys`.
    pub group: String,
    /// What happened to it.
    pub change: Change,
    /// The record as it is now, or was.
    pub record: Value,
    /// In what it differs; empty for one that was added or removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<RecordDifference>,
}

/// Group, file and name of a record.
type Key = (String, EvidencePath, String);

/// The records of one side.
#[derive(Default)]
pub(super) struct Records {
    found: Mutex<(BTreeMap<Key, Value>, u64)>,
}

impl Records {
    /// Adds what is in a file.
    pub(super) fn add(&self, file: &Swept<'_>) {
        let Some(bytes) = file.content.filter(|_| parse::wants(file.path)) else { return };
        let records = parse::records(file.path, file.meta, bytes, &parse::Limits::default()).value;
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        for record in records {
            let group = record.folder().to_owned();
            if EVENTS.contains(&group.as_str()) || is_told_already(&record) {
                continue;
            }
            let Ok(Value::Object(fields)) = serde_json::to_value(&record) else { continue };
            let key = (group, file.path.clone(), name(&fields));
            if found.0.len() < MAX_RECORDS {
                // Of two that have one name the first counts, as for the host.
                found.0.entry(key).or_insert(Value::Object(fields));
            } else {
                found.1 += 1;
            }
        }
    }
}

/// Says whether a record of another kind tells the same line.
fn is_told_already(record: &Record) -> bool {
    matches!(record, Record::StartupCommand(startup)
        if matches!(startup.mechanism, Mechanism::Cron | Mechanism::Systemd | Mechanism::Ssh))
}

fn name(fields: &Map<String, Value>) -> String {
    let kind = fields.get("kind").and_then(Value::as_str).unwrap_or_default();
    let named_by = NAMED_BY.iter().find(|(known, _)| *known == kind).map(|(_, fields)| *fields);
    let is_name = |field: &&String| match named_by {
        Some(named_by) => named_by.contains(&field.as_str()),
        None => !PLACE.contains(&field.as_str()),
    };
    let parts: Vec<String> =
        fields.iter().filter(|(field, _)| is_name(field)).map(|(_, value)| value.to_string()).collect();
    parts.join("\n")
}

/// Compares the records of both sides. Where the other side does not know a file, nothing is said of what is in it.
pub(super) fn compare(
    old: Records,
    new: Records,
    new_knows: &dyn Fn(&EvidencePath) -> bool,
    old_knows: &dyn Fn(&EvidencePath) -> bool,
    gaps: &mut Vec<Gap>,
) -> Vec<RecordChange> {
    let (mut before, more_before) = old.found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (after, more_after) = new.found.into_inner().unwrap_or_else(PoisonError::into_inner);
    if more_before + more_after > 0 {
        let detail = format!("{} records were too many to be compared", more_before + more_after);
        gaps.push(Gap::new(EvidencePath::root(), GapReason::LimitReached, detail));
    }
    let mut found = Vec::new();
    for (key, record) in after {
        let earlier = before.remove(&key);
        let (group, path, _) = key;
        match earlier {
            None if old_knows(&path) => {
                found.push(RecordChange { path, group, change: Change::Added, record, differences: Vec::new() });
            }
            None => {}
            Some(earlier) => {
                let differences = differences(&earlier, &record);
                if !differences.is_empty() {
                    found.push(RecordChange { path, group, change: Change::Changed, record, differences });
                }
            }
        }
    }
    for ((group, path, _), record) in before {
        if new_knows(&path) {
            found.push(RecordChange { path, group, change: Change::Removed, record, differences: Vec::new() });
        }
    }
    found.sort_by(|a, b| (&a.group, &a.path, a.change).cmp(&(&b.group, &b.path, b.change)));
    found
}

fn differences(old: &Value, new: &Value) -> Vec<RecordDifference> {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return Vec::new() };
    let mut fields: Vec<&String> = old.keys().chain(new.keys()).collect();
    fields.sort_unstable();
    fields.dedup();
    fields
        .into_iter()
        .filter(|field| !PLACE.contains(&field.as_str()) && old.get(*field) != new.get(*field))
        .map(|field| RecordDifference {
            field: field.clone(),
            old: old.get(field).cloned().unwrap_or_default(),
            new: new.get(field).cloned().unwrap_or_default(),
        })
        .collect()
}
