//! incron and the root helpers that it starts: the way from the web server's account to root on SNG7 systems.
//!
//! `/etc/incron.d/sysadmin` and `legacy` watch folders that the Asterisk user writes to, and start `sysadmin_manager` and `sysadmin_ha`.
//! The helper for high availability includes PHP of the module `freepbx_ha`; on a host without that module, whoever makes the folder and touches
//! the trigger is root.

use super::super::{Report, shell};
use super::rule::{Rule, attribute, is_enough};
use crate::model::{Category, FileKind, Severity, StartupCommand};
use crate::parse::{Limits, schedule};
use crate::sweep::Swept;

const SOURCE: &str = "write-up of a FreePBX 16 image (HTB Connected); Cyble, JOMANGY, 2026-05-21";

const SYSTEM_TABLE: Rule = Rule {
    id: "TR-INCRON-0001",
    title: "Table of incron with a watch that is none of FreePBX's",
    category: Category::Persistence,
    severity: Severity::Medium,
    confidence: 60,
    attack: &["T1546"],
    source: SOURCE,
    remedy: "remove_lines",
};

const USER_TABLE: Rule = Rule {
    id: "TR-INCRON-0002",
    title: "Table of incron of a user, of which FreePBX makes none",
    category: Category::Persistence,
    severity: Severity::Medium,
    confidence: 65,
    attack: &["T1546"],
    source: SOURCE,
    remedy: "quarantine_file",
};

const LEFTOVER: Rule = Rule {
    id: "TR-INCRON-0003",
    title: "Order for the root helper that no module gives",
    category: Category::Exploitation,
    severity: Severity::Medium,
    confidence: 60,
    attack: &["T1068"],
    source: SOURCE,
    remedy: "quarantine_file",
};

const TRIGGER: Rule = Rule {
    id: "TR-INCRON-0004",
    title: "Trigger of the high-availability helper that was written to",
    category: Category::Persistence,
    severity: Severity::Medium,
    confidence: 65,
    attack: &["T1068", "T1546"],
    source: SOURCE,
    remedy: "quarantine_file",
};

pub(super) const RULES: &[Rule] = &[SYSTEM_TABLE, USER_TABLE, LEFTOVER, TRIGGER];

/// Programs that the tables of `FreePBX` and Sangoma's distribution start.
const HELPERS: [&[u8]; 4] =
    [b"/usr/bin/sysadmin_manager", b"/usr/sbin/sysadmin_ha", b"/usr/sbin/sysadmin_manager", b"/usr/bin/sysadmin_ha"];

/// Judges a table. What its commands do is judged with the other start-up commands.
pub(super) fn tables(file: &Swept<'_>, content: &[u8], report: &mut Report) {
    let is_system = file.path.as_bytes().starts_with(b"/etc/");
    let outcome = schedule::parse_incron(file.path, is_system, content, &Limits::default());
    report.gaps.extend(outcome.gaps);
    let before = report.findings.len();
    for StartupCommand { line, command, trigger, .. } in outcome.value {
        if is_enough(file.path, before, report) {
            return;
        }
        let program = command.as_bytes().split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let watched = trigger.as_bytes();
        // Sangoma's own watches stand in `/etc/incron.d` and lead to files that say what is to be restarted.
        let is_ours = HELPERS.contains(&program)
            || (is_system && watched.starts_with(b"/var/spool/asterisk/sysadmin/") && is_root_helper(program));
        if is_system && is_ours {
            continue;
        }
        let rule = if is_system { SYSTEM_TABLE } else { USER_TABLE };
        let is_odd = shell::is_temporary(program) || shell::is_hidden(program) || is_shell(program);
        let rule = if is_odd { rule.weighed(Severity::High, 80) } else { rule };
        let evidence = vec![attribute("watch", watched), attribute("command", command.as_bytes())];
        report.findings.push(rule.at_line(file.path, line.unwrap_or(1), content, evidence));
    }
}

fn is_root_helper(program: &[u8]) -> bool {
    program.starts_with(b"/usr/sbin/sysadmin_") || program.starts_with(b"/usr/bin/sysadmin_")
}

fn is_shell(program: &[u8]) -> bool {
    let name = program.rsplit(|&b| b == b'/').next().unwrap_or_default();
    matches!(name, b"sh" | b"bash" | b"dash" | b"python" | b"python3" | b"perl" | b"php" | b"nc" | b"curl" | b"wget")
}

