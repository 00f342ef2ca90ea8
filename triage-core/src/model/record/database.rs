//! Rows of small databases that services keep.

use crate::model::path::EvidencePath;
use crate::model::text::RawText;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An address that `fail2ban` banned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ban {
    /// The database.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// The address, as written.
    pub ip: RawText,
    /// The jail.
    pub jail: RawText,
    /// When.
    pub time: Timestamp,
    /// For how many seconds; -1 for ever; none where the version did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<i64>,
    /// How often that address was banned by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
}

/// A key of Asterisk's own database, `astdb.sqlite3`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AstdbEntry {
    /// The database.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// The first part of the key: `AMPUSER`, `CFU`, `registrar`.
    pub family: RawText,
    /// The rest of the key.
    pub key: RawText,
    /// The value; `redacted` where it may be a secret.
    pub value: RawText,
}
