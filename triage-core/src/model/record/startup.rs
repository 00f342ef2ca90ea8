//! Everything that runs by itself, in one table.

use crate::model::path::EvidencePath;
use crate::model::text::RawText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A command, script or library that is run without anybody asking for it: at boot, at a login, at a time, at an event.
///
/// Of a script that lies where its being there is enough (a hook folder, `init.d`) there is one record for the file, with no line. Of files
/// whose lines are settings or short commands there is one a line. Jobs of cron, commands of systemd units and forced commands of keys
/// are here too, besides the record of their own kind, so that this is the whole table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StartupCommand {
    /// The file.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// Line on which it begins, from 1; none where the file as a whole is what runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// By what it is run.
    pub mechanism: Mechanism,
    /// When, in that mechanism's own words: a schedule, `DPkg::Pre-Invoke`, the conditions of a udev rule. Empty where the place says it all.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub trigger: RawText,
    /// As whom, where the file says so: a name, or `#` and a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<RawText>,
    /// What is run, without the secrets in it; for a whole file its path.
    pub command: RawText,
    /// The whole line, continuation lines joined, without the secrets in it; for a whole file its `#!` line.
    pub text: RawText,
}

/// By what a [`StartupCommand`] is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mechanism {
    /// `crontab(5)`, `anacrontab(5)`, `/etc/cron.daily` and its like.
    Cron,
    /// `at(1)`.
    At,
    /// `incrontab(5)`.
    Incron,
    /// A unit, a generator or a sleep hook of systemd.
    Systemd,
    /// A script in `init.d`.
    SysvInit,
    /// `inittab(5)`.
    Inittab,
    /// `rc.local`.
    RcLocal,
    /// What shells read when they start or end (`profile`, `bashrc`, …), and `environment`.
    ShellStartup,
    /// `ld.so.preload`: a library in every program.
    Preload,
    /// `pam_exec`, or a PAM module outside its folder.
    Pam,
    /// `udev(7)` rules.
    Udev,
    /// `install` and `remove` lines of `modprobe.d(5)`.
    KernelModule,
    /// Hooks and plugins of apt, dpkg, yum and dnf.
    PackageManager,
    /// Hooks of `ifupdown`, `dhclient`, `NetworkManager`, ppp.
    Network,
    /// Scripts of `logrotate(8)`.
    LogRotation,
    /// `update-motd(5)`.
    Motd,
    /// Desktop autostart.
    Autostart,
    /// `polkit.spawn()`.
    Polkit,
    /// `AuthorizedKeysCommand`, `ForceCommand`, `ProxyCommand`, forced commands of keys, `ssh` rc files.
    Ssh,
    /// `auto_prepend_file` and its like.
    Php,
    /// Piped logs, external filters and rewrite programs.
    WebServer,
}

/// What a boot script says of itself: the LSB header, or the `chkconfig` lines of the Red Hat family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InitScript {
    /// The script.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// `Provides`.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub provides: RawText,
    /// `Required-Start`.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub required_start: RawText,
    /// `Default-Start`: run levels, or the first field of `chkconfig:`.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub default_start: RawText,
    /// `Short-Description`, or `description:`.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub description: RawText,
    /// Says that it has a header at all; all that a distribution ships have one.
    pub has_header: bool,
}
