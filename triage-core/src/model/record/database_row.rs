//! Rows and tables of a database server: what a PBX keeps outside its files.
//!
//! No record holds a secret. A value that is one is digested where it is read, before it gets here, in a way that still tells whether two
//! are the same: what a campaign sets as a password hash can be recognised, and two accounts with one password can be told.

use crate::model::digest::{Digest, Hasher};
use crate::model::path::EvidencePath;
use crate::model::text::RawText;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where what is told of a database was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DatabaseFrom {
    /// The running server of the host; `path` is its socket.
    Live,
    /// A dump (`mysqldump`, `mariadb-dump`); `path` is the file. It shows the database as it was when the dump was made.
    Dump,
    /// The server's files, served privately from a copy; `path` is their folder.
    DataDirectory,
}

impl DatabaseFrom {
    /// Says whether it is the database as the host has it, and not an earlier state that somebody kept.
    pub fn is_current(self) -> bool {
        matches!(self, Self::Live | Self::DataDirectory)
    }
}

/// A row of a table. Triggers, events, routines, accounts and their rights are rows of `information_schema` and `mysql`, also where they
/// were read from statements of a dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DatabaseRow {
    /// What it was read from: a socket, a dump, a data folder.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// What that is.
    pub from: DatabaseFrom,
    /// Line on which the statement with it begins, from 1; only of a dump.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The database; empty where a dump does not say.
    pub database: RawText,
    /// The table.
    pub table: RawText,
    /// The columns of the primary key; empty where the table has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<DatabaseColumn>,
    /// Names the row where the table has no primary key: a digest over names and values of all columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// All columns in the order of the table.
    pub columns: Vec<DatabaseColumn>,
}

/// A column of one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DatabaseColumn {
    /// Its name.
    pub name: RawText,
    /// What is in it.
    pub value: DatabaseValue,
}

/// A value. In JSON `null`, a text (`{"display", "b64"}` where it is not clean, and for bytes), or the object of a digested secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum DatabaseValue {
    /// SQL's NULL.
    Null,
    /// A secret, of which only this is kept.
    Digested(DigestedSecret),
    /// Text, a number as the server writes it, or bytes.
    Text(RawText),
}

/// What is kept of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DigestedSecret {
    /// What kind of secret it is.
    pub secret: SecretKind,
    /// SHA-256 over `triage secret`, a NUL byte and the secret. Two are the same where this is; a short or common password can still be
    /// guessed from it, so records of a database are to be kept as carefully as the database.
    pub sha256: Digest,
    /// The algorithm of a password hash by the form of it: `sha1`, `md5`, `bcrypt`, `phpass`, `mysql_native_password`, …; none where the form does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
}

/// What kind of secret a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SecretKind {
    /// A password as it is typed.
    Password,
    /// A hash that passwords are checked against.
    PasswordHash,
    /// What lets somebody in without a password: a session, an API token.
    Token,
    /// A key.
    Key,
}

/// A table, whether rows of it were read or not, so that one that is missing shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DatabaseTable {
    /// What it was read from: a socket, a dump, a data folder.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// What that is.
    pub from: DatabaseFrom,
    /// The database; empty where a dump does not say.
    pub database: RawText,
    /// Its name.
    pub name: RawText,
    /// Says that it is a view: a query that looks like a table. Views are never read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_view: bool,
    /// The storage engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// How many rows the server says it has, which is an estimate for some engines; of a dump those that stand in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// When it was made, by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When it was last changed, by the server; some engines do not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Timestamp>,
    /// Digest of its columns: name and type of each, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Digest>,
}

/// The longest value in the text of a key, in bytes.
const MAX_KEY_VALUE: usize = 200;

impl DatabaseRow {
    /// The value of a column, by its name without regard to case.
    pub fn value(&self, column: &str) -> Option<&DatabaseValue> {
        let is_it = |known: &&DatabaseColumn| known.name.as_bytes().eq_ignore_ascii_case(column.as_bytes());
        self.columns.iter().find(is_it).map(|column| &column.value)
    }

    /// The bytes of a column that is text; nothing for NULL, a secret, and a column that is not there.
    pub fn text(&self, column: &str) -> &[u8] {
        match self.value(column) {
            Some(DatabaseValue::Text(text)) => text.as_bytes(),
            _ => b"",
        }
    }

    /// The secret in a column, if it holds one.
    pub fn secret(&self, column: &str) -> Option<&DigestedSecret> {
        match self.value(column)? {
            DatabaseValue::Digested(secret) => Some(secret),
            _ => None,
        }
    }

    /// What names the row in its table: `username=admin`, or the digest of a row without a primary key.
    pub fn key_text(&self) -> RawText {
        let mut out = Vec::new();
        for column in &self.key {
            if !out.is_empty() {
                out.extend(b", ");
            }
            out.extend(column.name.as_bytes());
            out.push(b'=');
            match &column.value {
                DatabaseValue::Null => out.extend(b"NULL"),
                DatabaseValue::Text(text) => {
                    let text = text.as_bytes();
                    out.extend(text.get(..MAX_KEY_VALUE).unwrap_or(text));
                }
                DatabaseValue::Digested(secret) => out.extend(secret.sha256.to_string().bytes().take(16)),
            }
        }
        if let Some(digest) = self.digest.as_ref().filter(|_| out.is_empty()) {
            out.extend(digest.to_string().bytes().take(16));
        }
        out.into()
    }

