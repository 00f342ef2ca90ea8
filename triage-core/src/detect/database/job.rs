//! What runs by itself: jobs, their commands judged as those of cron are, and the modules that they belong to.

use super::super::{cron, shell};
use super::{Court, Grade, HostContext, Rule, attribute, has};
use crate::model::{Category, DatabaseRow, Evidence, EvidencePath, Severity};
use std::collections::BTreeSet;

/// Jobs of modules that are commands and no classes (module, job).
const BASELINE: [(&[u8], &[u8]); 2] = [(b"firewall", b"firewall"), (b"firewall", b"syncIDetection")];

/// Rows of `modules` that stand for no folder.
const BUILT_IN: [&[u8]; 3] = [b"builtin", b"framework", b"core"];

const SIGN: Rule = Rule {
    id: "TR-DB-0020",
    title: "Job in the database that does what an intruder's does",
    category: Category::Persistence,
    attack: &["T1053"],
    source: "metasploit PR 20559 (CVE-2025-57819): `cron_jobs.command`",
    grade: Grade::Read,
};
const WEB_ROOT: Rule = Rule {
    id: "TR-DB-0021",
    title: "Job in the database that writes in the web root",
    category: Category::Persistence,
    attack: &["T1053", "T1505.003"],
    source: "metasploit PR 20559 (CVE-2025-57819): `echo … | base64 -d > /var/www/html/…`",
    grade: Grade::Read,
};
const FOREIGN: Rule = Rule {
    id: "TR-DB-0022",
    title: "Job in the database that no module makes",
    category: Category::Persistence,
    attack: &["T1053"],
    source: "framework 17.0.19: baseline of `cron_jobs` and `cronmanager`",
    grade: Grade::Read,
};
const INDICATOR: Rule = Rule {
    id: "TR-DB-0023",
    title: "Job in the database that names a file of a known campaign",
    category: Category::Persistence,
    attack: &["T1053"],
    source: "indicators",
    grade: Grade::Read,
};
const ORPHAN: Rule = Rule {
    id: "TR-DB-0024",
    title: "Job of a module that is not installed",
    category: Category::Persistence,
    attack: &["T1053"],
    source: "framework: `cron_jobs.modulename` names a row of `modules`",
    grade: Grade::Derived,
};
const MODULE: Rule = Rule {
    id: "TR-DB-0030",
    title: "Module with the name that a known campaign gives its own",
    category: Category::Persistence,
    attack: &["T1505.003"],
    source: "Cyble, JOMANGY; fpbxcheck (`admindashboard`)",
    grade: Grade::Read,
};
const MISSING: Rule = Rule {
    id: "TR-DB-0031",
    title: "Module that is switched on and has no folder",
    category: Category::Tampering,
    attack: &["T1070.004"],
    source: "Fortinet, EncystPHP: removes the module endpoint",
    grade: Grade::SecondHand,
};

pub(super) fn judge(court: &mut Court<'_>) {
    let modules: BTreeSet<&[u8]> = court.rows.of("modules").iter().map(|row| row.text("modulename")).collect();
    for row in court.rows.of("cron_jobs") {
        let columns = ["modulename", "jobname", "command", "class", "schedule", "enabled"];
        let (module, name, text) = (row.text("modulename"), row.text("jobname"), row.text("command"));
        if !text.is_empty() && !command(court, row, "command", &columns) {
            let is_known = BASELINE.contains(&(module, name)) || is_own(text);
            if !is_known {
                let is_installed = modules.is_empty() || modules.contains(module);
                let (severity, confidence) = if is_installed { (Severity::Medium, 60) } else { (Severity::High, 80) };
                court.tell(&FOREIGN, severity, confidence, row, &columns);
            }
        }
        let is_built_in = BUILT_IN.contains(&module) || matches!(module, b"module_admin" | b"");
        if !modules.is_empty() && !modules.contains(module) && !is_built_in && text.is_empty() {
            court.tell(&ORPHAN, Severity::Medium, 50, row, &columns);
        }
    }
    for row in court.rows.of("cronmanager") {
        let columns = ["module", "id", "command", "time", "freq"];
        let text = row.text("command");
        if !text.is_empty() && !command(court, row, "command", &columns) && !is_own(text) {
            court.tell(&FOREIGN, Severity::Medium, 60, row, &columns);
        }
    }
    for row in court.rows.of("modules") {
        let name = row.text("modulename");
        // The high-availability module has this name by right.
        let is_campaign = name != b"freepbx_ha" && court.indicators.unsigned_module(name).is_some();
        if is_campaign || name == b"admindashboard" {
            court.tell(&MODULE, Severity::High, 80, row, &["modulename", "version", "enabled"]);
        }
    }
}

