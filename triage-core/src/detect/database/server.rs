//! What the database server itself does for an intruder: programs that it runs, libraries that it loads, accounts that may do too much.

use super::{Court, Grade, Rule, has, shown};
use crate::model::{Category, DatabaseRow, DatabaseValue, Evidence, Severity};

const TRIGGER: Rule = Rule {
    id: "TR-DB-0080",
    title: "Trigger in the database, of which FreePBX has none",
    category: Category::Persistence,
    attack: &["T1546", "T1505"],
    source: "modules of FreePBX 17 make no trigger",
    grade: Grade::Derived,
};
const EVENT: Rule = Rule {
    id: "TR-DB-0081",
    title: "Event that the database runs by itself, of which FreePBX has none",
    category: Category::Persistence,
    attack: &["T1053", "T1505"],
    source: "modules of FreePBX 17 make no event",
    grade: Grade::Derived,
};
const ROUTINE: Rule = Rule {
    id: "TR-DB-0082",
    title: "Routine in the database that reaches beyond its rows",
    category: Category::Persistence,
    attack: &["T1505"],
    source: "modules of FreePBX 17 make no routine",
    grade: Grade::Derived,
};
const FUNCTION: Rule = Rule {
    id: "TR-DB-0083",
    title: "Function of a shared library in the database server",
    category: Category::Persistence,
    attack: &["T1505"],
    source: "MariaDB: user-defined functions run code as the server's user (`lib_mysqludf_sys`)",
    grade: Grade::Derived,
};
const PLUGIN: Rule = Rule {
    id: "TR-DB-0084",
    title: "Plugin of the database server that is not one of its own",
    category: Category::Persistence,
    attack: &["T1505"],
    source: "MariaDB: plugins of its packages",
    grade: Grade::Derived,
};
const OTHER_SERVER: Rule = Rule {
    id: "TR-DB-0085",
    title: "The database is told of another server",
    category: Category::Exposure,
    attack: &["T1571"],
    source: "MariaDB: `mysql.servers`",
    grade: Grade::Derived,
};
const REMOTE: Rule = Rule {
    id: "TR-DB-0090",
    title: "Account of the database that may do everything from other machines",
    category: Category::Exposure,
    attack: &["T1078"],
    source: "MariaDB: rights of accounts",
    grade: Grade::Derived,
};
const POWER: Rule = Rule {
    id: "TR-DB-0091",
    title: "Account of the database that may write files or change the server",
    category: Category::Account,
    attack: &["T1078", "T1505"],
    source: "installer of FreePBX: `freepbxuser` has rights on its own two databases",
    grade: Grade::Derived,
};
const OPEN: Rule = Rule {
    id: "TR-DB-0092",
    title: "Account of the database without a password",
    category: Category::Hardening,
    attack: &["T1078.001"],
    source: "MariaDB: accounts; SNG7 leaves root without one",
    grade: Grade::Read,
};

/// What a program has no business with.
const FORBIDDEN: [&str; 12] = [
    "ampusers",
    "cron_jobs",
    "cronmanager",
    "userman_users",
    "freepbx_settings",
    "mysql.user",
    "global_priv",
    "sys_exec",
    "sys_eval",
    "into outfile",
    "into dumpfile",
    "load_file",
];

/// Accounts that a server makes for itself, and root.
const OWN: [&[u8]; 8] = [
    b"root",
    b"mysql",
    b"mariadb.sys",
    b"debian-sys-maint",
    b"mysql.session",
    b"mysql.sys",
    b"mysql.infoschema",
    b"mariadb-sys",
];

/// Rights that reach beyond rows.
const POWERS: [&str; 4] = ["FILE", "SUPER", "CREATE USER", "GRANT"];

pub(super) fn judge(court: &mut Court<'_>) {
    programs(court);
    libraries(court);
    accounts(court);
}

fn programs(court: &mut Court<'_>) {
    for row in court.rows.of("TRIGGERS") {
        let columns = ["TRIGGER_NAME", "EVENT_MANIPULATION", "EVENT_OBJECT_TABLE", "ACTION_STATEMENT", "DEFINER"];
        let is_evil = reaches(row.text("ACTION_STATEMENT")).is_some()
            || FORBIDDEN.iter().any(|name| row.text("EVENT_OBJECT_TABLE") == name.as_bytes());
        let is_pbx = row.text("TRIGGER_SCHEMA") == b"asterisk";
        let (severity, confidence) = match () {
            () if is_evil => (Severity::Critical, 90),
            () if is_pbx => (Severity::High, 75),
            // Programs that evaluate calls have triggers on them.
            () => (Severity::Medium, 45),
        };
        court.tell(&TRIGGER, severity, confidence, row, &columns);
    }
    for row in court.rows.of("EVENTS") {
        let columns = ["EVENT_NAME", "STATUS", "EVENT_DEFINITION", "DEFINER"];
        let is_evil = reaches(row.text("EVENT_DEFINITION")).is_some();
        let (severity, confidence) = if is_evil { (Severity::Critical, 90) } else { (Severity::Medium, 50) };
        court.tell(&EVENT, severity, confidence, row, &columns);
    }
    for row in court.rows.of("ROUTINES") {
        if let Some(name) = reaches(row.text("ROUTINE_DEFINITION")) {
            let columns = ["ROUTINE_NAME", "ROUTINE_TYPE", "ROUTINE_DEFINITION", "DEFINER"];
            let more = vec![Evidence::Attribute { name: "reaches".to_owned(), value: name.into() }];
            court.tell_more(&ROUTINE, Severity::High, 80, row, &columns, more);
        }
    }
}

