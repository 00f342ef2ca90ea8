//! `shadow(5)`: password hashes, which stay inside [`Secret`].

use super::line::each_line;
use super::{Limits, Secret};
use crate::model::{EvidencePath, Outcome, Password, RawText};
use serde::Serialize;

/// What a password field lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing is asked for.
    Empty,
    /// It begins with `!` or `*`: no password fits.
    Locked,
    /// A hash.
    Hash,
}

impl State {
    /// The state that a field shows.
    pub fn of(field: &[u8]) -> Self {
        match field.first() {
            None => Self::Empty,
            Some(b'!' | b'*') => Self::Locked,
            Some(_) => Self::Hash,
        }
    }

    /// The word in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Locked => "locked",
            Self::Hash => "hash",
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShadowEntry {
    /// Line in the file, from 1.
    pub line: u64,
    /// Login name.
    pub name: RawText,
    /// What the password field lets in.
    pub state: State,
    /// The password field as it stands.
    pub password: Secret,
    /// The day since 1970 from which on the account is expired (the eighth field), where there is a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    /// The day since 1970 on which the password was last changed (the third field), where there is a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<i64>,
}

impl ShadowEntry {
    /// Says whether it was put out of use as `usermod -L -e 1` does: no password fits, and it expired on the first days of 1970,
    /// so that keys are of no use either.
    pub fn is_out_of_use(&self) -> bool {
        self.state == State::Locked && self.expires.is_some_and(|day| (0..=1).contains(&day))
    }

    /// How the hash was made, by its prefix (`crypt(5)`); none where there is no hash.
    pub fn method(&self) -> Option<&'static str> {
        let field = self.password.expose();
        let start = field.iter().position(|&b| b != b'!' && b != b'*').unwrap_or(field.len());
        let hash = field.get(start..).unwrap_or_default();
        let Some(rest) = hash.strip_prefix(b"$") else {
            // Traditional DES has 13 characters, the extended form begins with an underscore.
            return match hash {
                [b'_', ..] if hash.len() == 20 => Some("bsdi_des"),
                _ if hash.len() == 13 => Some("des"),
                _ => None,
            };
        };
        match rest.split(|&b| b == b'$').next()? {
            b"y" => Some("yescrypt"),
            b"gy" => Some("gost_yescrypt"),
            b"7" => Some("scrypt"),
            b"6" => Some("sha512"),
            b"5" => Some("sha256"),
            b"2" | b"2a" | b"2b" | b"2x" | b"2y" => Some("bcrypt"),
            b"1" => Some("md5"),
            b"3" => Some("nt"),
            b"sha1" => Some("sha1"),
            _ => Some("unknown"),
        }
    }

    /// What a record may say of it.
    pub fn record(&self, path: &EvidencePath) -> Password {
        Password {
            path: path.clone(),
            line: self.line,
            name: self.name.clone(),
            state: self.state.as_str().to_owned(),
            method: self.method().map(str::to_owned),
            changed_day: self.changed,
            expires_day: self.expires,
        }
    }

    /// Says whether the field holds this very hash, locked or not.
    pub fn has_hash(&self, hash: &[u8]) -> bool {
        let field = self.password.expose();
        let start = field.iter().position(|&b| b != b'!').unwrap_or(field.len());
        field.get(start..) == Some(hash)
    }
}

/// Reads the entries.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<ShadowEntry>> {
    each_line(path, bytes, limits, |line| {
        let text = line.text.split(|&b| b == 0).next().unwrap_or_default().trim_ascii_start();
        if text.is_empty() || text.starts_with(b"#") {
            return Ok(None);
        }
        let mut fields = text.split(|&b| b == b':');
        let name = fields.next().unwrap_or_default();
        let password = fields.next().ok_or("it has no password field")?;
        Ok(Some(ShadowEntry {
            line: line.number,
            name: name.into(),
            state: State::of(password),
            password: password.into(),
            changed: fields.next().and_then(|day| std::str::from_utf8(day).ok()?.parse().ok()),
            expires: fields.nth(4).and_then(|day| std::str::from_utf8(day).ok()?.parse().ok()),
        }))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn the_eighth_field_is_the_expiry() {
        let path = EvidencePath::new("/etc/shadow").unwrap();
        let lines = b"a:!x:19000:0:99999:7::1:\nb:!x:19000:0:99999:7:1::\nc:x:19000:0:99999:7::1:\nd:!\n";
        let entries = parse(&path, lines, &Limits::default()).value;
        assert_eq!(entries.iter().map(|entry| entry.expires).collect::<Vec<_>>(), [Some(1), None, Some(1), None]);
        assert_eq!(entries.iter().map(ShadowEntry::is_out_of_use).collect::<Vec<_>>(), [true, false, false, false]);
    }

    #[test]
    fn a_hash_cannot_leak_through_debug_or_json() {
        let path = EvidencePath::new("/etc/shadow").unwrap();
        let entries = parse(&path, b"root:!$6$salt$abcdef:19000:0:99999:7:::\n", &Limits::default()).value;
        assert!(entries[0].has_hash(b"$6$salt$abcdef"));
        let shown = format!("{:?}{}", entries, serde_json::to_string(&entries).unwrap());
        assert!(!shown.contains("salt") && !shown.contains("abcdef"), "{shown}");
    }
}
