//! Where calls may go, and scripts on their way.

use super::{Court, Grade, Rule, attribute, has, job, settings};
use crate::model::{Category, DatabaseRow, Severity};
use std::collections::BTreeSet;

const FAIL_SCRIPT: Rule = Rule {
    id: "TR-DB-0040",
    title: "Trunk that runs a script when a call fails",
    category: Category::Persistence,
    attack: &["T1546"],
    source: "core: `trunks.failscript` is run as the Asterisk user",
    grade: Grade::Derived,
};
const SHELL: Rule = Rule {
    id: "TR-DB-0045",
    title: "Destination of calls that runs a program",
    category: Category::Persistence,
    attack: &["T1546"],
    source: "Asterisk: `System()`, `TrySystem()` and `SHELL()` in a custom destination",
    grade: Grade::Derived,
};
const CONTEXT: Rule = Rule {
    id: "TR-DB-0046",
    title: "Context of a known campaign",
    category: Category::TollFraud,
    attack: &["T1496"],
    source: "issabel-security-fix 8c71030: `thanku-outcall`",
    grade: Grade::Read,
};
const EMERGENCY: Rule = Rule {
    id: "TR-DB-0050",
    title: "Emergency route that lets any call out",
    category: Category::TollFraud,
    attack: &["T1496"],
    source: "core: an emergency route needs no right and no password",
    grade: Grade::Derived,
};
const EXTENSION: Rule = Rule {
    id: "TR-DB-0051",
    title: "Extension 9998, which a known campaign calls",
    category: Category::TollFraud,
    attack: &["T1496"],
    source: "The Hacker News and BleepingComputer, August 2025 (vendor's list)",
    grade: Grade::Read,
};
const DISA: Rule = Rule {
    id: "TR-DB-0052",
    title: "Direct inward system access without a PIN",
    category: Category::TollFraud,
    attack: &["T1496"],
    source: "module disa: `pin`",
    grade: Grade::Derived,
};
const GUESTS: Rule = Rule {
    id: "TR-DB-0053",
    title: "Calls without a login are let in",
    category: Category::Exposure,
    attack: &["T1133"],
    source: "sipsettings: `allowguest`",
    grade: Grade::Derived,
};

pub(super) fn judge(court: &mut Court<'_>) {
    for row in court.rows.of("trunks") {
        let columns = ["trunkid", "name", "tech", "failscript"];
        let script = row.text("failscript");
        if !script.is_empty() && !job::command(court, row, "failscript", &columns) {
            court.tell(&FAIL_SCRIPT, Severity::Medium, 60, row, &columns);
        }
    }
    programs(court);
    emergency(court);
    let extensions = [
        ("users", "extension"),
        ("devices", "id"),
        ("custom_extensions", "custom_exten"),
        ("incoming", "extension"),
        ("outbound_route_patterns", "match_pattern_pass"),
        ("miscapps", "ext"),
    ];
    for (table, column) in extensions {
        for row in court.rows.of(table).iter().filter(|row| row.text(column) == b"9998") {
            court.tell(&EXTENSION, Severity::Medium, 55, row, &[column, "name", "description", "destination"]);
        }
    }
    for row in court.rows.of("disa") {
        if row.secret("pin").is_none() && row.value("pin").is_some() {
            court.tell(&DISA, Severity::Medium, 65, row, &["disa_id", "displayname", "context"]);
        }
    }
    for row in court.rows.of("sipsettings").iter().filter(|row| row.text("keyword") == b"allowguest") {
        if row.text("data") == b"yes" {
            court.tell(&GUESTS, Severity::Medium, 55, row, &["keyword", "data"]);
        }
    }
    let guests: Vec<DatabaseRow> =
        settings(court.rows.of("kvstore_FreePBX_modules_Sipsettings"), "allowguest").cloned().collect();
    for row in guests.iter().filter(|row| matches!(row.text("val"), b"yes" | b"1")) {
        court.tell(&GUESTS, Severity::Medium, 55, row, &["key", "val"]);
    }
}

/// Dialplan in rows that are destinations.
fn programs(court: &mut Court<'_>) {
    const TABLES: [&str; 14] = [
        "custom_extensions",
        "custom_destinations",
        "kvstore_FreePBX_modules_Customappsreg",
        "miscdests",
        "miscapps",
        "miscapplications",
        "incoming",
        "trunks",
        "devices",
        "users",
        "dynroute",
        "announcement",
        "ivr_details",
        "ivr_entries",
    ];
    const APPLICATIONS: [&str; 4] = ["System(", "TrySystem(", "SHELL(", "ExternalIVR("];
    for table in TABLES.iter().chain(&["sip", "pjsip", "iax", "customcontexts_contexts"]) {
        for row in court.rows.of(table) {
            let texts = || row.columns.iter().map(|column| (column, row.text(&column.name.to_string())));
            if let Some((column, text)) = texts().find(|(_, text)| APPLICATIONS.iter().any(|name| has(text, name))) {
                let more = vec![attribute(&column.name.to_string(), text)];
                court.tell_more(&SHELL, Severity::High, 75, row, &[], more);
            }
            if let Some((column, text)) = texts().find(|(_, text)| has(text, "thanku-outcall")) {
                let more = vec![attribute(&column.name.to_string(), text)];
                court.tell_more(&CONTEXT, Severity::High, 88, row, &[], more);
            }
        }
    }
}

/// Emergency routes whose patterns match more than short numbers.
fn emergency(court: &mut Court<'_>) {
    let routes = court.rows.of("outbound_routes");
    let urgent = routes.iter().filter(|row| row.text("emergency_route").eq_ignore_ascii_case(b"yes"));
    let urgent: BTreeSet<&[u8]> = urgent.map(|row| row.text("route_id")).collect();
    for row in court.rows.of("outbound_route_patterns") {
        let pattern = [row.text("match_pattern_prefix"), row.text("match_pattern_pass")].concat();
        let is_endless = pattern.last().is_some_and(|last| b".!".contains(last));
        if urgent.contains(row.text("route_id")) && (is_endless || pattern.len() > 8) {
            let columns = ["route_id", "match_pattern_prefix", "match_pattern_pass", "prepend_digits"];
            court.tell(&EMERGENCY, Severity::Medium, 55, row, &columns);
        }
    }
}