/// What a program touches that it has no business with. Blanks between words are one.
fn reaches(body: &[u8]) -> Option<&'static str> {
    let words: Vec<&[u8]> = body.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    let body: Vec<u8> = words.join(&b' ').into_iter().filter(|byte| *byte != b'`').collect();
    FORBIDDEN.iter().copied().find(|name| has(&body, name))
}

fn libraries(court: &mut Court<'_>) {
    for row in court.rows.of("func") {
        let is_known = has(row.text("dl"), "udf_sys") || has(row.text("name"), "sys_e");
        let (severity, confidence) = if is_known { (Severity::Critical, 92) } else { (Severity::High, 80) };
        court.tell(&FUNCTION, severity, confidence, row, &["name", "dl"]);
    }
    for row in court.rows.of("plugin") {
        let library = row.text("dl");
        let name = library.strip_suffix(b".so").unwrap_or(library);
        let is_own = [&b"ha_"[..], b"auth_", b"server_", b"semisync_", b"type_", b"plugin_", b"func_", b"provider_"]
            .iter()
            .any(|begin| name.starts_with(begin))
            || [
                &b"metadata_lock_info"[..],
                b"locales",
                b"query_response_time",
                b"query_cache_info",
                b"simple_password_check",
                b"cracklib_password_check",
                b"disks",
                b"wsrep_info",
                b"validate_password",
                b"handlersocket",
                b"file_key_management",
                b"sql_errlog",
                b"user_variables",
                b"password_reuse_check",
                b"component_validate_password",
            ]
            .contains(&name);
        if !is_own {
            court.tell(&PLUGIN, Severity::Medium, 60, row, &["name", "dl"]);
        }
    }
    for row in court.rows.of("servers") {
        court.tell(&OTHER_SERVER, Severity::Medium, 50, row, &["Server_name", "Host", "Db", "Username", "Wrapper"]);
    }
}

fn accounts(court: &mut Court<'_>) {
    let rows: Vec<&DatabaseRow> =
        court.rows.of("user").iter().filter(|row| row.database.as_bytes() == b"mysql").collect();
    for row in rows {
        if row.text("is_locked") == b"Y" {
            continue;
        }
        let columns = ["Host", "User", "plugin", "rights"];
        let (host, user) = (row.text("Host"), row.text("User"));
        let rights = String::from_utf8_lossy(row.text("rights")).into_owned();
        let powers: Vec<&str> =
            POWERS.into_iter().filter(|power| rights.split(", ").any(|right| right == *power)).collect();
        let is_local = matches!(host, b"localhost" | b"127.0.0.1" | b"::1" | b"") || host == local_name(court);
        let more = || {
            vec![Evidence::Attribute {
                name: "powers".to_owned(),
                value: shown(powers.join(", ").as_bytes()).as_str().into(),
            }]
        };
        // A role has no host and cannot log in.
        let is_role = host.is_empty();
        if !powers.is_empty() && !is_local {
            court.tell_more(&REMOTE, Severity::High, 75, row, &columns, more());
        } else if !powers.is_empty() && !OWN.contains(&user) && !is_role {
            let (severity, confidence) =
                if user == b"freepbxuser" { (Severity::Medium, 55) } else { (Severity::Medium, 60) };
            court.tell_more(&POWER, severity, confidence, row, &columns, more());
        }
        let is_empty = matches!(row.value("authentication"), Some(DatabaseValue::Text(text)) if text.is_empty());
        let asks_password = row.text("plugin").is_empty() || row.text("plugin").ends_with(b"_password");
        if is_empty && asks_password && !is_role {
            let (severity, confidence) = if is_local { (Severity::Low, 50) } else { (Severity::High, 85) };
            court.tell(&OPEN, severity, confidence, row, &columns);
        }
    }
}

/// The name of the machine itself, which some installations give root an account for: the host of an account of root's beside `localhost`.
fn local_name<'a>(court: &Court<'a>) -> &'a [u8] {
    let is_name =
        |host: &[u8]| !host.is_empty() && !host.contains(&b'%') && !host.first().is_some_and(u8::is_ascii_digit);
    let roots = court.rows.of("user").iter().filter(|row| row.text("User") == b"root");
    roots.map(|row| row.text("Host")).find(|host| is_name(host) && *host != b"localhost").unwrap_or(b"localhost")
}
