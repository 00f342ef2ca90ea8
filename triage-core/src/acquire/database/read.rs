//! Reads a server from end to end: what it has, the rows that matter, what it runs by itself, and the calls.

use super::DatabaseOptions;
use super::catalogue::{Catalogue, Place, Table, fields};
use super::client::{Client, ClientError, Row, literal, name};
use crate::model::{EvidencePath, Gap, GapReason, Record, escape};
use crate::parse::database::{Event, Origin, Routine, Shape, Trigger, is_told_of_calls, is_wanted};
use crate::source::Observation;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Whom what is read is given to.
pub(super) type Sink<'a> = &'a mut dyn FnMut(Observation) -> ControlFlow<()>;

/// The most programs of each kind.
const MAX_PROGRAMS: usize = 10_000;

/// One reading of a server.
pub(super) struct Reading<'a> {
    pub(super) client: Client,
    pub(super) origin: Origin<'a>,
    pub(super) options: &'a DatabaseOptions,
    pub(super) deadline: Instant,
    /// Says that calls are served meanwhile: then it rests between its questions.
    pub(super) is_live: bool,
    /// The database that is to be there.
    pub(super) expected: Option<&'a [u8]>,
}

/// How much was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) tables: u64,
    pub(super) rows: u64,
    pub(super) calls: u64,
}

