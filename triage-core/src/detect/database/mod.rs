//! What a PBX's database has that no module of FreePBX puts there: administrators, jobs, hooks, triggers, ways for calls to leave.
//!
//! It judges rows, wherever they come from: the running server and a copy of its files through records, and dumps that lie in the evidence as files. Such
//! a dump is an earlier state that somebody kept, so what stands in it weighs less. Each rule names where its knowledge comes from and how
//! well that is founded ([`Grade`]). Judgement falls at the end, because rows lean on others: a job on the modules that there are.

mod account;
mod forward;
mod job;
mod route;
mod server;
mod setting;
#[cfg(test)]
mod tests;

use super::{Detector, HostContext, Indicators, Inside, Report};
use crate::model::{Category, DatabaseRow, Evidence, Finding, Gap, GapReason, Record, Severity, Subject, escape};
use crate::parse::{Format, Limits, astdb, mysqldump};
use crate::sweep::Swept;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// The most rows that are remembered for the conclusion, of one table.
const MAX_ROWS: usize = 20_000;

/// The most tables that rows are remembered of.
const MAX_TABLES: usize = 500;

/// How much of a value is shown in a finding, in bytes.
const SHOWN: usize = 400;

/// The most confidence that a finding about a dump has that lies in the evidence.
const KEPT_CONFIDENCE: u8 = 70;

/// The most bytes that a dump in the evidence may unpack to.
const DUMP_BUDGET: u64 = 128 << 20;

/// How well a rule's knowledge is founded (as in its references).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    /// Read in the source that is named.
    Read,
    /// Known through somebody who read it.
    SecondHand,
    /// Concluded, and stated by nobody.
    Derived,
}

impl Grade {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read in the source",
            Self::SecondHand => "second-hand",
            Self::Derived => "derived",
        }
    }
}

/// A rule: what does not change from finding to finding.
struct Rule {
    id: &'static str,
    title: &'static str,
    category: Category,
    attack: &'static [&'static str],
    source: &'static str,
    grade: Grade,
}

/// Judges rows of the database.
pub struct DatabaseDetector {
    indicators: Arc<Indicators>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Rows by table; those of the evidence's own database, and those of dumps that lie in it.
    current: Rows,
    kept: Rows,
    /// Folders of modules that were seen.
    folders: BTreeSet<Vec<u8>>,
    is_cut: bool,
}

/// Rows of one database by their table.
#[derive(Default)]
struct Rows(BTreeMap<Vec<u8>, Vec<DatabaseRow>>);

impl Rows {
    /// The rows of a table.
    fn of(&self, table: &str) -> &[DatabaseRow] {
        self.0.get(table.as_bytes()).map_or(&[], Vec::as_slice)
    }

    /// Keeps a row; says whether there was room.
    fn add(&mut self, row: DatabaseRow) -> bool {
        let table = row.table.as_bytes().to_vec();
        if self.0.len() >= MAX_TABLES && !self.0.contains_key(&table) {
            return false;
        }
        let rows = self.0.entry(table).or_default();
        if rows.len() >= MAX_ROWS {
            return false;
        }
        rows.push(row);
        true
    }
}

/// What a judge sees, and whom it tells.
struct Court<'a> {
    rows: &'a Rows,
    indicators: &'a Indicators,
    /// Says that the rows are of a dump that lies in the evidence.
    is_kept: bool,
    report: &'a mut Report,
}

impl Court<'_> {
    /// Tells a finding about a row, with the columns that matter.
    fn tell(&mut self, rule: &Rule, severity: Severity, confidence: u8, row: &DatabaseRow, columns: &[&str]) {
        self.tell_more(rule, severity, confidence, row, columns, Vec::new());
    }

    fn tell_more(
        &mut self,
        rule: &Rule,
        severity: Severity,
        confidence: u8,
        row: &DatabaseRow,
        columns: &[&str],
        more: Vec<Evidence>,
    ) {
        let mut evidence: Vec<Evidence> = columns
            .iter()
            .filter(|column| !row.text(column).is_empty())
            .map(|column| {
                let text = row.text(column);
                Evidence::Attribute { name: (*column).to_owned(), value: text.get(..SHOWN).unwrap_or(text).into() }
            })
            .collect();
        evidence.extend(more);
        let confidence = if self.is_kept { confidence.min(KEPT_CONFIDENCE) } else { confidence };
        let title =
            if self.is_kept { format!("{}, in a dump that lies here", rule.title) } else { rule.title.to_owned() };
        let finding = Finding::new(rule.id, title, (rule.category, severity, confidence), subject(row), evidence)
            .with_attack(rule.attack.iter().copied())
            .with_references([format!("{} ({})", rule.source, rule.grade.as_str())]);
        self.report.findings.push(finding);
    }
}

