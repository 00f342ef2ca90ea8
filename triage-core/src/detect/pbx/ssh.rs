//! Ways in by SSH: what sshd was told, and whose keys let whom in.

use super::super::{Report, shell};
use super::rule::{Rule, attribute};
use crate::model::{AuthorizedKey, Category, Evidence, EvidencePath, Program, Setting, Severity, Subject};
use crate::parse::procfs::is_package_place;
use crate::parse::{Limits, authorized_keys, ssh_config};
use crate::sweep::Swept;
use std::collections::BTreeMap;

const SOURCE: &str = "sshd_config(5); Cyble, JOMANGY, 2026-05-21; Fortinet, EncystPHP, 2026-01 (second hand)";

const fn rule(
    id: &'static str,
    title: &'static str,
    (category, severity, confidence): (Category, Severity, u8),
    attack: &'static [&'static str],
    remedy: &'static str,
) -> Rule {
    Rule { id, title, category, severity, confidence, attack, source: SOURCE, remedy }
}

const ROOT_LOGIN: Rule = rule(
    "TR-SSH-0001",
    "root may log in with a password",
    (Category::Hardening, Severity::Medium, 70),
    &["T1021.004"],
    "set_option",
);
const KEYS_ELSEWHERE: Rule = rule(
    "TR-SSH-0002",
    "sshd takes keys from an unusual place",
    (Category::Persistence, Severity::Medium, 55),
    &["T1098.004"],
    "set_option",
);
const KEYS_COMMAND: Rule = rule(
    "TR-SSH-0003",
    "sshd asks a program that no package has for keys",
    (Category::Persistence, Severity::High, 75),
    &["T1098.004", "T1556"],
    "set_option",
);
const MORE_PORTS: Rule = rule(
    "TR-SSH-0004",
    "sshd listens on more than one port",
    (Category::Persistence, Severity::Low, 45),
    &["T1133"],
    "set_option",
);
const NO_PASSWORD: Rule = rule(
    "TR-SSH-0005",
    "sshd lets accounts without a password in",
    (Category::Hardening, Severity::High, 80),
    &["T1021.004"],
    "set_option",
);
const SERVICE_KEY: Rule = rule(
    "TR-SSH-0006",
    "SSH key that lets somebody in as a service account",
    (Category::Persistence, Severity::Medium, 60),
    &["T1098.004"],
    "remove_key",
);
const SHARED_KEY: Rule = rule(
    "TR-SSH-0007",
    "SSH key that lets somebody in as root and as a service account",
    (Category::Persistence, Severity::High, 75),
    &["T1098.004"],
    "remove_key",
);

pub(super) const RULES: &[Rule] =
    &[ROOT_LOGIN, KEYS_ELSEWHERE, KEYS_COMMAND, MORE_PORTS, NO_PASSWORD, SERVICE_KEY, SHARED_KEY];

/// Homes of accounts that nobody logs in as.
const SERVICE_HOMES: [&[u8]; 8] = [
    b"/home/asterisk/",
    b"/var/lib/asterisk/",
    b"/var/spool/asterisk/",
    b"/var/www/",
    b"/usr/share/httpd/",
    b"/var/lib/mysql/",
    b"/bin/",
    b"/dev/",
];

/// The most keys that are remembered.
const MAX_KEYS: usize = 10_000;

#[derive(Default)]
pub(super) struct Seen {
    files: BTreeMap<EvidencePath, Vec<Setting>>,
    keys: Vec<AuthorizedKey>,
}

/// Remembers the keys of a file; what is odd about a single one is told by the detector of start-up files.
pub(super) fn keys(file: &Swept<'_>, content: &[u8], seen: &mut Seen) {
    let room = MAX_KEYS.saturating_sub(seen.keys.len());
    let found = authorized_keys::parse(file.path, content, &Limits::default()).value;
    seen.keys.extend(found.into_iter().take(room));
}

/// Remembers a file of sshd's configuration.
pub(super) fn config(file: &Swept<'_>, content: &[u8], seen: &mut Seen) {
    let settings = ssh_config::parse(file.path, Program::Sshd, content, &Limits::default()).value;
    seen.files.insert(file.path.clone(), settings);
}

pub(super) fn conclude(seen: &Seen, report: &mut Report) {
    if let Ok(main) = EvidencePath::new("/etc/ssh/sshd_config") {
        settings(&ssh_config::effective(&main, &seen.files).value, report);
    }
    keys_together(&seen.keys, report);
}

fn tell(rule: &Rule, setting: &Setting, report: &mut Report) {
    let text = [setting.name.as_bytes(), b" ", setting.value.as_bytes()].concat();
    let mut evidence = vec![Evidence::Line { line: setting.line, text: text.as_slice().into() }];
    if !setting.scope.is_empty() {
        evidence.push(attribute("scope", setting.scope.as_bytes()));
    }
    let subject = Subject::Line { path: setting.path.clone(), line: setting.line, text: text.as_slice().into() };
    report.findings.push(rule.finding(subject, evidence));
}

