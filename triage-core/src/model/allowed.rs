//! Findings that somebody has looked at and allowed.

use super::finding::Finding;
use serde::{Deserialize, Serialize};

/// Why a finding is allowed, until when, and who says so. The words are the user's own, not the evidence's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permit {
    /// Why.
    pub reason: String,
    /// The last day, in UTC: `2027-01-31`.
    pub until: String,
    /// Who decided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Where it stands: the allow-list and the line in it, escaped.
    pub entry: String,
}

/// A finding that counts neither for the verdict nor for a plan. It is told all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// What was found.
    #[serde(flatten)]
    pub finding: Finding,
    /// What allows it.
    pub allowed_by: Permit,
}