/// Tells what a command does; gives whether it told something.
pub(super) fn command(court: &mut Court<'_>, row: &DatabaseRow, column: &str, columns: &[&str]) -> bool {
    let text = row.text(column);
    let mut has_told = false;
    for sign in shell::cron_signs(text) {
        let (_, severity, confidence, _) = cron::weigh(&sign);
        let mut more = vec![attribute("does", sign.describe().as_bytes())];
        more.extend(sign.path().map(|path| attribute("path", path)));
        court.tell_more(&SIGN, severity, confidence, row, columns, more);
        has_told = true;
    }
    if writes_web_root(text) {
        court.tell(&WEB_ROOT, Severity::Critical, 95, row, columns);
        has_told = true;
    }
    for word in text.split(|b| b.is_ascii_whitespace() || b"'\"|&;<>()`$=,".contains(b)) {
        let Some(path) = word.starts_with(b"/").then(|| EvidencePath::new(word).ok()).flatten() else { continue };
        let known: Vec<(String, Severity, u8)> = court
            .indicators
            .at(&path)
            .filter(|indicator| indicator.severity >= Severity::High)
            .map(|indicator| (indicator.id.clone(), indicator.severity, indicator.confidence))
            .collect();
        for (id, severity, confidence) in known {
            let named = Evidence::Attribute { name: "indicator".to_owned(), value: id.as_str().into() };
            court.tell_more(&INDICATOR, severity, confidence, row, columns, vec![named]);
            has_told = true;
        }
    }
    has_told
}

/// Says whether a command puts something into the folder that the web server serves.
fn writes_web_root(text: &[u8]) -> bool {
    const WAYS: [&str; 8] = [">", " -O", " -o ", "cp ", "mv ", "tee ", "file_put_contents", "ln -s"];
    has(text, "/var/www/") && WAYS.iter().any(|way| has(text, way)) && !only_discards(text)
}

/// `fwconsole … > /dev/null` writes nowhere.
fn only_discards(text: &[u8]) -> bool {
    let mut targets = text.split(|&byte| byte == b'>').skip(1).map(<[u8]>::trim_ascii_start).peekable();
    targets.peek().is_some()
        && targets.all(|target| target.is_empty() || target.starts_with(b"/dev/null") || target.starts_with(b"&"))
        && !["cp ", "mv ", "tee ", "wget", "curl", "file_put_contents"].iter().any(|way| has(text, way))
}

/// Says whether a command runs only what FreePBX installs: `fwconsole`, or a program of `AMPBIN`.
pub(super) fn is_own(text: &[u8]) -> bool {
    const OWN: [&[u8]; 8] = [
        b"/usr/sbin/fwconsole",
        b"/var/lib/asterisk/bin/fwconsole",
        b"fwconsole",
        b"/var/lib/asterisk/bin/module_admin",
        b"/var/lib/asterisk/bin/retrieve_conf",
        b"/var/lib/asterisk/bin/cleanuptcmaint.php",
        b"/var/lib/asterisk/bin/freepbx-cron-scheduler.php",
        b"/var/lib/asterisk/bin/archive_recordings",
    ];
    const AROUND: [&[u8]; 6] = [b"sleep", b"[", b"test", b"true", b"nice", b"php"];
    let commands = text
        .split(|&byte| matches!(byte, b';' | b'|' | b'\n'))
        .flat_map(|part| part.split(|&byte| byte == b'&').map(<[u8]>::trim_ascii));
    // What stands behind an ampersand of `2>&1` is a number.
    let mut words = commands.filter(|part| {
        !part.is_empty() && !part.iter().all(|byte| byte.is_ascii_digit() || b"> /devnul".contains(byte))
    });
    let is_plain =
        !text.iter().any(|byte| b"`".contains(byte)) && !text.windows(2).any(|pair| pair == b"$(" && !has(text, "$(("));
    is_plain
        && words.all(|part| {
            let mut parts = part.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            let first = parts.next().unwrap_or_default();
            let program = if first == b"php" || first == b"nice" {
                parts.find(|word| !word.starts_with(b"-")).unwrap_or_default()
            } else {
                first
            };
            OWN.contains(&program) || AROUND.contains(&program)
        })
}

/// Modules whose folder is gone. It means something where all folders would have been seen.
pub(super) fn missing_modules(court: &mut Court<'_>, folders: &BTreeSet<Vec<u8>>, host: &HostContext<'_>) {
    const PLACE: &str = "/var/www/html/admin/modules";
    if folders.is_empty() {
        return;
    }
    for row in court.rows.of("modules") {
        let name = row.text("modulename");
        let is_on = row.text("enabled") == b"1";
        let folder = EvidencePath::new([PLACE.as_bytes(), b"/", name, b"/module.xml"].concat());
        let is_absent = folder.is_ok_and(|folder| host.shows_absence_of(&folder));
        if is_on && is_absent && !BUILT_IN.contains(&name) && !folders.contains(name) {
            let (severity, confidence) = if name == b"endpoint" { (Severity::Medium, 55) } else { (Severity::Low, 35) };
            court.tell(&MISSING, severity, confidence, row, &["modulename", "version", "enabled"]);
        }
    }
}
