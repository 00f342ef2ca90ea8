//! What a server says that it has: tables, their columns and keys.

use super::client::{Client, ClientError, Row};
use crate::model::{Record, Timestamp};
use crate::parse::database::{self, Origin, TableFacts};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The most tables and columns that are listed.
const MAX_TABLES: usize = 20_000;
const MAX_COLUMNS: usize = 500_000;

/// Databases of the server itself that hold nothing of anybody's.
const VIRTUAL: &str = "'information_schema', 'performance_schema', 'sys'";

/// A table by its database and name.
pub(super) type Place = (Vec<u8>, Vec<u8>);

/// A table.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) is_view: bool,
    engine: Option<Vec<u8>>,
    rows: Option<u64>,
    created: Option<i64>,
    updated: Option<i64>,
    /// Name and type.
    pub(super) columns: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) key: Vec<Vec<u8>>,
    /// Columns that an index begins with.
    pub(super) indexed: BTreeSet<Vec<u8>>,
}

/// What there is.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalogue {
    pub(super) tables: BTreeMap<Place, Table>,
    /// Says that there is more than is listed.
    pub(super) is_cut: bool,
}

impl Catalogue {
    pub(super) fn read(client: &mut Client) -> Result<Self, ClientError> {
        let mut catalogue = Self::default();
        let statement = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, UNIX_TIMESTAMP(CREATE_TIME), \
             UNIX_TIMESTAMP(UPDATE_TIME) FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN ({VIRTUAL})"
        );
        let rows = client.all(&statement, MAX_TABLES)?;
        catalogue.is_cut = rows.len() >= MAX_TABLES;
        for row in rows {
            let [Some(database), Some(name), kind, engine, count, created, updated] = fields(row) else { continue };
            let number =
                |text: Option<Vec<u8>>| std::str::from_utf8(&text?).ok()?.split('.').next()?.parse::<i64>().ok();
            let table = Table {
                is_view: kind.is_some_and(|kind| kind.ends_with(b"VIEW")),
                engine,
                rows: number(count).and_then(|count| u64::try_from(count).ok()),
                created: number(created),
                updated: number(updated),
                ..Table::default()
            };
            catalogue.tables.insert((database, name), table);
        }
        let statement = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS \
             WHERE TABLE_SCHEMA NOT IN ({VIRTUAL}) ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION"
        );
        for row in client.all(&statement, MAX_COLUMNS)? {
            let [Some(database), Some(table), Some(name), kind] = fields(row) else { continue };
            if let Some(table) = catalogue.tables.get_mut(&(database, table)) {
                table.columns.push((name, kind.unwrap_or_default()));
            }
        }
        let statement = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME, SEQ_IN_INDEX FROM information_schema.STATISTICS \
             WHERE TABLE_SCHEMA NOT IN ({VIRTUAL}) ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX"
        );
        for row in client.all(&statement, MAX_COLUMNS)? {
            let [Some(database), Some(table), Some(index), Some(column), place] = fields(row) else { continue };
            let Some(table) = catalogue.tables.get_mut(&(database, table)) else { continue };
            if place.as_deref() == Some(b"1") {
                table.indexed.insert(column.clone());
            }
            if index == b"PRIMARY" {
                table.key.push(column);
            }
        }
        Ok(catalogue)
    }

    /// Databases that a PBX has put tables into.
    pub(super) fn of_a_pbx(&self) -> BTreeSet<&[u8]> {
        const MARKS: [&[u8]; 4] = [b"freepbx_settings", b"ampusers", b"cdr", b"cel"];
        let marked = self.tables.keys().filter(|(_, name)| MARKS.contains(&name.as_slice()));
        marked.map(|(database, _)| database.as_slice()).filter(|database| *database != b"mysql").collect()
    }

    /// Says whether it shows the server's own tables.
    pub(super) fn shows_server(&self) -> bool {
        self.tables.keys().any(|(database, _)| database == b"mysql")
    }
}

impl Table {
    /// Its record.
    pub(super) fn record(&self, origin: &Origin<'_>, (database, name): &Place) -> Record {
        let facts = TableFacts {
            database,
            name,
            is_view: self.is_view,
            engine: self.engine.as_deref().map(Cow::Borrowed),
            rows: self.rows,
            columns: &self.columns,
        };
        let mut record = facts.record(origin);
        record.created = self.created.map(|seconds| Timestamp::new(seconds, 0));
        record.updated = self.updated.map(|seconds| Timestamp::new(seconds, 0));
        Record::DatabaseTable(record)
    }

    pub(super) fn shape(&self, (database, name): &Place) -> database::Shape {
        let columns: Vec<Vec<u8>> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        database::Shape::new(database, name, &columns, &self.key)
    }
}

/// The first fields of a row; what is missing is NULL.
pub(super) fn fields<const N: usize>(row: Row) -> [Option<Vec<u8>>; N] {
    let mut row = row.into_iter();
    std::array::from_fn(|_| row.next().flatten())
}