fn subject(row: &DatabaseRow) -> Subject {
    Subject::DatabaseRow {
        path: row.path.clone(),
        database: row.database.clone(),
        table: row.table.clone(),
        key: row.key_text(),
    }
}

impl DatabaseDetector {
    /// A detector with these indicators.
    pub fn new(indicators: Arc<Indicators>) -> Self {
        Self { indicators, state: Mutex::default() }
    }

    /// Takes the rows of a dump that lies in the evidence.
    fn dump(&self, file: &Swept<'_>, content: &[u8], report: &mut Report) {
        let is_plain = mysqldump::is_dump(content);
        if !is_plain && !content.starts_with(b"\x1f\x8b") && !content.starts_with(b"\x28\xb5\x2f\xfd") {
            return;
        }
        let limits = Limits { max_unpacked_bytes: DUMP_BUDGET, ..Limits::default() };
        let outcome = crate::parse::records(file.path, file.meta, content, &limits);
        // What could not be read of it, the collection tells; here it only matters that there was more.
        let is_cut = outcome.gaps.iter().any(|gap| gap.reason == GapReason::LimitReached);
        if is_cut {
            let detail = "a dump of a database of which not all was looked at: name it as a target";
            report.gaps.push(Gap::new(file.path.clone(), GapReason::LimitReached, detail));
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for record in outcome.value {
            if let Record::DatabaseRow(row) = record
                && is_judged(row.table.as_bytes())
            {
                let has_room = state.kept.add(row);
                state.is_cut |= !has_room;
            }
        }
    }
}

/// Says whether rows of a table are judged; of others there may be very many.
fn is_judged(table: &[u8]) -> bool {
    !matches!(table, b"cel" | b"notifications" | b"ucp_sessions" | b"queues_details" | b"queues_config")
}

impl Detector for DatabaseDetector {
    fn consider(&self, record: &Record, _: &mut Report) {
        if let Record::DatabaseRow(row) = record
            && is_judged(row.table.as_bytes())
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let has_room = state.current.add(row.clone());
            state.is_cut |= !has_room;
        }
    }

    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        if let Some(module) = module_folder(file) {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.folders.len() < MAX_ROWS && !state.folders.contains(module) {
                state.folders.insert(module.to_vec());
            }
        }
        let Some(content) = file.content.filter(|_| file.meta.is_file()) else { return };
        match Format::at(file.path) {
            Some(Format::MysqlDump) => self.dump(file, content, report),
            Some(Format::Astdb) => {
                let entries = astdb::parse(file.path, content, &Limits::default()).value;
                forward::entries(file, &entries, report);
            }
            _ => {}
        }
    }

    fn looks_inside(&self, inside: Inside) -> bool {
        inside == Inside::Member
    }

    fn conclude(&self, host: &HostContext, report: &mut Report) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (rows, is_kept) in [(&state.current, false), (&state.kept, true)] {
            let mut court = Court { rows, indicators: &self.indicators, is_kept, report };
            account::judge(&mut court);
            job::judge(&mut court);
            setting::judge(&mut court);
            route::judge(&mut court);
            forward::judge(&mut court);
            server::judge(&mut court);
            if !is_kept {
                job::missing_modules(&mut court, &state.folders, host);
            }
        }
        if state.is_cut {
            let detail = "more rows of the database than are remembered: not all were judged";
            report.gaps.push(Gap::new(crate::model::EvidencePath::root(), GapReason::LimitReached, detail));
        }
    }
}

/// The name of the module whose folder an object lies in: `…/admin/modules/NAME/…`.
fn module_folder<'a>(file: &'a Swept<'_>) -> Option<&'a [u8]> {
    const PLACE: &[u8] = b"/admin/modules/";
    let path = file.path.as_bytes();
    // Only one file of each module matters, and this is asked for every object.
    path.ends_with(b"/module.xml").then_some(())?;
    let at = path.windows(PLACE.len()).position(|part| part == PLACE)?;
    path.get(at + PLACE.len()..)?.strip_suffix(b"/module.xml").filter(|name| !name.contains(&b'/'))
}

/// Says whether a text has a word, in any case.
fn has(text: &[u8], word: &str) -> bool {
    text.windows(word.len().max(1)).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

/// An attribute of a finding.
fn attribute(name: &str, value: &[u8]) -> Evidence {
    Evidence::Attribute { name: name.to_owned(), value: value.get(..SHOWN).unwrap_or(value).into() }
}

/// What a table keeps under a key, in modules' key-value tables.
fn settings<'a>(rows: &'a [DatabaseRow], key: &'a str) -> impl Iterator<Item = &'a DatabaseRow> {
    rows.iter().filter(move |row| row.text("key") == key.as_bytes())
}

/// Text of the evidence in a message.
fn shown(text: &[u8]) -> String {
    escape(text.get(..SHOWN).unwrap_or(text))
}
