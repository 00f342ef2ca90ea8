//! Credentials by kind, by the names that they belong to, in the order in which they are to be changed.

use super::super::Report;
use super::{Rule, add_name, attribute, names, rule};
use crate::model::{DatabaseRow, Evidence, EvidencePath, Subject, escape};
use crate::parse::asterisk_conf::{self, Kind as Line};
use crate::parse::shadow::State;
use crate::parse::{Limits, shadow};
use crate::sweep::Swept;
use std::collections::{BTreeMap, BTreeSet};

/// One rule a kind, in the order of [`Kind`].
pub(super) const RULES: [Rule; 14] = [
    rule(
        "TR-EXPOSE-0011",
        "Credentials that somebody with this access can read: the passwords of the system's accounts (hashes)",
    ),
    rule("TR-EXPOSE-0012", "Credentials that somebody with this access can read: private SSH keys"),
    rule("TR-EXPOSE-0013", "Credentials that somebody with this access can read: the database's password"),
    rule("TR-EXPOSE-0014", "Credentials that somebody with this access can read: accounts of Asterisk's manager (AMI)"),
    rule(
        "TR-EXPOSE-0015",
        "Credentials that somebody with this access can read: accounts of Asterisk's REST interface (ARI)",
    ),
    rule("TR-EXPOSE-0016", "Credentials that somebody with this access can read: FreePBX's administrators (hashes)"),
    rule("TR-EXPOSE-0017", "Credentials that somebody with this access can read: secrets of telephones (SIP, IAX)"),
    rule("TR-EXPOSE-0018", "Credentials that somebody with this access can read: secrets of trunks"),
    rule("TR-EXPOSE-0019", "Credentials that somebody with this access can read: PINs of mailboxes"),
    rule("TR-EXPOSE-0020", "Credentials that somebody with this access can read: users of the portal (hashes)"),
    rule("TR-EXPOSE-0021", "Credentials that somebody with this access can read: applications and tokens of the API"),
    rule("TR-EXPOSE-0022", "Credentials that somebody with this access can read: targets of backups (SSH, S3, FTP)"),
    rule("TR-EXPOSE-0023", "Credentials that somebody with this access can read: private keys of TLS"),
    rule("TR-EXPOSE-0024", "Credentials that somebody with this access can read: keys of VPNs"),
];

/// A kind of credential, in the order in which they are to be changed: what opens most, and locks nobody out of the work on it, comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    SystemAccount,
    SshKey,
    Database,
    Manager,
    RestInterface,
    Administrator,
    Telephone,
    Trunk,
    Mailbox,
    PortalUser,
    ApiToken,
    BackupTarget,
    TlsKey,
    Vpn,
}

impl Kind {
    fn rule(self) -> Option<&'static Rule> {
        RULES.get(self as usize)
    }

    fn order(self) -> u8 {
        self as u8 + 1
    }
}

#[derive(Default)]
pub(super) struct Seen {
    /// Names by kind and file.
    names: BTreeMap<Kind, BTreeMap<EvidencePath, BTreeSet<String>>>,
    /// Owner and mode of each file.
    rights: BTreeMap<EvidencePath, (u32, u32)>,
}

impl Seen {
    fn add(&mut self, kind: Kind, path: &EvidencePath, name: impl AsRef<[u8]>) {
        add_name(self.names.entry(kind).or_default(), path, escape(name.as_ref()));
    }
}

