//! Accounts of the system beyond user id 0: those that vanished, those that should not log in, those whose names the campaigns use, and who
//! may become root.

use super::super::{Indicators, Report, find};
use super::rule::{Rule, attribute, is_enough};
use crate::model::{Account, Category, Evidence, EvidencePath, Severity, Subject, SudoersEntry};
use crate::parse::shadow::{ShadowEntry, State};
use crate::parse::{Format, Limits, group, passwd, shadow, sudoers as parser};
use crate::sweep::Swept;
use std::collections::BTreeMap;

const VANISHED: Rule = Rule {
    id: "TR-ACCOUNT-0005",
    title: "Account that was there before the last change of the accounts and is gone",
    category: Category::Account,
    severity: Severity::Low,
    confidence: 40,
    attack: &["T1531"],
    source: "Cyble, JOMANGY, 2026-05-21: userdel of every other account; passwd(5): the copy with `-`",
    remedy: "restore_account",
};

const SERVICE_LOGIN: Rule = Rule {
    id: "TR-ACCOUNT-0006",
    title: "Service account with a password",
    category: Category::Account,
    severity: Severity::High,
    confidence: 75,
    attack: &["T1098", "T1078.003"],
    source: "Cyble, JOMANGY, 2026-05-21: chpasswd for asterisk; derived for other accounts",
    remedy: "lock_account",
};

const SERVICE_SHELL: Rule = Rule {
    id: "TR-ACCOUNT-0007",
    title: "Service account with a login shell",
    category: Category::Account,
    severity: Severity::Medium,
    confidence: 55,
    attack: &["T1078.003"],
    source: "base-passwd of Debian, setup of the Red Hat family: shells of service accounts",
    remedy: "set_shell",
};

const CAMPAIGN_NAME: Rule = Rule {
    id: "TR-ACCOUNT-0008",
    title: "Account with a name that the campaigns against FreePBX use",
    category: Category::Account,
    severity: Severity::Medium,
    confidence: 65,
    attack: &["T1136.001"],
    source: "Cyble, JOMANGY, 2026-05-21; Fortinet, EncystPHP, 2026-01 (second hand)",
    remedy: "lock_account",
};

const SHARED_HASH: Rule = Rule {
    id: "TR-ACCOUNT-0009",
    title: "Password that several accounts have, salt and all",
    category: Category::Account,
    severity: Severity::High,
    confidence: 78,
    attack: &["T1098"],
    source: "Cyble, JOMANGY, 2026-05-21: one hash set by chpasswd -e; derived for any hash",
    remedy: "lock_account",
};

const ADMINISTRATOR: Rule = Rule {
    id: "TR-ACCOUNT-0010",
    title: "Administrator that the sister campaign puts into Issabel's database",
    category: Category::Account,
    severity: Severity::Critical,
    confidence: 92,
    attack: &["T1136"],
    source: "issabel-security-fix 8c71030",
    remedy: "",
};

const GROUP: Rule = Rule {
    id: "TR-ACCOUNT-0011",
    title: "Service account in a group that leads to root",
    category: Category::Account,
    severity: Severity::High,
    confidence: 75,
    attack: &["T1098.007"],
    source: "group(5), sudoers(5); derived",
    remedy: "remove_from_group",
};

const SUDO: Rule = Rule {
    id: "TR-SUDO-0001",
    title: "Service account that may run anything as root",
    category: Category::Account,
    severity: Severity::High,
    confidence: 80,
    attack: &["T1548.003"],
    source: "sudoers(5); derived",
    remedy: "remove_lines",
};

pub(super) const RULES: &[Rule] =
    &[VANISHED, SERVICE_LOGIN, SERVICE_SHELL, CAMPAIGN_NAME, SHARED_HASH, ADMINISTRATOR, GROUP, SUDO];

