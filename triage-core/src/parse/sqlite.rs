//! `SQLite` databases of other programs, read from memory: nothing of them is run, and nothing is without end.
//!
//! The schema of a database is code: views, triggers, generated columns and virtual tables run when a table is read. So only
//! ordinary tables are read, the schema is not trusted, the connection can only read, and there is a budget of steps and rows. The write-ahead log
//! of a database is another file; what stands only in it is not seen, and that is a gap.

use crate::model::{EvidencePath, Gap, GapReason, RawText};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, MAIN_DB};
use std::fmt;
use thiserror::Error;

/// Instructions of the virtual machine between two looks at the budget.
const STEPS: i32 = 10_000;

/// How many such looks there are for one database: two hundred million instructions are seconds, and a hundred times what the largest
/// genuine table needs.
const TURNS: u32 = 20_000;

/// The largest text or blob in a row, in bytes: a header of a large kernel package in an rpm database has some megabytes.
const LARGEST: i32 = 64 << 20;

/// Why a table could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum SqliteError {
    /// The bytes are no database, or a damaged one.
    #[error("reading an SQLite database")]
    Sqlite(#[from] rusqlite::Error),
    /// The name is that of a view, of a virtual table, or of nothing.
    #[error("the database has no ordinary table `{0}`")]
    NoTable(&'static str),
    /// Rows lie over one another, so that reading all of them would never end.
    #[error("the rows of table `{0}` hold more than the file has room for")]
    TooMuch(&'static str),
    /// The table has no such column.
    #[error("table `{table}` has no column `{column}`")]
    NoColumn {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
}

/// A value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Integer(i64),
    Bytes(&'a [u8]),
}

impl Value<'_> {
    pub(crate) fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(number),
            Self::Bytes(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
            Self::Null => None,
        }
    }

    pub(crate) fn text(self) -> RawText {
        match self {
            Self::Bytes(text) => RawText::from(text),
            Self::Integer(number) => RawText::from(number.to_string().as_str()),
            Self::Null => RawText::default(),
        }
    }
}

/// A database in memory that can only be read.
pub(crate) struct Database {
    connection: Connection,
    /// Says that the file was in write-ahead mode, so that there may be newer rows in the file beside it.
    pub(crate) has_log: bool,
    /// Size of the file in bytes.
    size: usize,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("has_log", &self.has_log).finish_non_exhaustive()
    }
}

impl Database {
    /// Takes in the bytes of a database file. They are checked when they are read.
    pub(crate) fn open(bytes: &[u8]) -> Result<Self, SqliteError> {
        let mut connection = Connection::open_in_memory()?;
        // Bytes 18 and 19 are 2 in write-ahead mode, which a database in memory cannot have (the file format, section 1.3.3).
        let has_log = bytes.get(18..20) == Some(&[2, 2]);
        let mut copy = WithoutLog { bytes, at: 0, is_active: has_log };
        connection.deserialize_read_exact(MAIN_DB, &mut copy, bytes.len(), true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LARGEST)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        connection.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_update(None, "temp_store", "memory")?;
        connection.pragma_update(None, "cell_size_check", true)?;
        let mut turns = 0;
        connection.progress_handler(
            STEPS,
            Some(move || {
                turns += 1;
                turns > TURNS
            }),
        )?;
        Ok(Self { connection, has_log, size: bytes.len() })
    }

    /// Says whether there is an ordinary table of that name.
    pub(crate) fn has_table(&self, table: &str) -> Result<bool, SqliteError> {
        let sql = "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name = ?1";
        Ok(self.connection.query_row(sql, [table], |row| row.get::<_, i64>(0))? > 0)
    }

