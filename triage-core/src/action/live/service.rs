//! Services as their manager knows them.

use super::LiveChange;
use crate::action::Obstacle;
use crate::model::{RawText, escape};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What is asked of a service manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ServiceVerb {
    Stop,
    Start,
    Restart,
    Reload,
    Enable,
    Disable,
}

/// What a service manager tells of a service. The words are systemd's; for a script of System V `active` is `active`, `inactive` or `unknown`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    /// `loaded`, `not-found`, `masked`, ….
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating`, ….
    pub active: String,
    /// `enabled`, `disabled`, `static`, ….; empty where the manager does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub enabled: String,
    /// The manager's own word for the last start of the service: it changes with every start.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub invocation: String,
}

impl ServiceVerb {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Stop, Self::Start, Self::Restart, Self::Reload, Self::Enable, Self::Disable];

    /// The word, which service managers know.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::Enable => "enable",
            Self::Disable => "disable",
        }
    }

    /// What makes a service that this was done to see its files once they are put back.
    pub(super) fn again(self) -> Self {
        if self == Self::Reload { Self::Reload } else { Self::Restart }
    }

    /// What a service is once that was done.
    pub(super) fn after(self, now: &ServiceState) -> ServiceState {
        let mut after = now.clone();
        match self {
            Self::Stop => "inactive".clone_into(&mut after.active),
            Self::Start | Self::Restart | Self::Reload => "active".clone_into(&mut after.active),
            Self::Enable => "enabled".clone_into(&mut after.enabled),
            Self::Disable => "disabled".clone_into(&mut after.enabled),
        }
        after
    }

    /// What brings a service back that was `before`.
    pub(super) fn undone_by(self, before: &ServiceState) -> Option<Self> {
        match self {
            Self::Stop if before.is_active() => Some(Self::Start),
            Self::Start | Self::Restart if !before.is_active() => Some(Self::Stop),
            Self::Enable if before.enabled == "disabled" => Some(Self::Disable),
            Self::Disable if before.enabled == "enabled" => Some(Self::Enable),
            _ => None,
        }
    }
}

impl fmt::Display for ServiceVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ServiceVerb {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|verb| verb.as_str() == word);
        found.ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|verb| verb.as_str()).collect();
            format!(
                "`{}` is nothing that is asked of a service: it is one of {}",
                escape(word.as_bytes()),
                known.join(", ")
            )
        })
    }
}

impl ServiceState {
    /// Says whether it runs, or is about to.
    pub fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading")
    }

    /// The names of what differs.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let mut names = Vec::new();
        let mut differ = |name: &str, is_so: bool| {
            if is_so {
                names.push(name.to_owned());
            }
        };
        differ("whether it is known", self.load != other.load);
        differ("whether it runs", self.is_active() != other.is_active());
        differ("whether it starts with the host", self.enabled != other.enabled);
        names
    }
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(self.active.as_bytes()))?;
        if self.enabled.is_empty() { Ok(()) } else { write!(f, " and {}", escape(self.enabled.as_bytes())) }
    }
}

/// The programs that hold a telephone system up are stopped by nobody: a call would be cut, or the way in.
const KEPT: [&str; 12] = [
    "asterisk",
    "freepbx",
    "mariadb",
    "mysql",
    "mysqld",
    "ssh",
    "sshd",
    "dbus",
    "systemd-journald",
    "systemd-logind",
    "networking",
    "NetworkManager",
];

/// Says why a service is never stopped or disabled.
fn kept(unit: &RawText, verb: ServiceVerb) -> Option<String> {
    let name = unit.to_string();
    let stem = name.strip_suffix(".service").unwrap_or(&name);
    let stem = stem.split_once('@').map_or(stem, |(stem, _)| stem);
    (matches!(verb, ServiceVerb::Stop | ServiceVerb::Disable) && KEPT.contains(&stem))
        .then(|| format!("{stem} is never stopped or disabled: calls, data or the way in hang on it"))
}

pub(super) fn change(unit: &RawText, verb: ServiceVerb, now: &ServiceState) -> Result<LiveChange, Obstacle> {
    if let Some(why) = kept(unit, verb) {
        return Err(Obstacle::Blocked(why));
    }
    if now.load == "not-found" {
        return match verb {
            ServiceVerb::Stop | ServiceVerb::Disable => Ok(LiveChange::Nothing),
            _ => Err(Obstacle::Blocked("the service manager knows no such service".to_owned())),
        };
    }
    if now.load == "masked" && matches!(verb, ServiceVerb::Start | ServiceVerb::Restart | ServiceVerb::Enable) {
        return Err(Obstacle::Blocked("it is masked: nothing may start it".to_owned()));
    }
    let is_so = match verb {
        // What does not run has nothing that could read its files again.
        ServiceVerb::Stop | ServiceVerb::Reload => !now.is_active(),
        ServiceVerb::Start => now.is_active(),
        ServiceVerb::Enable => now.enabled != "disabled",
        ServiceVerb::Disable => now.enabled != "enabled",
        ServiceVerb::Restart => false,
    };
    Ok(if is_so { LiveChange::Nothing } else { LiveChange::Perform })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(active: &str, enabled: &str) -> ServiceState {
        ServiceState {
            load: "loaded".to_owned(),
            active: active.to_owned(),
            enabled: enabled.to_owned(),
            invocation: String::new(),
        }
    }

    #[test]
    fn a_verb_and_its_undoing_come_back_to_where_they_began() {
        for verb in ServiceVerb::ALL {
            for before in [state("active", "enabled"), state("inactive", "disabled"), state("failed", "static")] {
                let changed = change(&RawText::from("apache2.service"), verb, &before) == Ok(LiveChange::Perform);
                let after = if changed { verb.after(&before) } else { before.clone() };
                assert_eq!(
                    change(&RawText::from("apache2.service"), verb, &after).is_ok_and(|it| it == LiveChange::Perform),
                    verb == ServiceVerb::Restart || (verb == ServiceVerb::Reload && after.is_active()),
                    "{verb}"
                );
                if let (true, Some(undo)) = (changed, verb.undone_by(&before)) {
                    assert_eq!(undo.after(&after).is_active(), before.is_active(), "{verb}");
                    assert_eq!(undo.after(&after).enabled, before.enabled, "{verb}");
                }
            }
        }
    }

    #[test]
    fn what_calls_and_logins_hang_on_is_never_stopped() {
        for unit in ["asterisk.service", "mariadb", "ssh.service", "sshd@1.service"] {
            assert!(kept(&RawText::from(unit), ServiceVerb::Stop).is_some(), "{unit}");
            assert!(kept(&RawText::from(unit), ServiceVerb::Restart).is_none(), "{unit}");
        }
        assert!(kept(&RawText::from("asterisk-miner.service"), ServiceVerb::Stop).is_none());
    }

    #[test]
    fn a_service_that_is_not_there_is_not_started() {
        let gone = ServiceState { load: "not-found".to_owned(), ..state("inactive", "") };
        assert!(matches!(change(&RawText::from("x"), ServiceVerb::Start, &gone), Err(Obstacle::Blocked(_))));
        assert_eq!(change(&RawText::from("x"), ServiceVerb::Stop, &gone), Ok(LiveChange::Nothing));
    }

    #[test]
    fn a_misspelt_verb_is_told_with_those_that_there_are() {
        let error = "resart".parse::<ServiceVerb>().unwrap_err();
        assert!(error.contains("`resart`") && error.contains("restart"), "{error}");
    }
}
