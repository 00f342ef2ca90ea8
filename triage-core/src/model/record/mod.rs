//! Typed records: what a bundle holds beside the files, and what the detectors reason about.
//!
//! A record carries no secret: of a password it tells whether there is one, of a key the fingerprint, and in a command line or a
//! setting `[redacted]` stands in the place of what looks like one. The file itself, where it was collected, is whole.

mod volatile;

pub use volatile::{
    AsteriskAnswer, BpfObject, CommandRun, HiddenProcess, Interface, KernelModule, MappedFile, Maps, Mount, Neighbour,
    OpenFile, Process, Region, Route, Socket, SocketOwner, SystemValue, VOLATILE_FOLDERS, Variable,
};
mod call;
mod database;
mod database_row;
mod journal;
mod login;

pub use call::{CallRecord, TimeNote};
pub use database::{AstdbEntry, Ban};
pub use database_row::{
    DatabaseColumn, DatabaseFrom, DatabaseRow, DatabaseTable, DatabaseValue, DigestedSecret, SecretKind,
};
pub use journal::{JournalEntry, JournalFile, Silence};
pub use login::{Login, LoginKind};

mod account;
mod history;
mod log;
mod package;
mod package_event;
mod setting;
mod startup;
mod system;

pub use account::{Group, Password, Sudoers, SudoersEntry};
pub use history::{HistoryKind, TypedCommand};
pub use log::{AuditEvent, AuthEvent, AuthEventKind, BanAction, BanEvent};
pub use package::Package;
pub use package_event::{PackageAction, PackageEvent, PackageManager};
pub use setting::{Program, Setting};
pub use startup::{InitScript, Mechanism, StartupCommand};
pub use system::{FstabEntry, Linger, PamRule};

use crate::model::attribute::Attributes;
use crate::model::digest::Digest;
use crate::model::metadata::FileMeta;
use crate::model::path::EvidencePath;
use crate::model::text::RawText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One object of the file system, in `data/records/files/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// MD5 of the same content, where it was asked for: 32 hexadecimal digits. For a look-up in others' lists; it proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// SHA-1 of the same content, where it was asked for: 40 hexadecimal digits. The same holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// Where the bag keeps the content: the payload path, `data/files/…` or `data/long/…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// Says that its content is secret (password hashes, private keys, credentials).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_sensitive: bool,
    /// What its extended attributes and inode flags say, decoded.
    #[serde(default, flatten)]
    pub attributes: Attributes,
}

impl FileRecord {
    /// The record of an object whose content is not stored.
    pub fn new(path: EvidencePath, meta: FileMeta) -> Self {
        let attributes = Attributes::of(&meta);
        Self { path, meta, sha256: None, md5: None, sha1: None, payload: None, is_sensitive: false, attributes }
    }
}

/// One line of a `passwd(5)` file with what `shadow(5)` adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unit {
    /// The unit file.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Every setting that runs something or says when: (section, key, value) in the order of the file, continuation lines joined.
    pub settings: Vec<(String, String, RawText)>,
}

/// A `FreePBX` module as it lies on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModuleHash {
    /// Path relative to the module's folder, as listed.
    pub file: RawText,
    /// The SHA-256 that it should have.
    pub sha256: Digest,
}