impl Reading<'_> {
    /// Reads everything and gives it to `sink` until that breaks.
    pub(super) fn run(&mut self, sink: Sink<'_>) -> Totals {
        let mut totals = Totals::default();
        let catalogue = match Catalogue::read(&mut self.client) {
            Ok(catalogue) => catalogue,
            Err(error) => {
                let _ = self.tell(&error, "what tables there are", sink);
                return totals;
            }
        };
        let _ = self.everything(&catalogue, &mut totals, sink);
        totals
    }

    fn everything(&mut self, catalogue: &Catalogue, totals: &mut Totals, sink: Sink<'_>) -> ControlFlow<()> {
        for (place, table) in &catalogue.tables {
            totals.tables += 1;
            sink(Observation::Record(Box::new(table.record(&self.origin, place))))?;
        }
        if catalogue.is_cut {
            self.gap(GapReason::LimitReached, "there are more tables than are listed".to_owned(), sink)?;
        }
        if let Some(expected) = self.expected.filter(|name| catalogue.tables.keys().all(|(other, _)| other != name)) {
            let detail = format!("the database `{}` is not there, or this account may not see it", escape(expected));
            self.gap(GapReason::PermissionDenied, detail, sink)?;
        }
        if !catalogue.shows_server() {
            let detail =
                "accounts, rights and functions of the server were not read: the PBX's own account may not see them";
            self.gap(GapReason::PermissionDenied, detail.to_owned(), sink)?;
        }
        self.programs(catalogue, totals, sink)?;
        let pbx = catalogue.of_a_pbx();
        let mut calls = Vec::new();
        for (place, table) in &catalogue.tables {
            let (database, name) = place;
            let is_here = pbx.contains(database.as_slice()) || database == b"mysql";
            if !is_here || !is_wanted(database, name) || is_program_table(place) {
                continue;
            }
            if table.is_view {
                // `mysql.user` is a view of `global_priv` where there is that one.
                if database != b"mysql" {
                    let detail =
                        format!("`{}` is a view, which is not read: it runs what somebody wrote", escape(name));
                    self.gap(GapReason::Unsupported, detail, sink)?;
                }
                continue;
            }
            if name == b"cdr" {
                calls.push((place, table));
            } else {
                self.table(place, table, totals, sink)?;
            }
        }
        // ORDER: calls are most of it and matter least when the time is up.
        for (place, table) in calls {
            self.calls(place, table, totals, sink)?;
        }
        ControlFlow::Continue(())
    }

    fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    fn gap(&self, reason: GapReason, detail: String, sink: Sink<'_>) -> ControlFlow<()> {
        sink(Observation::Gap(Gap::new(self.origin.path.clone(), reason, detail)))
    }

    fn tell(&self, error: &ClientError, what: &str, sink: Sink<'_>) -> ControlFlow<()> {
        let reason = match error {
            ClientError::Refused { .. } | ClientError::Denied(_) => GapReason::PermissionDenied,
            ClientError::Late(_) => GapReason::LimitReached,
            ClientError::Failed(_) => GapReason::ReadFailed,
        };
        self.gap(reason, format!("{what}: {}", error.detail()), sink)
    }

    /// Rests as long as a tenth of the question took, so that whoever waits for a lock gets it.
    fn rest(&self, begin: Instant) {
        if self.is_live {
            std::thread::sleep((begin.elapsed() / 10).min(Duration::from_millis(200)));
        }
    }

    /// The rows of one table, in pieces along its key.
    fn table(&mut self, place: &Place, table: &Table, totals: &mut Totals, sink: Sink<'_>) -> ControlFlow<()> {
        let (database, table_name) = place;
        let what = format!("rows of `{}`.`{}`", escape(database), escape(table_name));
        let shape = table.shape(place);
        let (Some(columns), Some(from)) = (names(table), qualified(place)) else {
            return self.gap(GapReason::Unreadable, format!("{what}: names that no statement can have"), sink);
        };
        let key: Option<Vec<(usize, String)>> = table
            .key
            .iter()
            .map(|column| {
                let at = table.columns.iter().position(|(name, _)| name == column)?;
                Some((at, name(column)?))
            })
            .collect();
        let key = key.unwrap_or_default();
        // Of events the newest count.
        let is_newest_first = table_name == b"cel";
        let (order, beyond) = if is_newest_first { (" DESC", "<") } else { ("", ">") };
        let by: Vec<String> = key.iter().map(|(_, name)| format!("{name}{order}")).collect();
        let key_names: Vec<&str> = key.iter().map(|(_, name)| name.as_str()).collect();
        let (mut reached, mut count): (Option<Row>, u64) = (None, 0);
        loop {
            if self.is_late() {
                return self.gap(GapReason::LimitReached, format!("{what}: the time was up after {count} rows"), sink);
            }
            let chunk = if key.is_empty() { self.options.max_rows.saturating_add(1) } else { self.options.chunk };
            let mut beyond_last = String::new();
            if let Some(last) = &reached {
                let values: Option<Vec<String>> = last.iter().map(|value| literal(value.as_deref()?)).collect();
                let Some(values) = values else {
                    let detail = format!("{what}: a key that no statement can have, after {count} rows");
                    return self.gap(GapReason::Unreadable, detail, sink);
                };
                beyond_last = format!(" WHERE ({}) {beyond} ({})", key_names.join(", "), values.join(", "));
            }
            let sorted = if by.is_empty() { String::new() } else { format!(" ORDER BY {}", by.join(", ")) };
            let statement = format!("SELECT {columns} FROM {from}{beyond_last}{sorted} LIMIT {chunk}");
            let begin = Instant::now();
            let (mut read, mut has_stopped) = (0, false);
            let (origin, most) = (self.origin, self.options.max_rows);
            let asked = self.client.ask(&statement, &mut |row| {
                read += 1;
                count += 1;
                if count > most {
                    return ControlFlow::Break(());
                }
                let at_key = |(at, _): &(usize, String)| row.get(*at).cloned().flatten();
                reached = (!key.is_empty()).then(|| key.iter().map(at_key).collect());
                give(&shape, &origin, row, &mut totals.rows, sink).inspect_break(|| has_stopped = true)
            });
            if has_stopped {
                return ControlFlow::Break(());
            }
            if let Err(error) = asked {
                return self.tell(&error, &what, sink);
            }
            if count > most {
                return self.gap(GapReason::LimitReached, format!("{what}: more than {most} rows"), sink);
            }
            if read < chunk || key.is_empty() {
                return ControlFlow::Continue(());
            }
            self.rest(begin);
        }
    }

    /// Calls, the newest first. The table has no key, so the pieces go along the time, which has an index.
    fn calls(&mut self, place: &Place, table: &Table, totals: &mut Totals, sink: Sink<'_>) -> ControlFlow<()> {
        let what = format!("calls of `{}`", escape(&place.0));
        let mut table = table.clone();
        table.columns.retain(|(column, _)| is_told_of_calls(column));
        let (Some(columns), Some(from)) = (names(&table), qualified(place)) else {
            return self.gap(GapReason::Unreadable, format!("{what}: names that no statement can have"), sink);
        };
        let shape = table.shape(place);
        let is_indexed = table.indexed.contains(b"calldate".as_slice());
        let (mut until, chunk): (Option<String>, u64) = (None, self.options.chunk.max(1));
        loop {
            if self.is_late() || totals.calls >= self.options.max_calls {
                let until = until.unwrap_or_else(|| "the newest".to_owned());
                let detail = format!("{what}: ended after {} calls; those before {until} were not read", totals.calls);
                return self.gap(GapReason::LimitReached, detail, sink);
            }
            let before = until.as_ref().map(|until| format!("calldate < {until}"));
            let mut since = None;
            if is_indexed {
                let condition = before.as_ref().map(|before| format!(" WHERE {before}")).unwrap_or_default();
                let statement =
                    format!("SELECT calldate FROM {from}{condition} ORDER BY calldate DESC LIMIT {chunk}, 1");
                match self.client.all(&statement, 1) {
                    Ok(rows) => {
                        since = rows.into_iter().next().and_then(|row| literal(fields::<1>(row)[0].as_deref()?));
                    }
                    Err(error) => return self.tell(&error, &what, sink),
                }
            }
            let after = since.as_ref().map(|since| format!("calldate >= {since}"));
            let conditions: Vec<String> = before.into_iter().chain(after).collect();
            let condition =
                if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
            let begin = Instant::now();
            let (mut has_stopped, origin) = (false, self.origin);
            let asked = self.client.ask(&format!("SELECT {columns} FROM {from}{condition}"), &mut |row| {
                give(&shape, &origin, row, &mut totals.calls, sink).inspect_break(|| has_stopped = true)
            });
            if has_stopped {
                return ControlFlow::Break(());
            }
            if let Err(error) = asked {
                return self.tell(&error, &what, sink);
            }
            match since {
                // A time that is not before the last would never end.
                Some(since) if until.as_ref() != Some(&since) => until = Some(since),
                _ => return ControlFlow::Continue(()),
            }
            self.rest(begin);
        }
    }

    /// What the server runs by itself or when it is asked.
    fn programs(&mut self, catalogue: &Catalogue, totals: &mut Totals, sink: Sink<'_>) -> ControlFlow<()> {
        let origin = self.origin;
        let triggers = "SELECT TRIGGER_SCHEMA, TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, EVENT_OBJECT_TABLE, \
                        ACTION_STATEMENT, DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA <> 'sys'";
        self.each(triggers, "triggers", totals, sink, &|row| {
            let [database, name, timing, event, table, body, definer] = fields(row).map(Option::unwrap_or_default);
            Trigger { database, name, timing, event, table, body, definer }.record(&origin, None)
        })?;
        let routines = "SELECT ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE, ROUTINE_DEFINITION, DEFINER \
                        FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA <> 'sys'";
        self.each(routines, "routines", totals, sink, &|row| {
            let [database, name, kind, body, definer] = fields(row).map(Option::unwrap_or_default);
            Routine { database, name, kind, body, definer }.record(&origin, None)
        })?;
        // A server without grant tables does not show its events; then their own table has them.
        let place = (b"mysql".to_vec(), b"event".to_vec());
        if let Some(table) = catalogue.tables.get(&place).filter(|table| !table.is_view) {
            return self.table(&place, table, totals, sink);
        }
        let events =
            "SELECT EVENT_SCHEMA, EVENT_NAME, STATUS, EVENT_DEFINITION, DEFINER FROM information_schema.EVENTS";
        self.each(events, "events", totals, sink, &|row| {
            let [database, name, status, body, definer] = fields(row).map(Option::unwrap_or_default);
            Event { database, name, status, body, definer }.record(&origin, None)
        })
    }

    fn each(
        &mut self,
        statement: &str,
        what: &str,
        totals: &mut Totals,
        sink: Sink<'_>,
        record: &dyn Fn(Row) -> Record,
    ) -> ControlFlow<()> {
        match self.client.all(statement, MAX_PROGRAMS) {
            Ok(rows) => {
                for row in rows {
                    totals.rows += 1;
                    sink(Observation::Record(Box::new(record(row))))?;
                }
                ControlFlow::Continue(())
            }
            Err(error) => self.tell(&error, what, sink),
        }
    }
}