/// Remembers a file that holds credentials.
pub(super) fn inspect(file: &Swept<'_>, seen: &mut Seen) {
    let path = file.path.as_bytes();
    let before = seen.names.values().map(BTreeMap::len).sum::<usize>();
    match path {
        b"/etc/freepbx.conf" => seen.add(Kind::Database, file.path, "freepbx.conf"),
        b"/etc/odbc.ini" | b"/root/.my.cnf" | b"/etc/mysql/debian.cnf" => {
            seen.add(Kind::Database, file.path, file.path.file_name());
        }
        _ => {}
    }
    let has_key = || file.content.is_some_and(|content| super::super::find(content, b"PRIVATE KEY").is_some());
    let name = file.path.file_name();
    let is_ssh = file.path.components().any(|part| part == b".ssh") && name.starts_with(b"id_");
    if is_ssh && has_key() {
        seen.add(Kind::SshKey, file.path, name);
    } else if path.starts_with(b"/etc/openvpn/") && has_key() {
        seen.add(Kind::Vpn, file.path, name);
    } else if [&b"/etc/asterisk/keys/"[..], b"/etc/ssl/private/", b"/etc/letsencrypt/live/", b"/etc/pki/tls/private/"]
        .iter()
        .any(|folder| path.starts_with(folder))
        && has_key()
    {
        seen.add(Kind::TlsKey, file.path, name);
    }
    if path.starts_with(b"/etc/asterisk/")
        && file.path.extension() == Some(b"conf")
        && let Some(content) = file.content
    {
        asterisk(file, content, seen);
    }
    if seen.names.values().map(BTreeMap::len).sum::<usize>() > before {
        seen.rights.insert(file.path.clone(), (file.meta.uid, file.meta.mode.bits()));
    }
}

/// Accounts of the system that have a password.
pub(super) fn accounts(file: &Swept<'_>, content: &[u8], seen: &mut Seen) {
    for entry in shadow::parse(file.path, content, &Limits::default()).value {
        if entry.state == State::Hash {
            seen.add(Kind::SystemAccount, file.path, entry.name.as_bytes());
        }
    }
    seen.rights.insert(file.path.clone(), (file.meta.uid, file.meta.mode.bits()));
}

/// Sections that have a secret, by the file's kind.
fn asterisk(file: &Swept<'_>, content: &[u8], seen: &mut Seen) {
    let name = file.path.file_name();
    let is = |prefix: &[u8]| name.starts_with(prefix);
    let entries = asterisk_conf::parse(file.path, content, &Limits::default()).value;
    let settings = || entries.iter().filter(|entry| entry.kind == Line::Setting && !entry.value.is_empty());
    if is(b"voicemail") {
        // `box => PIN,name,…`; in `general` and `zonemessages` stand settings.
        for entry in settings().filter(|entry| entry.name.bytes().all(|b| b.is_ascii_digit())) {
            seen.add(Kind::Mailbox, file.path, &entry.name);
        }
        return;
    }
    let kind = if is(b"manager") {
        Kind::Manager
    } else if is(b"ari") {
        Kind::RestInterface
    } else if is(b"res_odbc") || is(b"cdr_mysql") || is(b"res_config_mysql") || is(b"cdr_adaptive") {
        Kind::Database
    } else if is(b"pjsip") || is(b"sip") || is(b"iax") {
        Kind::Telephone
    } else {
        return;
    };
    let is_secret = |name: &str| {
        ["secret", "password", "remotesecret", "md5_cred"].iter().any(|word| name.eq_ignore_ascii_case(word))
    };
    for entry in settings().filter(|entry| is_secret(&entry.name)) {
        let section = entry.section.as_bytes();
        // A telephone's section is its number; a trunk has a name.
        let bare = section.strip_suffix(b"-auth").or_else(|| section.strip_suffix(b"_auth")).unwrap_or(section);
        let is_trunk = kind == Kind::Telephone && !bare.iter().all(u8::is_ascii_digit);
        seen.add(if is_trunk { Kind::Trunk } else { kind }, file.path, bare);
    }
    // `register => user:secret@host`: of a trunk.
    for entry in settings().filter(|entry| entry.name.eq_ignore_ascii_case("register")) {
        let host = entry.value.as_bytes().rsplit(|&b| b == b'@').next().unwrap_or_default();
        seen.add(Kind::Trunk, file.path, host);
    }
}