    /// The ordinary columns of a table.
    fn columns(&self, table: &str) -> Result<Vec<String>, SqliteError> {
        let mut statement = self.connection.prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0")?;
        let names = statement.query_map([table], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    /// Gives each row's `columns` in the order of the table's keys to `take`, until it has seen enough.
    ///
    /// A column that ends in `?` may be missing and is then null. A statement that meets damage has given the rows before it.
    pub(crate) fn rows(
        &self,
        table: &'static str,
        columns: &[&'static str],
        mut take: impl FnMut(&[Value<'_>]) -> bool,
    ) -> Result<(), SqliteError> {
        if !self.has_table(table)? {
            return Err(SqliteError::NoTable(table));
        }
        let present = self.columns(table)?;
        let mut wanted = Vec::new();
        for &column in columns {
            let name = column.trim_end_matches('?');
            if present.iter().any(|found| found.eq_ignore_ascii_case(name)) {
                wanted.push(format!("\"{name}\""));
            } else if name.len() < column.len() {
                wanted.push("NULL".to_owned());
            } else {
                return Err(SqliteError::NoColumn { table, column });
            }
        }
        let mut statement = self.connection.prepare(&format!("SELECT {} FROM main.\"{table}\"", wanted.join(", ")))?;
        let mut rows = statement.query([])?;
        // What is stored is stored once, but a crafted tree can name the same pages in every row.
        let mut room = self.size;
        while let Some(row) = rows.next()? {
            let mut values = Vec::with_capacity(columns.len());
            for at in 0..columns.len() {
                values.push(match row.get_ref(at)? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(number) => Value::Integer(number),
                    #[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and these are times")]
                    ValueRef::Real(number) => Value::Integer(number as i64),
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                        room = room.checked_sub(bytes.len()).ok_or(SqliteError::TooMuch(table))?;
                        Value::Bytes(bytes)
                    }
                });
            }
            if !take(&values) {
                break;
            }
        }
        Ok(())
    }
}

/// The file's bytes as a reader; the two that say "write-ahead" say "rollback journal" instead.
struct WithoutLog<'a> {
    bytes: &'a [u8],
    at: usize,
    is_active: bool,
}

impl std::io::Read for WithoutLog<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        for (place, (to, from)) in (self.at..).zip(buffer.iter_mut().zip(rest)) {
            *to = if self.is_active && (place == 18 || place == 19) { 1 } else { *from };
        }
        self.at += count;
        Ok(count)
    }
}

