//! Accounts of the operating system: who has the rights of root, whose password is known or empty.

use super::{Detector, HostContext, Indicators, Report};
use crate::model::{Account, Category, Evidence, EvidencePath, Finding, RawText, Severity, Subject};
use crate::parse::shadow::{ShadowEntry, State};
use crate::parse::{Limits, Secret, passwd, shadow};
use crate::sweep::Swept;
use std::sync::{Arc, Mutex, PoisonError};

/// Judges `/etc/passwd` and `/etc/shadow` together.
pub struct AccountDetector {
    indicators: Arc<Indicators>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    accounts: Vec<Account>,
    /// The password fields of `/etc/passwd` itself, by line.
    secrets: Vec<(u64, Secret)>,
    shadow: Vec<ShadowEntry>,
}

impl AccountDetector {
    /// A detector with these indicators.
    pub fn new(indicators: Arc<Indicators>) -> Self {
        Self { indicators, seen: Mutex::default() }
    }

    /// An account that was put out of use is told all the same, as what is left to remove.
    fn judge(&self, seen: &Seen, account: &Account, is_first_root: bool, report: &mut Report) {
        let before = report.findings.len();
        self.accuse(seen, account, is_first_root, report);
        if seen.shadow.iter().any(|entry| entry.name == account.name && entry.is_out_of_use()) {
            for finding in report.findings.iter_mut().skip(before) {
                finding.severity = finding.severity.min(Severity::Low);
                finding.title.push_str(", locked and expired");
            }
        }
    }

    fn accuse(&self, seen: &Seen, account: &Account, is_first_root: bool, report: &mut Report) {
        let subject = || Subject::Account { path: account.path.clone(), name: account.name.clone() };
        let name = account.name.as_bytes();
        if account.uid == 0 && !is_first_root {
            let finding = match self.indicators.uid_0_name(name) {
                Some(indicator) => indicator.finding(subject(), evidence(account)),
                None => Finding::new(
                    "TR-ACCOUNT-0001",
                    "Second account with the rights of root",
                    (Category::Account, Severity::High, 80),
                    subject(),
                    evidence(account),
                )
                .with_attack(["T1136.001", "T1078.003"]),
            };
            report.findings.push(finding);
        }
        let own = seen.secrets.iter().filter(|(line, _)| *line == account.line).map(|(_, secret)| secret);
        let shadowed = seen.shadow.iter().filter(|entry| entry.name == account.name).map(|entry| &entry.password);
        for secret in own.chain(shadowed) {
            // A lock in front of the hash does not make it another one.
            let field = secret.expose();
            let hash = field.iter().position(|&b| b != b'!').and_then(|start| field.get(start..)).unwrap_or_default();
            if let Some(indicator) = self.indicators.password_hash(|known| known == hash) {
                report.findings.push(indicator.finding(subject(), evidence(account)));
            }
        }
        if account.password == "empty" && is_login_shell(account.shell.as_bytes()) {
            let severity = if account.uid == 0 { Severity::High } else { Severity::Medium };
            report.findings.push(
                Finding::new(
                    "TR-ACCOUNT-0004",
                    "Account that logs in without a password",
                    (Category::Exposure, severity, 80),
                    subject(),
                    evidence(account),
                )
                .with_attack(["T1078.003"]),
            );
        }
    }
}

impl Detector for AccountDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        let Some(content) = file.content.filter(|_| file.meta.is_file()) else { return };
        let (path, limits) = (file.path, &Limits::default());
        match path.as_bytes() {
            b"/etc/passwd" => {
                let outcome = passwd::parse(path, content, limits);
                report.gaps.extend(outcome.gaps);
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.accounts = outcome.value;
                seen.secrets = passwd::secrets(content).collect();
            }
            b"/etc/shadow" => {
                let outcome = shadow::parse(path, content, limits);
                report.gaps.extend(outcome.gaps);
                self.seen.lock().unwrap_or_else(PoisonError::into_inner).shadow = outcome.value;
            }
            _ => {}
        }
    }

    fn conclude(&self, _: &HostContext, report: &mut Report) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { accounts, shadow, .. } = &mut *seen;
        passwd::apply_shadow(accounts, shadow);
        let first_root =
            seen.accounts.iter().position(|account| account.name.as_bytes() == b"root" && account.uid == 0);
        for (at, account) in seen.accounts.iter().enumerate() {
            self.judge(&seen, account, Some(at) == first_root, report);
        }
        // A shadow line without an account line: a password all the same, where accounts come from elsewhere too.
        let orphans = seen.shadow.iter().filter(|entry| seen.accounts.iter().all(|account| account.name != entry.name));
        for entry in orphans.filter(|entry| entry.state != State::Empty) {
            if let Some(indicator) = self.indicators.password_hash(|hash| entry.has_hash(hash)) {
                let Ok(path) = EvidencePath::new("/etc/shadow") else { continue };
                report
                    .findings
                    .push(indicator.finding(Subject::Account { path, name: entry.name.clone() }, Vec::new()));
            }
        }
    }
}

