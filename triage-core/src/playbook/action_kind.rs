//! The actions that a playbook can ask for, and what each takes.

use crate::model::Subject;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The actions that a playbook can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ActionKind {
    /// Moves a file, link, FIFO, socket or device node out of its place, into the vault.
    QuarantineFile,
    /// Puts a good copy of a file in its place, from where `--from` says.
    RestoreFile,
    /// Sets mode or owner.
    SetMetadata,
    /// Sets and clears inode flags.
    SetFlags,
    /// Removes, replaces and ensures lines of a text file.
    EditFile,
    /// Takes the lines that were found out of a text file.
    RemoveLines,
    /// Takes the jobs that were found out of a crontab.
    RemoveCronEntry,
    /// Takes the key that was found out of an `authorized_keys` file.
    RemoveKey,
    /// Takes away the links that start a unit of systemd.
    DisableUnit,
    /// Takes away the links that start a unit, and makes the link that keeps it from ever being started.
    MaskUnit,
    /// Moves a unit, what adds to it and its links into the vault.
    RemoveUnit,
    /// Locks the password of an account and lets the account expire.
    LockAccount,
    /// Lets an account expire.
    ExpireAccount,
    /// Takes an account out of a group, or out of all.
    RemoveFromGroup,
    /// Sets the login shell of an account.
    SetShell,
    /// Gives an account's line in `passwd` back what `passwd-` says.
    RestoreAccount,
    /// Sets an option of sshd.
    SetOption,
    /// Stops processes where they are.
    FreezeProcess,
    /// Ends processes.
    KillProcess,
    /// Stops, starts, restarts, reloads, enables or disables a service.
    ControlService,
    /// Runs a program of the host, never through a shell.
    RunCommand,
}

