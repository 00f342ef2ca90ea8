//! Accounts of the server and their rights, the same for every version: from `mysql.global_priv` (MariaDB 10.4 and later) and from `mysql.user`.

use crate::model::{DatabaseColumn, DatabaseValue, DigestedSecret, RawText, SecretKind};
use serde_json::Value;

/// Rights by their bit in `access` of `mysql.global_priv` (MariaDB, `sql/privilege.h`).
const RIGHTS: [&str; 38] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "RELOAD",
    "SHUTDOWN",
    "PROCESS",
    "FILE",
    "GRANT",
    "REFERENCES",
    "INDEX",
    "ALTER",
    "SHOW DATABASES",
    "SUPER",
    "CREATE TEMPORARY TABLES",
    "LOCK TABLES",
    "EXECUTE",
    "REPLICATION SLAVE",
    "REPLICATION CLIENT",
    "CREATE VIEW",
    "SHOW VIEW",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "CREATE USER",
    "EVENT",
    "TRIGGER",
    "CREATE TABLESPACE",
    "DELETE HISTORY",
    "SET USER",
    "FEDERATED ADMIN",
    "CONNECTION ADMIN",
    "READ_ONLY ADMIN",
    "REPLICATION SLAVE ADMIN",
    "REPLICATION MASTER ADMIN",
    "BINLOG ADMIN",
    "BINLOG REPLAY",
];

/// The columns of an account's record: `Host`, `User`, `plugin`, `authentication`, `is_locked`, `rights`.
pub(super) fn account(columns: &[RawText], values: &[Option<Vec<u8>>]) -> Option<Vec<DatabaseColumn>> {
    let get = |name: &str| -> Option<&[u8]> {
        let at = columns.iter().position(|column| column.as_bytes().eq_ignore_ascii_case(name.as_bytes()))?;
        values.get(at)?.as_deref()
    };
    let (host, user) = (get("Host")?, get("User")?);
    let (plugin, secret, is_locked, rights) = match get("Priv") {
        Some(json) => by_json(json),
        None => by_columns(columns, values, &get),
    };
    let text = |text: &str| DatabaseValue::Text(text.into());
    let column = |name: &str, value| DatabaseColumn { name: name.into(), value };
    let secret = if secret.is_empty() {
        text("")
    } else {
        DatabaseValue::Digested(DigestedSecret::of(SecretKind::PasswordHash, &secret))
    };
    Some(vec![
        column("Host", DatabaseValue::Text(host.into())),
        column("User", DatabaseValue::Text(user.into())),
        column("plugin", text(&plugin)),
        column("authentication", secret),
        column("is_locked", text(if is_locked { "Y" } else { "N" })),
        column("rights", text(&rights.join(", "))),
    ])
}

type Account = (String, Vec<u8>, bool, Vec<String>);

fn by_json(json: &[u8]) -> Account {
    let value: Value = serde_json::from_slice(json).unwrap_or_default();
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut plugins = vec![text(&value, "plugin")];
    let mut secret = text(&value, "authentication_string");
    // Ways that are tried one after the other; an empty one stands for the account's own.
    if let Some(ways) = value.get("auth_or").and_then(Value::as_array) {
        let own = plugins.clone();
        plugins = ways
            .iter()
            .take(16)
            .map(|way| text(way, "plugin"))
            .map(|name| if name.is_empty() { own.first().cloned().unwrap_or_default() } else { name })
            .collect();
        for way in ways.iter().take(16) {
            if secret.is_empty() {
                secret = text(way, "authentication_string");
            }
        }
    }
    let access =
        value.get("access").and_then(|access| access.as_u64().or_else(|| Some(access.as_i64()?.cast_unsigned())));
    let rights = RIGHTS.iter().enumerate().filter(|(bit, _)| access.unwrap_or(0) >> bit & 1 == 1);
    let is_locked = value.get("account_locked").and_then(Value::as_bool).unwrap_or(false);
    (plugins.join(" OR "), secret.into_bytes(), is_locked, rights.map(|(_, name)| (*name).to_owned()).collect())
}

fn by_columns<'a>(columns: &[RawText], values: &[Option<Vec<u8>>], get: &dyn Fn(&str) -> Option<&'a [u8]>) -> Account {
    let rights = columns.iter().zip(values).filter_map(|(column, value)| {
        let name = column.as_bytes().strip_suffix(b"_priv")?;
        (value.as_deref() == Some(b"Y")).then(|| right(name))
    });
    let filled = |name| get(name).filter(|text| !text.is_empty());
    let secret = filled("authentication_string").or_else(|| filled("Password")).unwrap_or_default();
    let plugin = filled("plugin").map_or_else(|| "mysql_native_password".to_owned(), crate::model::escape);
    (plugin, secret.to_vec(), get("account_locked") == Some(b"Y"), rights.collect())
}

/// The right that a column stands for, in the words of GRANT.
fn right(column: &[u8]) -> String {
    match column {
        b"Show_db" => "SHOW DATABASES".to_owned(),
        b"Create_tmp_table" => "CREATE TEMPORARY TABLES".to_owned(),
        b"Repl_slave" => "REPLICATION SLAVE".to_owned(),
        b"Repl_client" => "REPLICATION CLIENT".to_owned(),
        other => crate::model::escape(other).replace('_', " ").to_uppercase(),
    }
}
