//! What a server runs by itself or for whoever asks: triggers, events, routines, functions and plugins of libraries. One shape for the
//! server's views of them, its own tables, and the statements of a dump.

use super::{Origin, row, secret};
use crate::model::{DatabaseColumn, DatabaseValue, RawText, Record};

const SCHEMA: &[u8] = b"information_schema";

/// A trigger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trigger {
    pub(crate) database: Vec<u8>,
    pub(crate) name: Vec<u8>,
    pub(crate) timing: Vec<u8>,
    pub(crate) event: Vec<u8>,
    pub(crate) table: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) definer: Vec<u8>,
}

/// A scheduled event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Event {
    pub(crate) database: Vec<u8>,
    pub(crate) name: Vec<u8>,
    pub(crate) status: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) definer: Vec<u8>,
}

/// A stored procedure or function.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routine {
    pub(crate) database: Vec<u8>,
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) definer: Vec<u8>,
}

/// A function of a shared library.
#[derive(Clone, Debug, Default)]
pub(crate) struct Function {
    pub(crate) name: Vec<u8>,
    pub(crate) library: Vec<u8>,
}

/// A plugin that an administrator installed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plugin {
    pub(crate) name: Vec<u8>,
    pub(crate) library: Vec<u8>,
}

impl Trigger {
    pub(crate) fn record(&self, origin: &Origin<'_>, line: Option<u64>) -> Record {
        let columns = [
            ("TRIGGER_SCHEMA", &self.database),
            ("TRIGGER_NAME", &self.name),
            ("ACTION_TIMING", &self.timing),
            ("EVENT_MANIPULATION", &self.event),
            ("EVENT_OBJECT_TABLE", &self.table),
            ("ACTION_STATEMENT", &self.body),
            ("DEFINER", &self.definer),
        ];
        record(origin, line, [SCHEMA, b"TRIGGERS"], &columns, 2)
    }
}

impl Event {
    pub(crate) fn record(&self, origin: &Origin<'_>, line: Option<u64>) -> Record {
        let columns = [
            ("EVENT_SCHEMA", &self.database),
            ("EVENT_NAME", &self.name),
            ("STATUS", &self.status),
            ("EVENT_DEFINITION", &self.body),
            ("DEFINER", &self.definer),
        ];
        record(origin, line, [SCHEMA, b"EVENTS"], &columns, 2)
    }
}

impl Routine {
    pub(crate) fn record(&self, origin: &Origin<'_>, line: Option<u64>) -> Record {
        let columns = [
            ("ROUTINE_SCHEMA", &self.database),
            ("ROUTINE_NAME", &self.name),
            ("ROUTINE_TYPE", &self.kind),
            ("ROUTINE_DEFINITION", &self.body),
            ("DEFINER", &self.definer),
        ];
        record(origin, line, [SCHEMA, b"ROUTINES"], &columns, 3)
    }
}

impl Function {
    pub(crate) fn record(&self, origin: &Origin<'_>, line: Option<u64>) -> Record {
        record(origin, line, [b"mysql", b"func"], &[("name", &self.name), ("dl", &self.library)], 1)
    }
}

impl Plugin {
    pub(crate) fn record(&self, origin: &Origin<'_>, line: Option<u64>) -> Record {
        record(origin, line, [b"mysql", b"plugin"], &[("name", &self.name), ("dl", &self.library)], 1)
    }
}

fn record(
    origin: &Origin<'_>,
    line: Option<u64>,
    [database, table]: [&[u8]; 2],
    columns: &[(&str, &Vec<u8>)],
    keys: usize,
) -> Record {
    let columns: Vec<DatabaseColumn> = columns
        .iter()
        .map(|(name, value)| {
            let value = value.get(..super::LONGEST_VALUE).unwrap_or(value);
            DatabaseColumn { name: (*name).into(), value: DatabaseValue::Text(secret::text(value)) }
        })
        .collect();
    let key = columns.iter().take(keys).cloned().collect();
    row(origin, line, &[database, table], columns, key)
}

/// Columns of a row by their names.
struct Row<'a> {
    columns: &'a [RawText],
    values: &'a [Option<Vec<u8>>],
}

impl Row<'_> {
    fn get(&self, name: &str) -> Option<Vec<u8>> {
        let at = self.columns.iter().position(|column| column.as_bytes().eq_ignore_ascii_case(name.as_bytes()))?;
        self.values.get(at)?.clone()
    }
}

/// The database of the server's own views and routines, which are in every one and tell nothing.
pub(crate) fn is_servers_own(database: &[u8]) -> bool {
    database == b"sys"
}

/// A row of `mysql.proc`.
pub(super) fn of_proc(columns: &[RawText], values: &[Option<Vec<u8>>]) -> Option<Routine> {
    let row = Row { columns, values };
    if row.get("db").is_some_and(|database| is_servers_own(&database)) {
        return None;
    }
    Some(Routine {
        database: row.get("db")?,
        name: row.get("name")?,
        kind: row.get("type")?,
        body: row.get("body")?,
        definer: row.get("definer").unwrap_or_default(),
    })
}

/// A row of `mysql.event`.
pub(super) fn of_event(columns: &[RawText], values: &[Option<Vec<u8>>]) -> Option<Event> {
    let row = Row { columns, values };
    Some(Event {
        database: row.get("db")?,
        name: row.get("name")?,
        status: row.get("status").unwrap_or_default(),
        body: row.get("body")?,
        definer: row.get("definer").unwrap_or_default(),
    })
}