fn settings(all: &[Setting], report: &mut Report) {
    for setting in all {
        let value = setting.value.as_bytes();
        let is_yes = value.eq_ignore_ascii_case(b"yes");
        match setting.name.as_str() {
            "permitrootlogin" if is_yes => tell(&ROOT_LOGIN, setting, report),
            "permitemptypasswords" if is_yes => tell(&NO_PASSWORD, setting, report),
            "authorizedkeysfile" => {
                if let Some((severity, confidence)) = odd_keys(value) {
                    tell(&KEYS_ELSEWHERE.weighed(severity, confidence), setting, report);
                }
            }
            "authorizedkeyscommand" | "authorizedprincipalscommand" => {
                let program = value.split(u8::is_ascii_whitespace).next().unwrap_or_default();
                if program.starts_with(b"/") && (!is_package_place(program) || shell::is_hidden(program)) {
                    tell(&KEYS_COMMAND, setting, report);
                }
            }
            _ => {}
        }
    }
    let ports: Vec<&Setting> =
        all.iter().filter(|setting| setting.name == "port" && setting.scope.is_empty()).collect();
    if ports.len() > 1 {
        for setting in ports {
            tell(&MORE_PORTS, setting, report);
        }
    }
}

/// Where keys usually lie is beneath the home, or in a file or folder of the system for each user.
fn odd_keys(value: &[u8]) -> Option<(Severity, u8)> {
    value
        .split(u8::is_ascii_whitespace)
        .filter(|place| !place.is_empty() && *place != b"none")
        .filter_map(|place| {
            let bare = place.strip_prefix(b"%h/").unwrap_or(place);
            if bare.starts_with(b".ssh/authorized_keys") {
                return None;
            }
            let is_fixed = place.starts_with(b"/") && super::super::find(place, b"%").is_none();
            Some(if shell::is_temporary(place) || (place.starts_with(b"/") && shell::is_hidden(place)) {
                (Severity::High, 85)
            } else if is_fixed {
                // One file for all accounts: whose keys they are, they open root's too.
                (Severity::High, 75)
            } else if place.starts_with(b"/etc/ssh/") {
                return None;
            } else {
                (KEYS_ELSEWHERE.severity, KEYS_ELSEWHERE.confidence)
            })
        })
        .max()
}

fn keys_together(keys: &[AuthorizedKey], report: &mut Report) {
    let is_service = |key: &AuthorizedKey| SERVICE_HOMES.iter().any(|home| key.path.as_bytes().starts_with(home));
    let mut by_key: BTreeMap<&str, Vec<&AuthorizedKey>> = BTreeMap::new();
    for key in keys {
        by_key.entry(key.fingerprint.as_str()).or_default().push(key);
    }
    for key in keys.iter().filter(|key| is_service(key)) {
        let others = by_key.get(key.fingerprint.as_str()).map(Vec::as_slice).unwrap_or_default();
        let opens_root = others.iter().any(|other| other.path.as_bytes().starts_with(b"/root/"));
        let rule = if opens_root { SHARED_KEY } else { SERVICE_KEY };
        let evidence = vec![
            attribute("fingerprint", &key.fingerprint),
            attribute("comment", key.comment.as_bytes()),
            attribute("options", key.options.as_bytes()),
        ];
        let subject = Subject::Line { path: key.path.clone(), line: key.line, text: key.text.clone() };
        report.findings.push(rule.finding(subject, evidence));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::testing::{Scene, ids};

    const KEY: &str = include_str!("../../../../testdata/authorized_keys/plain_ed25519.in");

    fn found(text: &str) -> Vec<String> {
        ids(&Scene::new().file("/etc/ssh/sshd_config", text).findings())
    }

    #[test]
    fn settings_that_open_a_way_in_are_found() {
        for (text, rule) in [
            ("PermitRootLogin yes\n", "TR-SSH-0001 medium"),
            ("AuthorizedKeysFile .ssh/authorized_keys /etc/.k/%u\n", "TR-SSH-0002 high"),
            ("AuthorizedKeysFile /etc/keys\n", "TR-SSH-0002 high"),
            ("AuthorizedKeysFile .config/keys\n", "TR-SSH-0002 medium"),
            ("AuthorizedKeysCommand /opt/x/keys %u\n", "TR-SSH-0003 high"),
            ("Port 22\nPort 2222\n", "TR-SSH-0004 low"),
            ("PermitEmptyPasswords yes\n", "TR-SSH-0005 high"),
        ] {
            assert!(found(text).contains(&rule.to_owned()), "{text}: {:?}", found(text));
        }
    }

    #[test]
    fn settings_of_the_distributions_are_not() {
        let debian = "Include /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\nX11Forwarding yes\nPrintMotd no\nAcceptEnv LANG LC_*\nSubsystem sftp /usr/lib/openssh/sftp-server\n";
        assert!(found(debian).is_empty(), "{:?}", found(debian));
        let other = "PermitRootLogin prohibit-password\nAuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys2\nAuthorizedKeysCommand /usr/bin/sss_ssh_authorizedkeys\nPort 22\n";
        assert!(found(other).is_empty(), "{:?}", found(other));
    }

    #[test]
    fn the_first_value_counts_as_for_sshd() {
        assert!(found("PermitRootLogin no\nPermitRootLogin yes\n").is_empty());
    }

    #[test]
    fn keys_of_service_accounts_are_told_and_worse_where_they_open_root() {
        let alone = Scene::new().file("/home/asterisk/.ssh/authorized_keys", KEY).findings();
        assert_eq!(ids(&alone), ["TR-SSH-0006 medium"]);
        let both =
            Scene::new().file("/var/www/.ssh/authorized_keys", KEY).file("/root/.ssh/authorized_keys", KEY).findings();
        assert_eq!(ids(&both), ["TR-SSH-0007 high"]);
        assert!(Scene::new().file("/root/.ssh/authorized_keys", KEY).findings().is_empty());
    }
}