/// Accounts of services that nobody logs in as.
const SERVICES: [&[u8]; 22] = [
    b"asterisk",
    b"www-data",
    b"apache",
    b"nginx",
    b"mysql",
    b"daemon",
    b"bin",
    b"sys",
    b"games",
    b"man",
    b"lp",
    b"mail",
    b"news",
    b"uucp",
    b"proxy",
    b"backup",
    b"list",
    b"nobody",
    b"postfix",
    b"redis",
    b"ntp",
    b"tftp",
];

/// Names that nobody else gives an account; the campaigns' other names are usual ones and count only with user id 0.
const CAMPAIGN_NAMES: [&[u8]; 14] = [
    b"newfpbxs",
    b"newfpbx",
    b"xhimax",
    b"sugarmaint",
    b"supermaint",
    b"asteriskuser",
    b"freepbxuser",
    b"freepbxusers",
    b"freepbx_svc",
    b"svc_freepbx",
    b"hima",
    b"juba",
    b"supports",
    b"spamfilter",
];

#[derive(Default)]
pub(super) struct Seen {
    now: Vec<Account>,
    before: Vec<Account>,
    shadow: Vec<ShadowEntry>,
}

/// Remembers accounts, and judges what stands alone.
pub(super) fn inspect(file: &Swept<'_>, content: &[u8], seen: &mut Seen, report: &mut Report) {
    let limits = &Limits::default();
    match file.path.as_bytes() {
        b"/etc/passwd" => seen.now = passwd::parse(file.path, content, limits).value,
        b"/etc/passwd-" => seen.before = passwd::parse(file.path, content, limits).value,
        b"/etc/shadow" => seen.shadow = shadow::parse(file.path, content, limits).value,
        b"/etc/group" => groups(file, content, report),
        // The database's text is looked at as it is: a row that was deleted tells as much.
        b"/var/www/db/acl.db" if find(content, b"atmin").is_some() => {
            report.findings.push(ADMINISTRATOR.at_file(file, vec![attribute("name", "atmin")]));
        }
        _ => {}
    }
}

fn groups(file: &Swept<'_>, content: &[u8], report: &mut Report) {
    const ROOTS: [&[u8]; 7] = [b"root", b"sudo", b"wheel", b"admin", b"docker", b"shadow", b"disk"];
    for group in group::parse(file.path, content, &Limits::default()).value {
        if !ROOTS.contains(&group.name.as_bytes()) {
            continue;
        }
        for member in group.members.iter().filter(|member| SERVICES.contains(&member.as_bytes())) {
            let subject = Subject::Account { path: file.path.clone(), name: member.clone() };
            let evidence = vec![attribute("group", group.name.as_bytes())];
            report.findings.push(GROUP.finding(subject, evidence));
        }
    }
}

/// Judges a file of `sudoers(5)`.
pub(super) fn sudoers(file: &Swept<'_>, content: &[u8], report: &mut Report) {
    const SHELLS: [&[u8]; 14] = [
        b"sh", b"bash", b"dash", b"su", b"vi", b"vim", b"nano", b"less", b"find", b"python3", b"perl", b"php", b"env",
        b"tee",
    ];
    if Format::at(file.path) != Some(Format::Sudoers) {
        return;
    }
    let before = report.findings.len();
    for statement in parser::parse(file.path, content, &Limits::default()).value {
        if is_enough(file.path, before, report) {
            return;
        }
        let SudoersEntry::Rule { users, command, tags, .. } = statement.entry else { continue };
        let Some(user) = users.iter().find(|user| SERVICES.contains(&user.as_bytes())) else { continue };
        let is_free = tags.iter().any(|tag| tag == "NOPASSWD");
        let program = command.as_bytes().split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let name = program.rsplit(|&b| b == b'/').next().unwrap_or_default();
        let rule = match program {
            b"ALL" if is_free => SUDO,
            b"ALL" => SUDO.weighed(Severity::Medium, 60),
            _ if is_free && SHELLS.contains(&name) => SUDO.weighed(Severity::High, 75),
            _ => continue,
        };
        let evidence = vec![attribute("account", user.as_bytes()), attribute("command", command.as_bytes())];
        report.findings.push(rule.at_line(file.path, statement.line, content, evidence));
    }
}

