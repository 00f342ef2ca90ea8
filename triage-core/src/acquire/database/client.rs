//! A connection to a server, which may be an intruder's: every answer has an end and a time.

use mysql::prelude::Queryable as _;
use mysql::{Conn, OptsBuilder, Value};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;
use thiserror::Error;

/// The largest packet that is taken from a server, in bytes: the largest row.
const MAX_PACKET: usize = 64 << 20;

/// Why a server gave no answer.
#[derive(Debug, Error)]
pub(super) enum ClientError {
    /// It refused the account.
    #[error("the server does not let `{user}` in")]
    Refused {
        /// The account.
        user: String,
        #[source]
        source: Box<mysql::Error>,
    },
    /// It does not let this account see that.
    #[error("the server does not let this account see it")]
    Denied(#[source] Box<mysql::Error>),
    /// It ended the statement when its time was up.
    #[error("the statement took longer than it may")]
    Late(#[source] Box<mysql::Error>),
    /// Anything else.
    #[error("asking the database server")]
    Failed(#[source] Box<mysql::Error>),
}

impl ClientError {
    /// All of it in one line.
    pub(super) fn detail(&self) -> String {
        let text = match std::error::Error::source(self) {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        };
        crate::model::escape(text.as_bytes())
    }
}

impl From<mysql::Error> for ClientError {
    fn from(error: mysql::Error) -> Self {
        let code = match &error {
            mysql::Error::MySqlError(error) => error.code,
            _ => 0,
        };
        match code {
            // Access denied to a database, a command, a table, a column.
            1044 | 1142 | 1143 | 1227 | 1370 => Self::Denied(Box::new(error)),
            // MariaDB's `max_statement_time`, MySQL's `max_execution_time`, and a lock that was not given in time.
            1969 | 3024 | 1205 | 1317 => Self::Late(Box::new(error)),
            _ => Self::Failed(Box::new(error)),
        }
    }
}

/// A row: text as the server writes it, or nothing for NULL.
pub(super) type Row = Vec<Option<Vec<u8>>>;

/// A session that can only read.
pub(super) struct Client {
    connection: Conn,
    /// Whether the server itself ends statements that take too long.
    pub(super) has_limit: bool,
}

impl Client {
    /// Connects, and makes the session one that can only read.
    pub(super) fn connect(
        socket: &Path,
        user: &str,
        password: Option<&str>,
        statement_time: Duration,
    ) -> Result<Self, ClientError> {
        let options = OptsBuilder::new()
            .ip_or_hostname(Some("localhost"))
            .socket(socket.to_str())
            .prefer_socket(false)
            .user(Some(user))
            .pass(password)
            .max_allowed_packet(Some(MAX_PACKET))
            // The server ends what takes too long; this is for one that does not.
            .read_timeout(Some(statement_time + Duration::from_secs(5)))
            .write_timeout(Some(statement_time))
            .stmt_cache_size(0_usize)
            .local_infile_handler(None);
        let connection = Conn::new(options).map_err(|error| {
            let is_refusal =
                matches!(&error, mysql::Error::MySqlError(told) if matches!(told.code, 1045 | 1698 | 1251 | 1524));
            match error {
                error if is_refusal => ClientError::Refused { user: user.to_owned(), source: Box::new(error) },
                error => ClientError::Failed(Box::new(error)),
            }
        })?;
        let mut client = Self { connection, has_limit: false };
        // ORDER: nothing is asked before the session can only read.
        client.connection.query_drop("SET SESSION TRANSACTION READ ONLY")?;
        let (seconds, milliseconds) = (statement_time.as_secs_f64(), statement_time.as_millis());
        client.has_limit = [
            format!("SET SESSION max_statement_time = {seconds}"),
            format!("SET SESSION max_execution_time = {milliseconds}"),
        ]
        .iter()
        .any(|statement| client.connection.query_drop(statement).is_ok());
        for statement in [
            "SET SESSION sql_mode = ''",
            "SET NAMES utf8mb4",
            "SET SESSION time_zone = '+00:00'",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "SET SESSION lock_wait_timeout = 5",
            "SET SESSION query_cache_type = OFF",
        ] {
            // Not every version has every one. Without `utf8mb4` the older `utf8` has to do.
            if client.connection.query_drop(statement).is_err() && statement.starts_with("SET NAMES") {
                client.connection.query_drop("SET NAMES utf8")?;
            }
        }
        Ok(client)
    }

    /// Asks, and gives each row to `sink` until it breaks. The rest of the answer is then passed over.
    pub(super) fn ask(
        &mut self,
        statement: &str,
        sink: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> Result<(), ClientError> {
        let mut answer = self.connection.query_iter(statement)?;
        let mut is_wanted = true;
        if let Some(rows) = answer.iter() {
            for row in rows {
                let row = row?;
                if is_wanted {
                    is_wanted = sink(row.unwrap_raw().into_iter().map(text).collect()).is_continue();
                }
                if !is_wanted {
                    break;
                }
            }
        }
        Ok(())
    }

    /// All rows of an answer, up to a number.
    pub(super) fn all(&mut self, statement: &str, most: usize) -> Result<Vec<Row>, ClientError> {
        let mut rows = Vec::new();
        self.ask(statement, &mut |row| {
            rows.push(row);
            if rows.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(rows)
    }
}

/// In the text protocol every value is bytes; what else comes is written as the server would.
fn text(value: Option<Value>) -> Option<Vec<u8>> {
    match value? {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(bytes),
        Value::Int(number) => Some(number.to_string().into_bytes()),
        Value::UInt(number) => Some(number.to_string().into_bytes()),
        Value::Float(number) => Some(number.to_string().into_bytes()),
        Value::Double(number) => Some(number.to_string().into_bytes()),
        other => Some(other.as_sql(true).trim_matches('\'').as_bytes().to_vec()),
    }
}

/// A name for a statement.
pub(super) fn name(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty() && !name.contains('\0'))?;
    Some(format!("`{}`", name.replace('`', "``")))
}

/// A text for a statement; none where it cannot be told from another in it.
pub(super) fn literal(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\0' => out.push_str("\\0"),
            '\'' | '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push('\'');
    Some(out)
}