/// Reads one table of a database into records.
///
/// What goes wrong is a gap, and so is a write-ahead log that may hold newer rows. An empty file is an empty database.
pub(crate) fn read<T>(
    path: &EvidencePath,
    bytes: &[u8],
    limits: &super::Limits,
    (table, columns): (&'static str, &[&'static str]),
    mut record: impl FnMut(&[Value<'_>]) -> Option<T>,
) -> crate::model::Outcome<Vec<T>> {
    let mut gaps = Vec::new();
    let mut records = Vec::new();
    let mut gap = |reason, detail: String| gaps.push(Gap::new(path.clone(), reason, detail));
    if bytes.is_empty() {
        return crate::model::Outcome { value: records, gaps };
    }
    match Database::open(bytes) {
        Err(error) => gap(GapReason::Unreadable, explain(&error)),
        Ok(database) => {
            if database.has_log {
                gap(GapReason::Unsupported, "what stands only in its write-ahead log (-wal) was not read".to_owned());
            }
            let mut senseless = 0_u64;
            let mut is_full = false;
            let result = database.rows(table, columns, |row| {
                if records.len() >= limits.max_records {
                    is_full = true;
                    return false;
                }
                match record(row) {
                    Some(record) => records.push(record),
                    None => senseless += 1,
                }
                true
            });
            if let Err(error) = result {
                gap(GapReason::Unreadable, explain(&error));
            }
            if is_full {
                gap(GapReason::LimitReached, format!("more than {} records", limits.max_records));
            }
            if senseless > 0 {
                gap(GapReason::Unreadable, format!("{senseless} rows make no sense"));
            }
        }
    }
    crate::model::Outcome { value: records, gaps }
}

/// The error with its cause, on one line, the evidence's words escaped.
pub(crate) fn explain(error: &SqliteError) -> String {
    let text = match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    crate::model::escape(text.as_bytes())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::parse::Limits;
    use proptest::prelude::*;

    /// The bytes of a database that these statements make.
    pub(in crate::parse) fn database(sql: &str) -> Vec<u8> {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        connection.serialize(MAIN_DB).unwrap().to_vec()
    }

    fn numbers(bytes: &[u8], table: &'static str) -> crate::model::Outcome<Vec<i64>> {
        let path = EvidencePath::new("/x.sqlite3").unwrap();
        read(&path, bytes, &Limits::default(), (table, &["n"]), |row| row.first()?.integer())
    }

    #[test]
    fn a_view_that_never_ends_is_not_a_table() {
        let bytes = database(
            "CREATE VIEW t AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c;",
        );
        let outcome = numbers(&bytes, "t");
        assert_eq!(outcome.value, [] as [i64; 0]);
        assert!(outcome.gaps[0].detail.contains("no ordinary table"), "{}", outcome.gaps[0]);
    }

    #[test]
    fn a_generated_column_does_not_run() {
        let bytes = database("CREATE TABLE t (a, n AS (zeroblob(1000000000))); INSERT INTO t (a) VALUES (1);");
        assert!(numbers(&bytes, "t").gaps[0].detail.contains("has no column `n`"));
    }

    #[test]
    fn rows_of_a_database_in_write_ahead_mode_are_read_and_its_log_is_a_gap() {
        let mut bytes = database("CREATE TABLE t (n); INSERT INTO t VALUES (7), ('8'), (NULL);");
        bytes[18] = 2;
        bytes[19] = 2;
        let outcome = numbers(&bytes, "t");
        assert_eq!(outcome.value, [7, 8]);
        let details: Vec<_> = outcome.gaps.iter().map(|gap| gap.detail.as_str()).collect();
        assert!(details[0].contains("write-ahead") && details[1].contains("1 rows"), "{details:?}");
    }

    #[test]
    fn nothing_can_be_written_or_attached() {
        let database = Database::open(&database("CREATE TABLE t (n);")).unwrap();
        for sql in ["INSERT INTO t VALUES (1)", "ATTACH ':memory:' AS x", "CREATE TEMP TABLE y (n)"] {
            assert!(database.connection.execute(sql, []).is_err(), "{sql}");
        }
    }

    #[test]
    fn a_statement_over_its_budget_ends() {
        let mut database = Database::open(&database("CREATE TABLE t (n);")).unwrap();
        database.connection.progress_handler(100, Some(|| true)).ok();
        let sql = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT sum(n) FROM c";
        assert!(database.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).is_err());
    }

    #[test]
    fn rows_that_share_their_pages_end_when_the_file_is_used_up() {
        let bytes = database("CREATE TABLE t (n); INSERT INTO t VALUES (hex(zeroblob(300))), (hex(zeroblob(300)));");
        let mut database = Database::open(&bytes).unwrap();
        database.size = 1000;
        let mut seen = 0;
        let result = database.rows("t", &["n"], |_| {
            seen += 1;
            true
        });
        assert!(matches!(result, Err(SqliteError::TooMuch("t"))));
        assert_eq!(seen, 1);
    }

    #[test]
    fn every_cut_of_a_database_is_survived() {
        let bytes = database("CREATE TABLE t (n); INSERT INTO t VALUES (1), (2), (3);");
        for end in (0..bytes.len()).step_by(41).chain([1, 16, 99, 100, 101]) {
            numbers(&bytes[..end], "t");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn flipped_bytes_are_survived(flips in prop::collection::vec((0_usize..8192, any::<u8>()), 1..12)) {
            let mut bytes = database("CREATE TABLE t (n); CREATE INDEX i ON t (n); INSERT INTO t VALUES (1), (2), (3);");
            let length = bytes.len();
            for (at, byte) in flips {
                bytes[at % length] ^= byte;
            }
            prop_assert!(numbers(&bytes, "t").value.len() <= Limits::default().max_records);
        }
    }
}
