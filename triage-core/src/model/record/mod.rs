//! Typed records: what a bundle holds beside the files, and what the detectors reason about.
//!
//! A record carries no secret: password hashes are told by their kind and a digest, keys by their fingerprint.

use crate::model::digest::Digest;
use crate::model::metadata::FileMeta;
use crate::model::path::EvidencePath;
use crate::model::text::RawText;
use serde::{Deserialize, Serialize};

/// One object of the file system, in `data/records/files/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Where it is on the host.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// What the file system says of it.
    #[serde(flatten)]
    pub meta: FileMeta,
    /// SHA-256 of the stored content; none where nothing is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// Where the bag keeps the content: the payload path, `data/files/…` or `data/long/…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// Says that its content is secret (password hashes, private keys, credentials).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_sensitive: bool,
}

/// One line of a `passwd(5)` file with what `shadow(5)` adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The file it is in.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Line in that file, from 1.
    pub line: u64,
    /// Login name.
    pub name: RawText,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// The comment field.
    pub gecos: RawText,
    /// Home directory as written.
    pub home: RawText,
    /// Login shell as written; empty means `/bin/sh`.
    pub shell: RawText,
    /// The state of the password field: `shadowed` (`x`), `empty`, `locked` (begins with `!` or `*`) or `hash`. A hash itself is never in a record.
    pub password: String,
}

/// One job line of a crontab (`crontab(5)`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronEntry {
    /// The crontab.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Line in it, from 1.
    pub line: u64,
    /// The five time fields or an `@word`, separated by single spaces.
    pub schedule: String,
    /// Whose job it is: the sixth field of a system crontab, else the owner of the spool file.
    pub user: RawText,
    /// The command, with everything after an unescaped `%` (its standard input).
    pub command: RawText,
    /// The whole line as it stands, without its line end.
    pub text: RawText,
}

/// One key of an `authorized_keys` file (`sshd(8)`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizedKey {
    /// The file.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Line in it, from 1.
    pub line: u64,
    /// Key type, `ssh-ed25519`.
    pub algorithm: String,
    /// `SHA256:` and unpadded base64, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// The comment.
    pub comment: RawText,
    /// The options before the key, as written.
    pub options: RawText,
    /// The whole line as it stands, without its line end.
    pub text: RawText,
}

/// What a systemd unit file starts (`systemd.unit(5)`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// The unit file.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Every setting that runs something or says when: (section, key, value) in the order of the file, continuation lines joined.
    pub settings: Vec<(String, String, RawText)>,
}

/// A `FreePBX` module as it lies on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Its folder, `…/admin/modules/<name>`.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// The folder's name.
    pub name: RawText,
    /// The version in its `module.xml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The key id that `module.sig` claims in `signedwith`; a claim, not a proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_with: Option<String>,
    /// `repo` of `module.sig`: `standard`, `extended`, `commercial`, `manual`, `local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Number of files that `module.sig` lists.
    pub listed_files: u64,
}

/// One line of the `[hashes]` part of a `module.sig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleHash {
    /// Path relative to the module's folder, as listed.
    pub file: RawText,
    /// The SHA-256 that it should have.
    pub sha256: Digest,
}

/// One record of any kind. In JSONL the variant is `kind`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Record {
    /// An object of the file system; segment folder `files`.
    File(FileRecord),
    /// An account; segment folder `accounts`.
    Account(Account),
    /// A cron job; segment folder `cron`.
    Cron(CronEntry),
    /// An authorized key; segment folder `authorized_keys`.
    AuthorizedKey(AuthorizedKey),
    /// A systemd unit; segment folder `units`.
    Unit(Unit),
    /// A `FreePBX` module; segment folder `modules`.
    Module(Module),
}

impl Record {
    /// The folder under `data/records/` that holds its kind.
    pub fn folder(&self) -> &'static str {
        match self {
            Self::File(_) => "files",
            Self::Account(_) => "accounts",
            Self::Cron(_) => "cron",
            Self::AuthorizedKey(_) => "authorized_keys",
            Self::Unit(_) => "units",
            Self::Module(_) => "modules",
        }
    }
}

/// Which host the evidence is of: names repeat and machines are cloned, so several marks are hashed together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostIdentity {
    /// Digest over all marks; two sources are of one host where it is the same.
    pub digest: Digest,
    /// What went into it: `machine-id`, `product-uuid`, `mac`, `ssh-host-key`, or `hostname` where there is nothing better.
    pub marks: Vec<String>,
    /// The host's name as `/etc/hostname` has it; for people, never compared.
    pub hostname: RawText,
}

impl HostIdentity {
    /// Says that no mark tells this host from a clone of it.
    pub fn is_weak(&self) -> bool {
        self.marks.iter().all(|mark| mark == "hostname")
    }
}
