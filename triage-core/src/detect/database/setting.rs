//! Settings that open the door, and commands that settings run.

use super::{Court, Grade, Rule, has, job, settings};
use crate::model::{Category, DatabaseRow, Severity};

const NO_LOGIN: Rule = Rule {
    id: "TR-DB-0075",
    title: "Everybody is an administrator: AUTHTYPE is none",
    category: Category::Exposure,
    attack: &["T1556"],
    source: "framework 17: `AUTHTYPE=none` is admin for everybody",
    grade: Grade::Read,
};
const FORGED_LOGIN: Rule = Rule {
    id: "TR-DB-0076",
    title: "Logins can be forged: AUTHTYPE is webserver (CVE-2025-66039)",
    category: Category::Exposure,
    attack: &["T1556", "T1190"],
    source: "GHSA-9jvh-mv6x-w698; framework `gui_auth.php`",
    grade: Grade::Read,
};
const UNSIGNED: Rule = Rule {
    id: "TR-DB-0077",
    title: "Signatures of modules are not checked",
    category: Category::Hardening,
    attack: &["T1553"],
    source: "framework: `SIGNATURECHECK`",
    grade: Grade::Read,
};
const CREDENTIALS: Rule = Rule {
    id: "TR-DB-0078",
    title: "The database's password lets in as an administrator",
    category: Category::Exposure,
    attack: &["T1078"],
    source: "framework: `AMP_ACCESS_DB_CREDS`",
    grade: Grade::Read,
};
const NO_LOG: Rule = Rule {
    id: "TR-DB-0079",
    title: "FreePBX writes no log",
    category: Category::Hardening,
    attack: &["T1562.002"],
    source: "framework: `AMPDISABLELOG`",
    grade: Grade::Read,
};
const NO_REFERER: Rule = Rule {
    id: "TR-DB-0071",
    title: "Requests are not checked for where they come from",
    category: Category::Hardening,
    attack: &[],
    source: "framework: `CHECKREFERER`",
    grade: Grade::Read,
};
const REPOSITORY: Rule = Rule {
    id: "TR-DB-0072",
    title: "Modules are taken from a server that is not FreePBX's",
    category: Category::Tampering,
    attack: &["T1195.002"],
    source: "framework: `MODULE_REPO` is a server of freepbx.org",
    grade: Grade::Derived,
};
const HOOK: Rule = Rule {
    id: "TR-DB-0070",
    title: "Command that FreePBX runs with each reload, recording or backup",
    category: Category::Persistence,
    attack: &["T1546"],
    source: "framework (`PRE_RELOAD`, `POST_RELOAD`), core (`MIXMON_POST`) and backup (`prebu_hook`, …): handed to `exec()`",
    grade: Grade::Read,
};

pub(super) fn judge(court: &mut Court<'_>) {
    let columns = ["keyword", "value", "defaultval"];
    for row in court.rows.of("freepbx_settings") {
        let value = row.text("value").trim_ascii();
        let is = |word: &str| value.eq_ignore_ascii_case(word.as_bytes());
        match row.text("keyword") {
            b"AUTHTYPE" if is("none") => court.tell(&NO_LOGIN, Severity::High, 90, row, &columns),
            b"AUTHTYPE" if is("webserver") => court.tell(&FORGED_LOGIN, Severity::High, 70, row, &columns),
            b"SIGNATURECHECK" if is("0") || is("false") => court.tell(&UNSIGNED, Severity::Medium, 60, row, &columns),
            b"AMP_ACCESS_DB_CREDS" if is("1") || is("true") => {
                court.tell(&CREDENTIALS, Severity::Medium, 55, row, &columns);
            }
            b"AMPDISABLELOG" if row.text("defaultval") != value && (is("1") || is("true")) => {
                court.tell(&NO_LOG, Severity::Low, 50, row, &columns);
            }
            b"CHECKREFERER" if is("0") || is("false") => court.tell(&NO_REFERER, Severity::Low, 50, row, &columns),
            b"MODULE_REPO" if !value.is_empty() && !value.split(|&byte| byte == b',').all(is_vendors) => {
                court.tell(&REPOSITORY, Severity::High, 75, row, &columns);
            }
            b"PRE_RELOAD" | b"POST_RELOAD" | b"MIXMON_POST" => hook(court, row, "value", &columns, 50),
            _ => {}
        }
    }
    for name in ["prebu_hook", "postbu_hook", "prere_hook", "postre_hook"] {
        let rows: Vec<DatabaseRow> = settings(court.rows.of("kvstore_FreePBX_modules_Backup"), name)
            .chain(settings(court.rows.of("backup_details"), name))
            .cloned()
            .collect();
        for row in &rows {
            let column = if row.table.as_bytes() == b"backup_details" { "value" } else { "val" };
            hook(court, row, column, &["key", "id", column], 40);
        }
    }
}

/// A command that somebody set. Administrators do so too: what it does decides.
fn hook(court: &mut Court<'_>, row: &DatabaseRow, column: &str, columns: &[&str], confidence: u8) {
    let text = row.text(column).trim_ascii();
    if !text.is_empty() && !job::command(court, row, column, columns) && !job::is_own(text) {
        let severity = if confidence >= 50 { Severity::Medium } else { Severity::Low };
        court.tell(&HOOK, severity, confidence, row, columns);
    }
}

/// Says whether a repository is the vendor's: the name of its machine, not a part of the address.
fn is_vendors(address: &[u8]) -> bool {
    let address = address.trim_ascii();
    let rest = address.strip_prefix(b"https://").or_else(|| address.strip_prefix(b"http://")).unwrap_or(address);
    let host = rest.split(|&byte| matches!(byte, b'/' | b':' | b'?' | b'#')).next().unwrap_or_default();
    let host = host.to_ascii_lowercase();
    let is_of = |domain: &[u8]| host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with(b"."));
    !has(host.as_slice(), "@") && (is_of(b"freepbx.org") || is_of(b"sangoma.com") || is_of(b"schmoozecom.com"))
}