    /// The digest that names a row without a primary key.
    pub fn digest_of(columns: &[DatabaseColumn]) -> Digest {
        let mut hasher = Hasher::new();
        let mut add = |part: &[u8]| {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        };
        for column in columns {
            add(column.name.as_bytes());
            match &column.value {
                DatabaseValue::Null => add(b"null"),
                DatabaseValue::Text(text) => {
                    add(b"text");
                    add(text.as_bytes());
                }
                DatabaseValue::Digested(secret) => {
                    add(b"secret");
                    add(secret.sha256.as_bytes());
                }
            }
        }
        hasher.finish()
    }
}

impl DigestedSecret {
    /// Digests a secret. An algorithm is looked for in a password hash only.
    pub fn of(secret: SecretKind, bytes: &[u8]) -> Self {
        let algorithm = (secret == SecretKind::PasswordHash).then(|| algorithm(bytes)).flatten();
        Self { secret, sha256: Self::digest(bytes), algorithm: algorithm.map(str::to_owned) }
    }

    /// The digest of a secret, to compare a known one with.
    pub fn digest(bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(b"triage secret\0");
        hasher.update(bytes);
        hasher.finish()
    }
}

/// The algorithm of a password hash by its form.
fn algorithm(hash: &[u8]) -> Option<&'static str> {
    const PREFIXES: [(&[u8], &str); 12] = [
        (b"$2a$", "bcrypt"),
        (b"$2b$", "bcrypt"),
        (b"$2x$", "bcrypt"),
        (b"$2y$", "bcrypt"),
        (b"$argon2", "argon2"),
        (b"$P$", "phpass"),
        (b"$H$", "phpass"),
        (b"$1$", "md5_crypt"),
        (b"$5$", "sha256_crypt"),
        (b"$6$", "sha512_crypt"),
        (b"$y$", "yescrypt"),
        (b"$A$", "caching_sha2_password"),
    ];
    if let Some((_, name)) = PREFIXES.iter().find(|(prefix, _)| hash.starts_with(prefix)) {
        return Some(name);
    }
    let is_hexadecimal = |text: &[u8]| text.iter().all(u8::is_ascii_hexdigit);
    match (hash.strip_prefix(b"*"), hash.len()) {
        (Some(rest), 41) if is_hexadecimal(rest) => Some("mysql_native_password"),
        (None, 16) if is_hexadecimal(hash) => Some("mysql_old_password"),
        (None, 32) if is_hexadecimal(hash) => Some("md5"),
        (None, 40) if is_hexadecimal(hash) => Some("sha1"),
        (None, 64) if is_hexadecimal(hash) => Some("sha256"),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn row(value: DatabaseValue) -> DatabaseRow {
        let key = vec![DatabaseColumn { name: "username".into(), value: DatabaseValue::Text("admin".into()) }];
        let mut columns = key.clone();
        columns.push(DatabaseColumn { name: "password_sha1".into(), value });
        DatabaseRow {
            path: EvidencePath::new("/run/mysqld/mysqld.sock").unwrap(),
            from: DatabaseFrom::Live,
            line: None,
            database: "asterisk".into(),
            table: "ampusers".into(),
            key,
            digest: None,
            columns,
        }
    }

    #[test]
    fn every_kind_of_value_survives_json_and_no_secret_is_in_it() {
        let hash = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d";
        let secret = DatabaseValue::Digested(DigestedSecret::of(SecretKind::PasswordHash, hash.as_bytes()));
        for value in [
            DatabaseValue::Null,
            DatabaseValue::Text("plain".into()),
            DatabaseValue::Text(RawText::from(&b"\xff\0"[..])),
            DatabaseValue::Text("".into()),
            secret.clone(),
        ] {
            let row = row(value);
            let text = serde_json::to_string(&row).unwrap();
            assert!(!text.contains(hash), "{text}");
            assert_eq!(serde_json::from_str::<DatabaseRow>(&text).unwrap(), row);
        }
        let row = row(secret);
        assert_eq!(row.secret("PASSWORD_SHA1").unwrap().sha256, DigestedSecret::digest(hash.as_bytes()));
        assert_eq!(row.secret("password_sha1").unwrap().algorithm.as_deref(), Some("sha1"));
        assert_eq!((row.text("username"), row.text("password_sha1")), (&b"admin"[..], &b""[..]));
        assert_eq!(row.key_text().to_string(), "username=admin");
    }

    #[test]
    fn hashes_are_told_by_their_form() {
        for (hash, name) in [
            ("$2y$10$abcdefghijklmnopqrstuv", Some("bcrypt")),
            ("$P$Babcdefgh", Some("phpass")),
            ("*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29", Some("mysql_native_password")),
            ("5d41402abc4b2a76b9719d911017c592", Some("md5")),
            ("hunter2", None),
            ("", None),
        ] {
            assert_eq!(algorithm(hash.as_bytes()), name, "{hash}");
        }
    }

    #[test]
    fn rows_without_a_key_are_told_apart_by_every_value() {
        let column = |value| vec![DatabaseColumn { name: "a".into(), value }];
        let digest = |value| DatabaseRow::digest_of(&column(value));
        assert_ne!(digest(DatabaseValue::Null), digest(DatabaseValue::Text("null".into())));
        assert_ne!(digest(DatabaseValue::Text("a".into())), digest(DatabaseValue::Text("b".into())));
    }
}
