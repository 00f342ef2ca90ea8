//! Which logs a rule reads, by its `logsource`.

use super::event::{Event, Field};
use crate::parse::log_kind::LogKind;
use serde_json::Value;

/// Every kind of log that rules can read.
pub(super) const KINDS: [LogKind; 10] = [
    LogKind::WebAccess,
    LogKind::WebError,
    LogKind::Auth,
    LogKind::Cron,
    LogKind::Syslog,
    LogKind::Asterisk,
    LogKind::AsteriskSecurity,
    LogKind::AsteriskQueue,
    LogKind::Freepbx,
    LogKind::FreepbxSecurity,
];

/// What a rule reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::detect) struct Reads {
    /// Kinds of logs.
    pub(super) kinds: Vec<LogKind>,
    /// Of lines of syslog, those of these programs only; all where it is empty.
    programs: &'static [&'static [u8]],
}

impl Reads {
    /// Reads a `logsource`.
    pub(super) fn parse(value: &Value) -> Result<Self, String> {
        let word =
            |name: &str| value.get(name).and_then(Value::as_str).map(str::to_ascii_lowercase).unwrap_or_default();
        let (category, product, service) = (word("category"), word("product"), word("service"));
        let syslog = vec![LogKind::Auth, LogKind::Syslog, LogKind::Cron];
        #[expect(clippy::match_same_arms, reason = "one arm a kind of logsource")]
        let (kinds, programs): (Vec<LogKind>, &'static [&'static [u8]]) =
            match (category.as_str(), product.as_str(), service.as_str()) {
                ("webserver", _, _) => (vec![LogKind::WebAccess], &[]),
                ("", "apache" | "nginx" | "", "apache" | "nginx" | "error" | "modsecurity")
                | ("", "apache" | "nginx", "") => (vec![LogKind::WebError], &[]),
                ("", "apache" | "nginx", "access") => (vec![LogKind::WebAccess], &[]),
                ("application", "php", _) => (vec![LogKind::WebError], &[]),
                ("", "linux", "auth" | "pam" | "login") => (vec![LogKind::Auth, LogKind::Syslog], &[]),
                ("", "linux", "sshd" | "ssh") => {
                    (vec![LogKind::Auth, LogKind::Syslog], &[b"sshd", b"sshd-session", b"sshd-auth"])
                }
                ("", "linux", "sudo") => (vec![LogKind::Auth, LogKind::Syslog], &[b"sudo"]),
                ("", "linux", "su") => (vec![LogKind::Auth, LogKind::Syslog], &[b"su"]),
                ("", "linux", "cron") => {
                    (vec![LogKind::Cron, LogKind::Syslog], &[b"cron", b"crond", b"crontab", b"anacron"])
                }
                ("", "linux", "syslog" | "") => (syslog, &[]),
                ("", "asterisk", "security") => (vec![LogKind::AsteriskSecurity], &[]),
                ("", "asterisk", "queue" | "queue_log") => (vec![LogKind::AsteriskQueue], &[]),
                ("", "asterisk", "full" | "messages" | "") => (vec![LogKind::Asterisk], &[]),
                ("", "freepbx", "security") => (vec![LogKind::FreepbxSecurity], &[]),
                ("", "freepbx", "") => (vec![LogKind::Freepbx], &[]),
                _ => {
                    let given = [("category", &category), ("product", &product), ("service", &service)];
                    let given: Vec<String> = given
                        .iter()
                        .filter(|(_, word)| !word.is_empty())
                        .map(|(name, word)| format!("{name} `{word}`"))
                        .collect();
                    return Err(format!(
                        "no log is read for {}",
                        if given.is_empty() { "an empty logsource".to_owned() } else { given.join(", ") }
                    ));
                }
            };
        Ok(Self { kinds, programs })
    }

    /// Says whether these are access logs.
    pub(super) fn is_web(&self) -> bool {
        self.kinds.contains(&LogKind::WebAccess)
    }

    /// Says whether a line is one of the programs that are read.
    pub(super) fn takes(&self, event: &Event<'_>) -> bool {
        self.programs.is_empty()
            || event
                .values(Field::Program)
                .any(|name| self.programs.iter().any(|known| name.eq_ignore_ascii_case(known)))
    }
}