impl ActionKind {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::QuarantineFile,
        Self::RestoreFile,
        Self::SetMetadata,
        Self::SetFlags,
        Self::EditFile,
        Self::RemoveLines,
        Self::RemoveCronEntry,
        Self::RemoveKey,
        Self::DisableUnit,
        Self::MaskUnit,
        Self::RemoveUnit,
        Self::LockAccount,
        Self::ExpireAccount,
        Self::RemoveFromGroup,
        Self::SetShell,
        Self::RestoreAccount,
        Self::SetOption,
        Self::FreezeProcess,
        Self::KillProcess,
        Self::ControlService,
        Self::RunCommand,
    ];

    /// The word in a playbook, and the name of its page in `docs/actions/` with `-` for `_`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QuarantineFile => "quarantine_file",
            Self::RestoreFile => "restore_file",
            Self::SetMetadata => "set_metadata",
            Self::SetFlags => "set_flags",
            Self::EditFile => "edit_file",
            Self::RemoveLines => "remove_lines",
            Self::RemoveCronEntry => "remove_cron_entry",
            Self::RemoveKey => "remove_key",
            Self::DisableUnit => "disable_unit",
            Self::MaskUnit => "mask_unit",
            Self::RemoveUnit => "remove_unit",
            Self::LockAccount => "lock_account",
            Self::ExpireAccount => "expire_account",
            Self::RemoveFromGroup => "remove_from_group",
            Self::SetShell => "set_shell",
            Self::RestoreAccount => "restore_account",
            Self::SetOption => "set_option",
            Self::FreezeProcess => "freeze_process",
            Self::KillProcess => "kill_process",
            Self::ControlService => "control_service",
            Self::RunCommand => "run_command",
        }
    }

    /// Says whether it can be done to such a subject.
    pub fn takes(self, subject: &Subject) -> bool {
        match self {
            // Of a process, what it runs.
            Self::QuarantineFile => matches!(subject, Subject::File { .. } | Subject::Process { .. }),
            Self::RestoreFile
            | Self::SetMetadata
            | Self::SetFlags
            | Self::DisableUnit
            | Self::MaskUnit
            | Self::RemoveUnit => matches!(subject, Subject::File { .. }),
            Self::EditFile => {
                matches!(subject, Subject::File { .. } | Subject::CronEntry { .. } | Subject::Line { .. })
            }
            Self::RemoveLines => matches!(subject, Subject::CronEntry { .. } | Subject::Line { .. }),
            // A line of a job of `at` is a job, too.
            Self::RemoveCronEntry => match subject {
                Subject::Line { path, .. } => crate::model::EvidencePath::parent(path)
                    .is_some_and(|folder| folder.as_bytes().starts_with(b"/var/spool/")),
                subject => matches!(subject, Subject::CronEntry { .. }),
            },
            Self::RemoveKey => matches!(subject, Subject::Line { .. }),
            Self::LockAccount | Self::ExpireAccount | Self::RemoveFromGroup | Self::SetShell | Self::RestoreAccount => {
                matches!(subject, Subject::Account { .. })
            }
            // There is one configuration of sshd, whatever the finding is about.
            Self::SetOption => {
                matches!(subject, Subject::File { .. } | Subject::Line { .. } | Subject::Account { .. })
            }
            Self::FreezeProcess | Self::KillProcess => matches!(subject, Subject::Process { .. }),
            // What is to be done is in the playbook; the finding says that it is.
            Self::ControlService | Self::RunCommand => true,
        }
    }

    /// The subjects that it takes, as a person reads them.
    pub fn subjects(self) -> &'static str {
        match self {
            Self::QuarantineFile => "file and process",
            Self::RestoreFile
            | Self::SetMetadata
            | Self::SetFlags
            | Self::DisableUnit
            | Self::MaskUnit
            | Self::RemoveUnit => "file",
            Self::EditFile => "file, cron_entry and line",
            Self::RemoveLines => "cron_entry and line",
            Self::RemoveCronEntry => "cron_entry",
            Self::RemoveKey => "line",
            Self::LockAccount | Self::ExpireAccount | Self::RemoveFromGroup | Self::SetShell | Self::RestoreAccount => {
                "account"
            }
            Self::SetOption => "file, line and account",
            Self::FreezeProcess | Self::KillProcess => "process",
            Self::ControlService | Self::RunCommand => "everything",
        }
    }

    /// The values that it takes in `with`.
    pub fn values(self) -> &'static [&'static str] {
        match self {
            Self::RestoreFile => &["from"],
            Self::SetMetadata => &["mode", "uid", "gid"],
            Self::SetFlags => &["set", "clear"],
            Self::EditFile => &["remove", "remove_matching", "replace", "replace_matching", "by", "ensure"],
            Self::RemoveFromGroup => &["group"],
            Self::SetShell => &["shell"],
            Self::SetOption => &["option", "value"],
            Self::ControlService => &["unit", "verb"],
            Self::RunCommand => &["command", "limit", "undo"],
            _ => &[],
        }
    }

    /// What is missing in `with` when only the values in `given` are there.
    pub(super) fn missing(self, given: &[&str]) -> Option<&'static str> {
        let has = |name: &str| given.contains(&name);
        match self {
            Self::SetMetadata if given.is_empty() => Some("one of `mode`, `uid` and `gid`"),
            Self::SetFlags if given.is_empty() => Some("one of `set` and `clear`"),
            Self::EditFile if !given.iter().any(|name| *name != "by") => {
                Some("one of `remove`, `remove_matching`, `replace`, `replace_matching` and `ensure`")
            }
            Self::EditFile if (has("replace") || has("replace_matching")) != has("by") => {
                Some("`by` beside `replace` or `replace_matching`")
            }
            Self::SetShell if !has("shell") => Some("`shell`"),
            Self::SetOption if !(has("option") && has("value")) => Some("`option` and `value`"),
            Self::ControlService if !has("verb") => Some("`verb`"),
            Self::RunCommand if !has("command") => Some("`command`"),
            _ => None,
        }
    }

    /// Says whether a rollback undoes it when the values in `given` are there. A step with an action that cannot be undone has to say so itself.
    pub fn is_reversible(self, given: &[&str]) -> bool {
        match self {
            Self::KillProcess => false,
            Self::RunCommand => given.contains(&"undo"),
            _ => true,
        }
    }
}
