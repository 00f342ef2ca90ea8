//! From where the administration and the services behind it can be reached: the web server's limits, the firewall, what listens.

use super::{Rule, Tell, VENDOR, attribute, rule};
use crate::model::{CommandRun, EvidencePath, Program, Record, Severity, Socket, Subject};
use crate::parse::{self, Format, Limits};
use crate::sweep::Swept;
use std::collections::BTreeSet;

pub(super) const REACHABLE: Rule = rule(
    "TR-HARDEN-0001",
    "The administration can be reached from everywhere, as far as web server and firewall tell",
    Severity::Medium,
    60,
    (&["T1190", "T1133"], VENDOR),
);
pub(super) const NO_FIREWALL: Rule = rule(
    "TR-HARDEN-0002",
    "FreePBX's firewall is not in force",
    Severity::Medium,
    65,
    (&["T1133"], "FreePBX module firewall: its chain fpbxfirewall; Sangoma's advice in GHSA-m42g-xg4c-5f3h"),
);
pub(super) const OPEN_SERVICE: Rule = rule(
    "TR-HARDEN-0012",
    "Service for the host itself that listens to the network",
    Severity::Medium,
    65,
    (&["T1133", "T1046"], "ports of MariaDB, redis, memcached, Asterisk's manager and HTTP server; derived"),
);

/// Services that only the host itself needs, by port.
const INNER: [(u16, &str); 5] =
    [(3306, "database"), (6379, "redis"), (11211, "memcached"), (5038, "Asterisk's manager"), (4573, "AGI server")];

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each with its own name")]
pub(super) struct Seen {
    /// A file of the web server that says who may come, for all or for the administration.
    limited_by: Option<EvidencePath>,
    has_web_server: bool,
    /// Firewall rules were read, from the kernel or from a file.
    has_rules: bool,
    has_chain: bool,
    /// What is not let in by itself is dropped.
    drops: bool,
    listens: BTreeSet<String>,
    open: BTreeSet<(u16, String)>,
}

pub(super) fn inspect(file: &Swept<'_>, content: &[u8], seen: &mut Seen) {
    let path = file.path.as_bytes();
    let is_saved = path.starts_with(b"/etc/iptables/") || path == b"/etc/sysconfig/iptables";
    if is_saved {
        rules_text(content, seen);
    }
    let format = Format::at(file.path);
    let is_web = matches!(format, Some(Format::ApacheConfig | Format::NginxConfig));
    let is_top =
        format == Some(Format::Htaccess) && (path.ends_with(b"/html/.htaccess") || path.ends_with(b"/admin/.htaccess"));
    if !is_web && !is_top {
        return;
    }
    seen.has_web_server |= is_web;
    for record in parse::records(file.path, file.meta, content, &Limits::default()).value {
        let Record::Setting(setting) = record else { continue };
        if !matches!(setting.program, Program::Apache | Program::Nginx) {
            continue;
        }
        let (value, scope) = (setting.value.as_bytes().to_ascii_lowercase(), setting.scope.as_bytes());
        // Limits of a folder of Apache's own or of a status page say nothing of the administration.
        let is_about_it = scope.is_empty()
            || [&b"/var/www"[..], b"/admin", b"VirtualHost"]
                .iter()
                .any(|word| super::super::find(scope, word).is_some());
        let limits = match setting.name.as_str() {
            "require" => {
                value.starts_with(b"ip ")
                    || value.starts_with(b"host ")
                    || value.starts_with(b"local")
                    || value.starts_with(b"valid-user")
            }
            "allow" => !value.is_empty() && super::super::find(&value, b"all").is_none(),
            _ => false,
        };
        // `Require all denied` on hidden files is everybody's.
        if limits && is_about_it {
            seen.limited_by.get_or_insert_with(|| file.path.clone());
        }
    }
}

/// What the firewall's own program said.
pub(super) fn rules(run: &CommandRun, seen: &mut Seen) {
    let name = run.program.as_bytes().rsplit(|&b| b == b'/').next().unwrap_or_default();
    if name == b"nft" || super::super::find(name, b"tables-save").is_some() {
        rules_text(run.output.as_bytes(), seen);
    }
}

fn rules_text(rules: &[u8], seen: &mut Seen) {
    seen.has_rules = true;
    seen.has_chain |= super::super::find(rules, b"fpbxfirewall").is_some();
    let drops: [&[u8]; 4] = [b":INPUT DROP", b":INPUT REJECT", b"hook input priority 0; policy drop", b"policy drop"];
    seen.drops |= drops.iter().any(|word| super::super::find(rules, word).is_some());
}