/// One record of any kind. In JSONL the variant is `kind`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "nearly all are files; a box each would cost more than it saves")]
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
    /// The content of a kernel interface; segment folder `system_values`.
    SystemValue(SystemValue),
    /// A process; segment folder `processes`.
    Process(Box<Process>),
    /// A process that one view hides; segment folder `hidden_processes`.
    HiddenProcess(HiddenProcess),
    /// A socket; segment folder `sockets`.
    Socket(Socket),
    /// A neighbour on the link; segment folder `neighbours`.
    Neighbour(Neighbour),
    /// A route; segment folder `routes`.
    Route(Route),
    /// A network interface; segment folder `interfaces`.
    Interface(Interface),
    /// What Asterisk answered; segment folder `asterisk`.
    AsteriskAnswer(AsteriskAnswer),
    /// A kernel module; segment folder `kernel_modules`.
    KernelModule(KernelModule),
    /// A mount; segment folder `mounts`.
    Mount(Mount),
    /// A BPF program or map; segment folder `bpf_objects`.
    BpfObject(BpfObject),
    /// A program of the host that was run; segment folder `commands`.
    Command(CommandRun),
    /// An entry of a login database; segment folder `logins`.
    Login(Login),
    /// An entry of the systemd journal; segment folder `journal_entries`.
    JournalEntry(JournalEntry),
    /// What a journal file covers; segment folder `journal_files`.
    JournalFile(JournalFile),
    /// An installed package; segment folder `packages`.
    Package(Package),
    /// An address that was banned; segment folder `bans`.
    Ban(Ban),
    /// A key of Asterisk's database; segment folder `astdb`.
    Astdb(AstdbEntry),
    /// A group; segment folder `groups`.
    Group(Group),
    /// The state of a password; segment folder `passwords`.
    Password(Password),
    /// A line of a `sudoers` file; segment folder `sudoers`.
    Sudoers(Sudoers),
    /// Something that runs by itself; segment folder `startup`.
    StartupCommand(StartupCommand),
    /// A boot script's own description; segment folder `init_scripts`.
    InitScript(InitScript),
    /// A setting of a server or of the system; segment folder `settings`.
    Setting(Setting),
    /// A line of a mount table; segment folder `fstab`.
    Fstab(FstabEntry),
    /// A line of a PAM stack; segment folder `pam`.
    PamRule(PamRule),
    /// An account whose services run without a login; segment folder `linger`.
    Linger(Linger),
    /// What a package manager did; segment folder `package_events`.
    PackageEvent(PackageEvent),
    /// A command that somebody typed; segment folder `typed_commands`.
    TypedCommand(TypedCommand),
    /// A line of an authentication log; segment folder `auth_events`.
    AuthEvent(AuthEvent),
    /// A line of the kernel's audit log; segment folder `audit_events`.
    AuditEvent(AuditEvent),
    /// An address that fail2ban blocked or released; segment folder `ban_events`.
    BanEvent(BanEvent),
    /// A table; segment folder `database_tables`, of a dump `dump_tables`.
    DatabaseTable(DatabaseTable),
    /// A row; segment folder `database_rows`, of a dump `dump_rows`.
    DatabaseRow(DatabaseRow),
    /// A call; segment folder `database_calls`, of a dump or a file of calls `calls`.
    Call(Box<CallRecord>),
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
            Self::SystemValue(_) => "system_values",
            Self::Process(_) => "processes",
            Self::HiddenProcess(_) => "hidden_processes",
            Self::Socket(_) => "sockets",
            Self::Neighbour(_) => "neighbours",
            Self::Route(_) => "routes",
            Self::Interface(_) => "interfaces",
            Self::AsteriskAnswer(_) => "asterisk",
            Self::KernelModule(_) => "kernel_modules",
            Self::Mount(_) => "mounts",
            Self::BpfObject(_) => "bpf_objects",
            Self::Command(_) => "commands",
            Self::Login(_) => "logins",
            Self::JournalEntry(_) => "journal_entries",
            Self::JournalFile(_) => "journal_files",
            Self::Package(_) => "packages",
            Self::Ban(_) => "bans",
            Self::Astdb(_) => "astdb",
            Self::Group(_) => "groups",
            Self::Password(_) => "passwords",
            Self::Sudoers(_) => "sudoers",
            Self::StartupCommand(_) => "startup",
            Self::InitScript(_) => "init_scripts",
            Self::Setting(_) => "settings",
            Self::Fstab(_) => "fstab",
            Self::PamRule(_) => "pam",
            Self::Linger(_) => "linger",
            Self::PackageEvent(_) => "package_events",
            Self::TypedCommand(_) => "typed_commands",
            Self::AuthEvent(_) => "auth_events",
            Self::AuditEvent(_) => "audit_events",
            Self::BanEvent(_) => "ban_events",
            // What the server told belongs to the volatile state; what was read out of a file comes with the file again.
            Self::DatabaseTable(table) if table.from.is_current() => "database_tables",
            Self::DatabaseTable(_) => "dump_tables",
            Self::DatabaseRow(row) if row.from.is_current() => "database_rows",
            Self::DatabaseRow(_) => "dump_rows",
            Self::Call(call) if call.from.is_some_and(DatabaseFrom::is_current) => "database_calls",
            Self::Call(_) => "calls",
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
