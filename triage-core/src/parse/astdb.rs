//! Asterisk's own database: call forwards, users and devices of `FreePBX`, registrations (`main/db.c`: one table of keys and values).
//!
//! A forward to a costly number stands here and in no file. Values that may be secrets are struck out.

use super::Limits;
use super::sqlite;
use crate::model::{AstdbEntry, EvidencePath, Outcome, RawText};

/// The longest value that is kept, in bytes.
const LONGEST: usize = 1024;

/// Words in a key whose value may let somebody in.
const SECRETS: [&str; 8] = ["secret", "pass", "pin", "token", "credential", "apikey", "md5", "auth"];

/// Reads the table `astdb`; a key is `/family/rest`.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<AstdbEntry>> {
    sqlite::read(path, bytes, limits, ("astdb", &["key", "value"]), |row| {
        let &[key, value] = row else { return None };
        let whole = key.text();
        let key = whole.as_bytes();
        let key = key.strip_prefix(b"/").unwrap_or(key);
        let (family, rest) = super::line::split_once(key, b"/").unwrap_or((key, b""));
        let value = value.text();
        Some(AstdbEntry {
            path: path.clone(),
            family: RawText::from(family),
            key: RawText::from(rest),
            value: if is_secret(key) {
                RawText::from("redacted")
            } else {
                RawText::from(value.as_bytes().get(..LONGEST).unwrap_or(value.as_bytes()))
            },
        })
    })
}

fn is_secret(key: &[u8]) -> bool {
    let key = String::from_utf8_lossy(key).to_ascii_lowercase();
    SECRETS.iter().any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::sqlite::tests::database;

    #[test]
    fn a_forward_is_told_and_a_password_is_not() {
        let bytes = database(
            "CREATE TABLE astdb(key VARCHAR(256), value VARCHAR(256), PRIMARY KEY(key));
             INSERT INTO astdb VALUES ('/CFU/100', '900442079460000'), ('/AMPUSER/100/password', 'hunter2'), ('/pbx', '1');",
        );
        let path = EvidencePath::new("/var/lib/asterisk/astdb.sqlite3").unwrap();
        let outcome = parse(&path, &bytes, &Limits::default());
        assert_eq!(outcome.gaps, []);
        let mut text: Vec<_> = outcome.value.iter().map(|e| format!("{} {} {}", e.family, e.key, e.value)).collect();
        text.sort();
        assert_eq!(text, ["AMPUSER 100/password redacted", "CFU 100 900442079460000", "pbx  1"]);
    }
}