pub(super) fn socket(socket: &Socket, seen: &mut Seen) {
    let is_inner = socket.namespace.is_some();
    if socket.state != "listen" || is_inner || !matches!(socket.protocol.as_str(), "tcp" | "tcp6") {
        return;
    }
    let local = socket.local.to_string();
    let Some((address, port)) = local.rsplit_once(':') else { return };
    let is_everywhere = matches!(address, "0.0.0.0" | "[::]" | "*");
    let Some(port) = port.parse::<u16>().ok().filter(|_| is_everywhere) else { return };
    if matches!(port, 80 | 443 | 8080 | 8443) {
        seen.listens.insert(local);
    } else if let Some((_, name)) = INNER.iter().find(|(inner, _)| *inner == port) {
        seen.open.insert((port, format!("{local} ({name})")));
    }
}

impl Seen {
    pub(super) fn conclude(&self, framework: &EvidencePath, tell: &mut Tell<'_>) {
        let subject = || Subject::Module { path: framework.clone(), name: "framework".into() };
        let is_walled = self.has_chain || self.drops;
        if self.has_rules && !is_walled {
            tell(&NO_FIREWALL, subject(), Vec::new());
        }
        let listens: Vec<&str> = self.listens.iter().map(String::as_str).collect();
        let is_served = self.has_web_server || !listens.is_empty();
        // Without any rules there is nothing that says so, and nothing that denies it: told only where rules were read.
        if is_served && self.has_rules && !is_walled && self.limited_by.is_none() {
            let evidence = if listens.is_empty() { Vec::new() } else { vec![attribute("listens", listens.join(", "))] };
            tell(&REACHABLE, subject(), evidence);
        }
        if !self.open.is_empty() && !is_walled {
            let names: Vec<&str> = self.open.iter().map(|(_, name)| name.as_str()).collect();
            tell(&OPEN_SERVICE, subject(), vec![attribute("listens", names.join(", "))]);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::testing::{Scene, ids};
    use super::super::super::{Detectors, HostContext};
    use super::super::HardeningDetector;
    use super::*;
    use crate::model::Timestamp;

    fn found(saved: Option<&str>, apache: &str, listens: &[&str]) -> Vec<String> {
        let xml = "<module><rawname>framework</rawname><version>17.0.25</version></module>";
        let mut scene = Scene::new()
            .file("/var/www/html/admin/modules/framework/module.xml", xml)
            .file("/etc/apache2/sites-enabled/freepbx.conf", apache);
        if let Some(saved) = saved {
            scene = scene.file("/etc/iptables/rules.v4", saved);
        }
        let detectors = Detectors::new(vec![Box::new(HardeningDetector::default())]);
        for local in listens {
            detectors.consider(&Record::Socket(Socket {
                time: Timestamp::new(0, 0),
                protocol: "tcp".to_owned(),
                local: (*local).into(),
                remote: None,
                state: "listen".to_owned(),
                uid: None,
                inode: 1,
                namespace: None,
                owners: Vec::new(),
            }));
        }
        let context = HostContext { is_host: false, gaps: &[], selects: &|_| true };
        ids(&scene.conclude(detectors, &context).findings)
    }

    const OPEN: &str = "<VirtualHost *:80>\nDocumentRoot /var/www/html\n</VirtualHost>\n";
    const LIMITED: &str = "<Directory /var/www/html/admin>\nRequire ip 192.0.2.0/24\n</Directory>\n";
    const ACCEPTS: &str = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n";
    const WALL: &str = "*filter\n:INPUT ACCEPT [0:0]\n:fpbxfirewall - [0:0]\n-A INPUT -j fpbxfirewall\nCOMMIT\n";

    #[test]
    fn who_can_reach_the_administration_is_told_by_both_web_server_and_firewall() {
        let all = found(Some(ACCEPTS), OPEN, &["0.0.0.0:80"]);
        assert!(all.contains(&"TR-HARDEN-0001 medium".to_owned()) && all.contains(&"TR-HARDEN-0002 medium".to_owned()));
        assert!(!found(Some(ACCEPTS), LIMITED, &[]).contains(&"TR-HARDEN-0001 medium".to_owned()));
        let walled = found(Some(WALL), OPEN, &["0.0.0.0:80", "0.0.0.0:3306"]);
        assert!(!walled.iter().any(|id| id.contains("medium")), "{walled:?}");
        assert!(!found(None, OPEN, &[]).contains(&"TR-HARDEN-0001 medium".to_owned()), "unknown is no finding");
    }

    #[test]
    fn services_of_the_host_itself_that_listen_outside_are_told() {
        let open = found(None, OPEN, &["0.0.0.0:3306", "127.0.0.1:6379"]);
        assert!(open.contains(&"TR-HARDEN-0012 medium".to_owned()), "{open:?}");
        let inner = found(None, OPEN, &["127.0.0.1:3306", "127.0.0.1:5038"]);
        assert!(!inner.contains(&"TR-HARDEN-0012 medium".to_owned()), "{inner:?}");
    }
}
