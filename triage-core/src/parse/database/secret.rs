//! What in a row is a secret, by the names of its table, its column and its key.

use crate::model::{DatabaseValue, DigestedSecret, RawText, SecretKind};
use crate::parse::redact;

/// The shortest text that is looked through for secrets inside it.
const SHORTEST_TEXT: usize = 8;

/// How one column is treated.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// It is no secret by its name; what looks like one in its text is struck out.
    Text,
    /// It is one.
    Secret(SecretKind),
    /// It is one where another column names one.
    If { names: usize },
}

impl Rule {
    /// The rule of a column; `place` says where the others stand.
    pub(super) fn of(table: &[u8], column: &[u8], place: &dyn Fn(&[u8]) -> Option<usize>) -> Self {
        let column = column.to_ascii_lowercase();
        let has = |word: &str| column.windows(word.len()).any(|part| part == word.as_bytes());
        match (table, column.as_slice()) {
            (b"ampusers", b"password_sha1") | (b"userman_users", b"password") => Self::Secret(SecretKind::PasswordHash),
            (b"ucp_sessions", b"session") | (b"api_auth_codes", b"code") => Self::Secret(SecretKind::Token),
            // Of the Filestore: credentials of other machines, and how they are reached. Names only.
            (b"api_applications", b"client_secret") | (b"kvstore_FreePBX_modules_Filestore", b"val") => {
                Self::Secret(SecretKind::Key)
            }
            (b"freepbx_settings", b"value" | b"defaultval")
            | (b"sip" | b"pjsip" | b"iax" | b"dahdi" | b"sipsettings" | b"iaxsettings" | b"queues_details", b"data") => {
                Self::named_by(b"keyword", place)
            }
            (b"userman_users_settings" | b"userman_groups_settings", b"val")
            | (b"backup_details" | b"backup_items", b"value") => Self::named_by(b"key", place),
            (b"admin", b"value") => Self::named_by(b"variable", place),
            _ if table.starts_with(b"kvstore_") && column == b"val" => Self::named_by(b"key", place),
            // Whether it is a hash says another column, and a password may be in it at any rate.
            (_, b"password_format") => Self::Text,
            _ if has("token") => Self::Secret(SecretKind::Token),
            _ if has("authentication_string") => Self::Secret(SecretKind::PasswordHash),
            _ if has("passw") || has("secret") || column == b"pin" || column == b"fcc_password" => {
                Self::Secret(SecretKind::Password)
            }
            _ if has("apikey") || has("api_key") || has("private_key") => Self::Secret(SecretKind::Key),
            _ => Self::Text,
        }
    }

    fn named_by(column: &[u8], place: &dyn Fn(&[u8]) -> Option<usize>) -> Self {
        place(column).map_or(Self::Secret(SecretKind::Password), |names| Self::If { names })
    }

    /// The value as it goes into a record. Nothing is a secret where there is nothing: an empty password has to show.
    pub(super) fn value(&self, value: &[u8], row: &[Option<Vec<u8>>]) -> DatabaseValue {
        let kind = match self {
            Self::Text => None,
            Self::Secret(kind) => Some(*kind),
            Self::If { names } => {
                let name = row.get(*names).and_then(Option::as_deref).unwrap_or_default();
                is_secret(name).then_some(SecretKind::Password)
            }
        };
        match kind {
            Some(kind) if !value.is_empty() => DatabaseValue::Digested(DigestedSecret::of(kind, value)),
            _ => DatabaseValue::Text(text(value)),
        }
    }
}

/// Says whether the name of a setting is that of a secret.
fn is_secret(name: &[u8]) -> bool {
    const WORDS: [&str; 11] = [
        "pass",
        "secret",
        "token",
        "credential",
        "apikey",
        "api_key",
        "privatekey",
        "private_key",
        "accesskey",
        "md5_cred",
        "cookie",
    ];
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.windows(word.len()).any(|part| part == word.as_bytes()))
}

/// A text with what looks like a secret in it struck out.
pub(super) fn text(value: &[u8]) -> RawText {
    let redacted = (value.len() >= SHORTEST_TEXT && value.iter().any(u8::is_ascii_punctuation))
        .then(|| redact::redact(value))
        .flatten();
    redacted.map_or_else(|| value.into(), RawText::from)
}
