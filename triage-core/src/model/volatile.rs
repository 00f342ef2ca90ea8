//! The kinds of live state: what a host knows that is in no file.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A kind of live state that can be asked for. It is read from the running host by this program itself, never by a program of the host.
///
/// The order is that of volatility (RFC 3227): what changes fastest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VolatileKind {
    /// Sockets and the processes that hold them.
    Sockets,
    /// Processes: program, arguments, open files, maps.
    Processes,
    /// Asterisk's channels, contacts and manager sessions.
    Asterisk,
    /// Rules of the packet filter.
    Firewall,
    /// Modules of the kernel.
    KernelModules,
    /// What is mounted where.
    Mounts,
    /// Rows of a PBX's database.
    Database,
}

impl VolatileKind {
    /// All of them, the most volatile first.
    pub const ALL: [Self; 7] = [
        Self::Sockets,
        Self::Processes,
        Self::Asterisk,
        Self::Firewall,
        Self::KernelModules,
        Self::Mounts,
        Self::Database,
    ];

    /// Its name in definitions and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sockets => "sockets",
            Self::Processes => "processes",
            Self::Asterisk => "asterisk",
            Self::Firewall => "firewall",
            Self::KernelModules => "kernel_modules",
            Self::Mounts => "mounts",
            Self::Database => "database",
        }
    }

    /// The kind that tells what this command tells, where one honestly does: `ps`, `lsof`, `ss`, `iptables` and the like.
    pub fn served_for(command: &str) -> Option<Self> {
        Some(match command.rsplit('/').next()? {
            "ps" | "pstree" | "lsof" | "fuser" => Self::Processes,
            "netstat" | "ss" => Self::Sockets,
            "lsmod" => Self::KernelModules,
            "mount" | "findmnt" => Self::Mounts,
            "iptables" | "ip6tables" | "iptables-save" | "ip6tables-save" | "nft" => Self::Firewall,
            _ => return None,
        })
    }
}

impl fmt::Display for VolatileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_known_by_its_name_wherever_it_lies() {
        assert_eq!(VolatileKind::served_for("/sbin/iptables"), Some(VolatileKind::Firewall));
        assert_eq!(VolatileKind::served_for("ps"), Some(VolatileKind::Processes));
        assert_eq!(VolatileKind::served_for("sysctl"), None);
        assert_eq!(VolatileKind::served_for("/opt/ps/x"), None);
    }

    #[test]
    fn names_are_those_of_the_records() {
        for kind in VolatileKind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }
}