/// What only the database has.
pub(super) fn row(row: &DatabaseRow, seen: &mut Seen) {
    let table = row.table.as_bytes();
    let (kind, column) = match table {
        b"ampusers" => (Kind::Administrator, "username"),
        b"userman_users" => (Kind::PortalUser, "username"),
        b"api_applications" => (Kind::ApiToken, "name"),
        b"api_access_tokens" => (Kind::ApiToken, "aid"),
        b"manager" => (Kind::Manager, "name"),
        b"arimanager" => (Kind::RestInterface, "name"),
        b"kvstore_FreePBX_modules_Filestore" => (Kind::BackupTarget, "key"),
        _ => return,
    };
    seen.add(kind, &row.path, row.text(column));
}

pub(super) fn conclude(seen: Seen, asterisk: Option<u32>, report: &mut Report) {
    let Seen { names: kinds, rights } = seen;
    for (kind, files) in kinds {
        for (path, all) in files {
            let Some(rule) = kind.rule() else { continue };
            let mut evidence: Vec<Evidence> = vec![
                attribute("count", all.len().to_string()),
                attribute("names", names(&all)),
                attribute("rotation_order", kind.order().to_string()),
            ];
            if let Some((uid, mode)) = rights.get(&path) {
                let is_web = Some(*uid) == asterisk || mode & 0o004 != 0;
                let who = if is_web { "who has the web server's account" } else { "root, or who shares its group" };
                evidence.push(attribute("readable_by", who));
            }
            report.findings.push(rule.finding(Subject::File { path, sha256: None }, evidence));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::testing::Scene;
    use super::super::ExposureDetector;
    use crate::model::{Evidence, Finding};

    fn value(finding: &Finding, wanted: &str) -> String {
        finding
            .evidence
            .iter()
            .find_map(|evidence| match evidence {
                Evidence::Attribute { name, value } if name == wanted => Some(value.to_string()),
                _ => None,
            })
            .unwrap_or_default()
    }

    fn found(path: &str, text: &str, uid: u32) -> Vec<(String, String, String)> {
        let scene = Scene::new()
            .file("/etc/asterisk/extensions.conf", "")
            .file("/etc/passwd", "root:x:0:0::/root:/bin/bash\nasterisk:x:995:995::/home/asterisk:/bin/sh\n")
            .file_with(path, text, 0o640, |meta| meta.uid = uid);
        let findings = scene.judge(ExposureDetector::default()).value;
        let mut all: Vec<_> = findings
            .iter()
            .filter(|finding| finding.rule.0.as_str() > "TR-EXPOSE-0010")
            .map(|finding| {
                (
                    finding.title.rsplit(": ").next().unwrap().to_owned(),
                    value(finding, "names"),
                    value(finding, "readable_by"),
                )
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn telephones_and_trunks_are_told_apart_by_name() {
        let text = "[100-auth]\ntype=auth\npassword=a\n[carrier-auth]\ntype=auth\npassword=b\n[200]\nsecret=c\n";
        let found = found("/etc/asterisk/pjsip.auth.conf", text, 995);
        let names: Vec<_> = found.iter().map(|(kind, names, _)| format!("{kind}: {names}")).collect();
        assert_eq!(names, ["secrets of telephones (SIP, IAX): 100, 200", "secrets of trunks: carrier"]);
        assert!(found.iter().all(|(_, _, who)| who.contains("web server")));
    }

    #[test]
    fn what_only_root_can_read_is_said_so() {
        let found = found("/etc/shadow", "root:$6$a$b:1::::::\nasterisk:!:1::::::\n", 0);
        assert_eq!(found.len(), 1);
        assert!(found.iter().all(|(_, names, who)| names == "root" && who.starts_with("root")));
    }

    #[test]
    fn registrations_name_the_carrier_and_not_the_password() {
        let found =
            found("/etc/asterisk/sip_registrations.conf", "[general]\nregister=user:pass@sip.example.org\n", 995);
        assert!(found.iter().all(|(_, names, _)| names == "sip.example.org"), "{found:?}");
        assert_eq!(found.len(), 1);
    }
}