/// Judges the objects that the watches are on.
pub(super) fn objects(file: &Swept<'_>, report: &mut Report) {
    let path = file.path.as_bytes();
    if matches!(path, b"/usr/local/asterisk/ha_trigger" | b"/usr/local/asterisk/ha_triggers") {
        let is_link = file.meta.kind == FileKind::Symlink;
        if !is_link && (!file.meta.is_file() || file.meta.size == 0) {
            return;
        }
        let runs = file.content.is_some_and(|content| {
            content.starts_with(b"#!")
                || content.starts_with(b"<?php")
                || content.split(|&b| b == b'\n').any(|line| !shell::signs(line).is_empty())
        });
        let rule = if runs || is_link { TRIGGER.weighed(Severity::High, 85) } else { TRIGGER };
        let size = attribute("size_bytes", file.meta.size.to_string());
        report.findings.push(rule.at_file(file, vec![size]));
        return;
    }
    let spools: [&[u8]; 2] = [b"/var/spool/asterisk/incron/", b"/usr/local/asterisk/incron/"];
    let name = spools.iter().find_map(|spool| path.strip_prefix(*spool));
    if let Some(name) = name.filter(|_| file.meta.kind != FileKind::Directory)
        && !is_order(name)
    {
        report.findings.push(LEFTOVER.at_file(file, vec![attribute("name", name)]));
    }
}

/// `module.hook` or `module.hook.parameters`, in which the parameters are packed as base64 with `_` for `/`.
fn is_order(name: &[u8]) -> bool {
    let mut parts = name.splitn(3, |&b| b == b'.');
    let is_word = |part: Option<&[u8]>| {
        part.is_some_and(|part| !part.is_empty() && part.iter().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(b)))
    };
    let is_named = is_word(parts.next()) && is_word(parts.next());
    is_named
        && parts.next().is_none_or(|rest| {
            rest == b"CONTENTS" || rest.iter().all(|b| b.is_ascii_alphanumeric() || b"_-+=.".contains(b))
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::testing::{Scene, ids};

    const OURS: &str = "/var/spool/asterisk/sysadmin/update_intrusion IN_CLOSE_WRITE /usr/sbin/sysadmin_update_intrusion\n\
        /var/spool/asterisk/incron\tIN_MODIFY,IN_ATTRIB,IN_CLOSE_WRITE\t/usr/bin/sysadmin_manager $#\n";

    fn found(path: &str, text: &str) -> Vec<String> {
        ids(&Scene::new().file(path, text).findings())
    }

    #[test]
    fn the_tables_of_freepbx_are_known() {
        assert!(found("/etc/incron.d/sysadmin", OURS).is_empty(), "{:?}", found("/etc/incron.d/sysadmin", OURS));
        let legacy = "/usr/local/asterisk/ha_trigger IN_CLOSE_WRITE /usr/sbin/sysadmin_ha\n\
                      /usr/local/asterisk/incron IN_CLOSE_WRITE /usr/bin/sysadmin_manager --local $#\n\
                      /var/spool/asterisk/sysadmin/dahdi_restart IN_CLOSE_WRITE /usr/sbin/sysadmin_dahdi_restart\n";
        assert!(found("/etc/incron.d/legacy", legacy).is_empty());
        assert!(found("/usr/local/asterisk/ha_trigger", "").is_empty());
        assert!(found("/var/spool/asterisk/incron/firewall.firewall", "").is_empty());
        assert!(found("/var/spool/asterisk/incron/sysadmin.portmgmt.eJyrVg_-", "").is_empty());
    }

    #[test]
    fn watches_triggers_and_orders_of_an_intruder_are_found() {
        assert_eq!(found("/etc/incron.d/x", "/opt IN_CREATE /opt/run $#\n"), ["TR-INCRON-0001 medium"]);
        assert_eq!(found("/var/spool/incron/asterisk", "/opt IN_CREATE /bin/bash /opt/x\n"), ["TR-INCRON-0002 high"]);
        assert!(found("/usr/local/asterisk/ha_trigger", "x\n").contains(&"TR-INCRON-0004 medium".to_owned()));
        assert!(
            found("/usr/local/asterisk/ha_trigger", "#!/bin/sh\nexit\n").contains(&"TR-INCRON-0004 high".to_owned())
        );
        assert_eq!(found("/var/spool/asterisk/incron/x.(id).y", ""), ["TR-INCRON-0003 medium"]);
    }
}
