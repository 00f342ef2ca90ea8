//! What walks of a folder of this machine went into, what they passed by, and what reading may have moved: for the coverage statement.

use crate::model::{EvidencePath, RawText};
use serde::{Deserialize, Serialize};

/// How far walks went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Every mount in the evidence, by its path.
    pub mounts: Vec<MountNote>,
    /// Files and folders of ours that were met and left out, with device and inode.
    pub left_out: Vec<(EvidencePath, (u64, u64))>,
    /// How often the kernel did not let us read without moving an access time.
    pub access_times_moved: u64,
}

/// A mount in the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountNote {
    /// Where it is.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// The type of its file system.
    pub fs_type: String,
    /// What is mounted there: a device, `host:/export`.
    pub source: RawText,
    /// Says whether a walk went into it.
    pub is_visited: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