pub(super) fn conclude(seen: Seen, indicators: &Indicators, report: &mut Report) {
    let Seen { now, before, shadow } = seen;
    if now.is_empty() {
        return;
    }
    let gone: Vec<&Account> = before
        .iter()
        .filter(|old| old.uid >= 1000 && old.uid != 65534 && now.iter().all(|account| account.name != old.name))
        .collect();
    // One account that is gone is somebody who left.
    let rule = if gone.len() > 1 { VANISHED.weighed(Severity::Medium, 60) } else { VANISHED };
    for old in gone {
        report.findings.push(rule.finding(subject(old), evidence(old)));
    }
    for account in &now {
        judge(account, &shadow, indicators, report);
    }
    shared(&now, &shadow, indicators, report);
}

fn judge(account: &Account, shadow: &[ShadowEntry], indicators: &Indicators, report: &mut Report) {
    let name = account.name.as_bytes();
    let entry = shadow.iter().find(|entry| entry.name == account.name);
    let is_out_of_use = entry.is_some_and(ShadowEntry::is_out_of_use);
    if CAMPAIGN_NAMES.contains(&name) && account.uid != 0 {
        let rule = match (is_out_of_use, name) {
            (true, _) => CAMPAIGN_NAME.weighed(Severity::Low, 65),
            // Mail gateways and support desks use these.
            (_, b"supports" | b"spamfilter" | b"freepbxuser" | b"asteriskuser") => {
                CAMPAIGN_NAME.weighed(Severity::Low, 45)
            }
            _ => CAMPAIGN_NAME,
        };
        report.findings.push(rule.finding(subject(account), evidence(account)));
    }
    if !SERVICES.contains(&name) || is_out_of_use || account.uid == 0 {
        return;
    }
    // A campaign's own hash is told by the rule for it.
    let is_known = |entry: &ShadowEntry| indicators.password_hash(|hash| entry.has_hash(hash)).is_some();
    if entry.is_some_and(|entry| entry.state == State::Hash && !is_known(entry)) {
        report.findings.push(SERVICE_LOGIN.finding(subject(account), evidence(account)));
    }
    // FreePBX's installer leaves the Asterisk user the shell that `useradd` gives.
    let shell = account.shell.as_bytes();
    let may_have_one = matches!(name, b"asterisk" | b"sync");
    if !may_have_one && is_shell(shell) {
        report.findings.push(SERVICE_SHELL.finding(subject(account), evidence(account)));
    }
}

fn is_shell(shell: &[u8]) -> bool {
    let name = shell.rsplit(|&b| b == b'/').next().unwrap_or_default();
    matches!(name, b"sh" | b"bash" | b"dash" | b"zsh" | b"ksh" | b"tcsh" | b"csh" | b"")
}

/// A hash has a salt made at random, so two accounts never come to the same one by themselves.
fn shared(now: &[Account], shadow: &[ShadowEntry], indicators: &Indicators, report: &mut Report) {
    let mut by_hash: BTreeMap<&[u8], Vec<&ShadowEntry>> = BTreeMap::new();
    for entry in shadow {
        let field = entry.password.expose();
        let hash = field.iter().position(|b| *b != b'!').and_then(|at| field.get(at..)).unwrap_or_default();
        let is_known = indicators.password_hash(|known| known == hash).is_some();
        if hash.len() >= 13 && !hash.starts_with(b"*") && !is_known {
            by_hash.entry(hash).or_default().push(entry);
        }
    }
    for entries in by_hash.into_values().filter(|entries| entries.len() > 1) {
        let names: Vec<String> = entries.iter().map(|entry| entry.name.to_string()).collect();
        for entry in entries {
            let Some(account) = now.iter().find(|account| account.name == entry.name) else { continue };
            let mut evidence = evidence(account);
            evidence.push(attribute("accounts", names.join(", ")));
            report.findings.push(SHARED_HASH.finding(subject(account), evidence));
        }
    }
}