/// Routines and events are told from the server's views of them, so that all versions tell them alike.
fn is_program_table((database, table): &Place) -> bool {
    database == b"mysql" && matches!(table.as_slice(), b"proc" | b"event")
}

fn give(shape: &Shape, origin: &Origin<'_>, row: Row, count: &mut u64, sink: Sink<'_>) -> ControlFlow<()> {
    *count += 1;
    match shape.record(origin, None, row) {
        Some(record) => sink(Observation::Record(Box::new(record))),
        None => ControlFlow::Continue(()),
    }
}

fn names(table: &Table) -> Option<String> {
    let names: Option<Vec<String>> = table.columns.iter().map(|(column, _)| name(column)).collect();
    names.filter(|names| !names.is_empty()).map(|names| names.join(", "))
}

fn qualified((database, table): &Place) -> Option<String> {
    Some(format!("{}.{}", name(database)?, name(table)?))
}

/// Notes a break on its way.
trait InspectBreak {
    fn inspect_break(self, note: impl FnOnce()) -> Self;
}

impl InspectBreak for ControlFlow<()> {
    fn inspect_break(self, note: impl FnOnce()) -> Self {
        if self.is_break() {
            note();
        }
        self
    }
}

/// A place in the evidence.
pub(super) fn evidence_path(path: &[u8]) -> EvidencePath {
    EvidencePath::new(path).unwrap_or_else(|_| EvidencePath::root())
}