/// What is said of an account; never its password field.
fn evidence(account: &Account) -> Vec<Evidence> {
    let attribute = |name: &str, value: RawText| Evidence::Attribute { name: name.to_owned(), value };
    vec![
        attribute("line", account.line.to_string().as_str().into()),
        attribute("uid", account.uid.to_string().as_str().into()),
        attribute("home", account.home.clone()),
        attribute("shell", account.shell.clone()),
        attribute("password", account.password.as_str().into()),
    ]
}

fn is_login_shell(shell: &[u8]) -> bool {
    const NONE: [&[u8]; 5] = [b"nologin", b"false", b"sync", b"shutdown", b"halt"];
    !NONE.contains(&shell.rsplit(|&b| b == b'/').next().unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::testing::{Scene, ids};

    const CLEAN: &str = include_str!("../../../testdata/passwd/debian_12_freepbx.in");

    #[test]
    fn a_clean_host_has_no_finding() {
        let shadow = "root:$6$a$b:19700:0:99999:7:::\nasterisk:!:19700::::::\nwww-data:*:19700::::::\n";
        assert!(Scene::new().file("/etc/passwd", CLEAN).file("/etc/shadow", shadow).findings().is_empty());
    }

    #[test]
    fn a_locked_and_expired_account_is_what_is_left_to_remove() {
        use crate::model::Severity::{High, Low};
        let passwd = format!("{CLEAN}backdoor:x:0:0::/:/bin/sh\n");
        let severities = |shadow: &str| -> Vec<crate::model::Severity> {
            let scene = Scene::new().file("/etc/passwd", &passwd).file("/etc/shadow", shadow);
            scene.findings().iter().map(|finding| finding.severity).collect()
        };
        assert_eq!(severities("backdoor:!$6$a$b:19700:0:99999:7::1:\n"), [Low]);
        // A lock alone does not keep a key out, and an expiry in the future nobody.
        assert_eq!(severities("backdoor:!$6$a$b:19700:0:99999:7:::\n"), [High]);
        assert_eq!(severities("backdoor:$6$a$b:19700:0:99999:7::1:\n"), [High]);
        assert_eq!(severities("backdoor:!$6$a$b:19700:0:99999:7::99999:\n"), [High]);
    }

    #[test]
    fn second_root_is_found_whatever_its_name_and_spelling() {
        let passwd = format!(
            "{CLEAN}backup:x:00:0::/:/bin/sh\nroot:x:0:0::/dev/null:/bin/sh\nnewfpbx:x:+0:0::/home/x:/bin/bash\n"
        );
        let findings = Scene::new().file("/etc/passwd", &passwd).findings();
        assert_eq!(ids(&findings), ["TR-ACCOUNT-0002 critical", "TR-ACCOUNT-0001 high", "TR-ACCOUNT-0001 high"]);
    }

    #[test]
    fn a_usual_name_without_the_rights_of_root_is_no_finding() {
        let passwd =
            format!("{CLEAN}centos:x:1000:1000::/home/centos:/bin/bash\nadmin:x:1001:1001::/home/admin:/bin/bash\n");
        assert!(Scene::new().file("/etc/passwd", &passwd).findings().is_empty());
    }

    #[test]
    fn the_campaigns_password_is_found_behind_a_lock_and_is_not_printed() {
        let shadow = "asterisk:!$1$nRz1Cbtk$6DnGs37n.OpPcgejUfp9p.:1::::::\nwww-data:ueteGJYCHeMTk:1::::::\n";
        let findings = Scene::new().file("/etc/passwd", CLEAN).file("/etc/shadow", shadow).findings();
        assert_eq!(ids(&findings), ["TR-ACCOUNT-0003 critical"; 2]);
        let json = serde_json::to_string(&findings).unwrap();
        assert!(!json.contains("nRz1Cbtk") && !json.contains("ueteGJY"), "{json}");
    }

    #[test]
    fn the_campaigns_password_in_passwd_itself_is_found() {
        let passwd = format!("{CLEAN}x:ueteGJYCHeMTk:1002:1002::/:/bin/sh\n");
        assert_eq!(ids(&Scene::new().file("/etc/passwd", &passwd).findings()), ["TR-ACCOUNT-0003 critical"]);
    }

    #[test]
    fn an_empty_password_counts_only_with_a_login_shell() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\na:x:1:1::/:/usr/sbin/nologin\nb:x:2:2::/:\n";
        let findings =
            Scene::new().file("/etc/passwd", passwd).file("/etc/shadow", "a::1::::::\nb::1::::::\n").findings();
        assert_eq!(ids(&findings), ["TR-ACCOUNT-0004 medium"]);
        assert_eq!(findings[0].subject.to_string(), "account b (/etc/passwd)");
    }
}