fn subject(account: &Account) -> Subject {
    let path = EvidencePath::new("/etc/passwd").unwrap_or_else(|_| account.path.clone());
    Subject::Account { path, name: account.name.clone() }
}

fn evidence(account: &Account) -> Vec<Evidence> {
    vec![
        attribute("uid", account.uid.to_string()),
        attribute("home", account.home.as_bytes()),
        attribute("shell", account.shell.as_bytes()),
    ]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::testing::{Scene, ids};

    const CLEAN: &str = include_str!("../../../../testdata/passwd/debian_12_freepbx.in");

    fn found(passwd: &str, shadow: &str, before: &str) -> Vec<String> {
        let scene = Scene::new()
            .file("/etc/passwd", format!("{CLEAN}{passwd}"))
            .file("/etc/shadow", format!("root:$6$a$bbbbbbbbbbbbb:1::::::\nasterisk:!:1::::::\n{shadow}"))
            .file("/etc/passwd-", format!("{CLEAN}{before}"));
        ids(&scene.findings())
    }

    #[test]
    fn accounts_that_vanished_are_told_by_the_older_file() {
        let two = "anna:x:1000:1000::/home/anna:/bin/bash\nben:x:1001:1001::/home/ben:/bin/bash\n";
        assert_eq!(found("", "", two), ["TR-ACCOUNT-0005 medium"; 2]);
        assert_eq!(found("", "", "anna:x:1000:1000::/home/anna:/bin/bash\n"), ["TR-ACCOUNT-0005 low"]);
        assert!(found(two, "", two).is_empty());
    }

    #[test]
    fn services_with_passwords_and_shells_are_told() {
        assert_eq!(found("", "www-data:$6$x$yyyyyyyyyyyyyyy:1::::::\n", ""), ["TR-ACCOUNT-0006 high"]);
        assert_eq!(found("games:x:5:60::/usr/games:/bin/bash\n", "", ""), ["TR-ACCOUNT-0007 medium"]);
        assert_eq!(found("sugarmaint:x:1002:1002::/:/bin/sh\n", "", ""), ["TR-ACCOUNT-0008 medium"]);
        assert!(found("", "www-data:*:1::::::\n", "").is_empty());
    }

    #[test]
    fn one_hash_for_several_accounts_is_told_without_the_hash() {
        let passwd = "a:x:1000:1000::/home/a:/bin/bash\nb:x:1001:1001::/home/b:/bin/bash\n";
        let shadow = "a:$6$saltsalt$hashhash:1::::::\nb:!$6$saltsalt$hashhash:1::::::\n";
        assert_eq!(found(passwd, shadow, passwd), ["TR-ACCOUNT-0009 high"; 2]);
        let scene = Scene::new().file("/etc/passwd", passwd).file("/etc/shadow", shadow);
        assert!(!serde_json::to_string(&scene.findings()).unwrap().contains("saltsalt"));
    }

    #[test]
    fn ways_to_root_are_told() {
        let one = |path: &str, text: &str| ids(&Scene::new().file(path, text).findings());
        assert_eq!(one("/etc/group", "sudo:x:27:anna,asterisk\n"), ["TR-ACCOUNT-0011 high"]);
        assert_eq!(one("/etc/sudoers.d/x", "asterisk ALL=(ALL) NOPASSWD: ALL\n"), ["TR-SUDO-0001 high"]);
        assert_eq!(one("/etc/sudoers.d/x", "www-data ALL=NOPASSWD: /usr/bin/find\n"), ["TR-SUDO-0001 high"]);
        assert!(one("/etc/sudoers.d/x", "asterisk ALL=NOPASSWD: /usr/sbin/fwconsole\n").is_empty());
        assert!(one("/etc/group", "audio:x:29:asterisk\nsudo:x:27:anna\n").is_empty());
        assert_eq!(one("/var/www/db/acl.db", "SQLite format 3\0 1atmin"), ["TR-ACCOUNT-0010 critical"]);
    }
}
