//! Rows of a PBX's database as records: which tables are of interest, what in them is a secret, and what names a row.
//!
//! The running server, a copy of its files and a dump go through here alike, so that they give the same records. It knows tables by the names that
//! FreePBX's modules give them (`module.xml`), and the server's own. Everything in a row may have been written by an intruder.

mod call;
mod grant;
mod program;
mod secret;

use crate::model::{
    DatabaseColumn, DatabaseFrom, DatabaseRow, DatabaseTable, DatabaseValue, EvidencePath, RawText, Record, escape,
};
use crate::parse::local_time::LocalZone;
use std::borrow::Cow;

pub(crate) use call::is_told as is_told_of_calls;
pub(crate) use program::{Event, Function, Plugin, Routine, Trigger, is_servers_own};

/// The longest value that is kept, in bytes; the rest of a longer one is left out, and the record's reader sees it by the length.
pub const LONGEST_VALUE: usize = 256 << 10;

/// The database that FreePBX makes by default.
pub const FREEPBX: &str = "asterisk";

/// The database of its call records.
pub const CALLS: &str = "asteriskcdrdb";

/// Tables of FreePBX's modules whose rows say who may do what, what runs by itself, and where calls go. Taken from the modules'
/// `module.xml` and install scripts; a name that a version does not have is no gap.
const TABLES: [&str; 62] = [
    // Who may log in, and what may be asked without a login.
    "ampusers",
    "admin",
    "userman_users",
    "userman_users_settings",
    "userman_groups",
    "userman_groups_settings",
    "userman_directories",
    "userman_password_reminder",
    "api_applications",
    "api_access_tokens",
    "api_refresh_tokens",
    "api_auth_codes",
    "manager",
    "arimanager",
    "ucp_sessions",
    // What runs by itself.
    "cron_jobs",
    "cronmanager",
    "modules",
    "freepbx_settings",
    "backup",
    "backup_details",
    "backup_items",
    "superfecta_to_incoming",
    "notifications",
    // Where calls go.
    "trunks",
    "trunk_dialpatterns",
    "outbound_routes",
    "outbound_route_patterns",
    "outbound_route_trunks",
    "outbound_route_sequence",
    "outbound_route_email",
    "custom_extensions",
    "custom_destinations",
    "customcontexts_contexts",
    "customcontexts_contexts_list",
    "customcontexts_includes",
    "incoming",
    "miscdests",
    "miscapps",
    "miscapplications",
    "devices",
    "users",
    "sip",
    "pjsip",
    "iax",
    "dahdi",
    "sipsettings",
    "iaxsettings",
    "findmefollow",
    "ringgroups",
    "disa",
    "callback",
    "callrecording",
    "dynroute",
    "dynroute_dests",
    "queues_config",
    "queues_details",
    "ivr_details",
    "ivr_entries",
    "announcement",
    "vmblast_groups",
    "cel",
];

/// Settings that modules keep as keys and values.
const KEY_VALUE: [&[u8]; 9] = [
    b"kvstore_FreePBX_modules_Filestore",
    b"kvstore_FreePBX_modules_Backup",
    b"kvstore_FreePBX_modules_Customappsreg",
    b"kvstore_FreePBX_modules_Sipsettings",
    b"kvstore_FreePBX_modules_Firewall",
    b"kvstore_FreePBX_modules_Userman",
    b"kvstore_FreePBX_modules_Core",
    b"kvstore_FreePBX_modules_Api",
    b"kvstore_OOBE",
];

/// Tables of the server itself. Which of two that tell the same is there depends on its version.
const SERVER: [&str; 9] = ["user", "global_priv", "db", "func", "plugin", "servers", "proc", "event", "proxies_priv"];

/// Settings of `freepbx_settings` that are told also with their default value.
const REVIEWED: [&[u8]; 14] = [
    b"AUTHTYPE",
    b"SIGNATURECHECK",
    b"AMP_ACCESS_DB_CREDS",
    b"CHECKREFERER",
    b"AMPDISABLELOG",
    b"MODULE_REPO",
    b"JOBSRANDOMSLEEP",
    b"PRE_RELOAD",
    b"POST_RELOAD",
    b"MIXMON_POST",
    b"AMPWEBROOT",
    b"AMPBIN",
    b"AMPSBIN",
    b"ASTAGIDIR",
];

/// What of a device or trunk is told: how it logs in, from where, and what it may call.
const DEVICE_WORDS: [&[u8]; 16] = [
    b"secret",
    b"password",
    b"md5_cred",
    b"context",
    b"deny",
    b"permit",
    b"account",
    b"accountcode",
    b"dial",
    b"host",
    b"sip_server",
    b"username",
    b"match",
    b"outbound_proxy",
    b"register",
    b"user_context",
];

/// What rows are read from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The socket, the dump, the data folder.
    pub path: &'a EvidencePath,
    /// Which of these it is.
    pub from: DatabaseFrom,
    /// The host's time zone, where it is known.
    pub zone: Option<&'a LocalZone>,
}

/// What becomes of the rows of a table.
#[derive(Clone, Debug)]
enum Kind {
    /// They are not of interest.
    Unwanted,
    /// They are calls.
    Calls(Box<call::Columns>),
    /// They are accounts of the server.
    Accounts,
    /// They are programs in the server's own tables.
    Routines,
    Events,
    /// They are rows.
    Rows(Vec<secret::Rule>),
}

/// A table, and how its rows become records.
#[derive(Clone, Debug)]
pub struct Shape {
    database: RawText,
    table: RawText,
    columns: Vec<RawText>,
    key: Vec<usize>,
    kind: Kind,
}

/// Says whether the rows of a table are of interest. `database` is empty where it is not known.
pub fn is_wanted(database: &[u8], table: &[u8]) -> bool {
    let is_one = |names: &[&str]| names.iter().any(|name| name.as_bytes() == table);
    match database {
        b"mysql" => is_one(&SERVER),
        b"information_schema" | b"performance_schema" | b"sys" => false,
        _ => table == b"cdr" || is_one(&TABLES) || KEY_VALUE.contains(&table),
    }
}

impl Shape {
    /// The shape of a table with these columns, of which those of `key` name a row.
    pub fn new(database: &[u8], table: &[u8], columns: &[Vec<u8>], key: &[Vec<u8>]) -> Self {
        let place = |name: &[u8]| columns.iter().position(|column| column.eq_ignore_ascii_case(name));
        let kind = match (database, table) {
            _ if !is_wanted(database, table) => Kind::Unwanted,
            (b"mysql", b"user" | b"global_priv") => Kind::Accounts,
            (b"mysql", b"proc") => Kind::Routines,
            (b"mysql", b"event") => Kind::Events,
            (_, b"cdr") => Kind::Calls(Box::new(call::Columns::new(&place))),
            _ => Kind::Rows(columns.iter().map(|column| secret::Rule::of(table, column, &place)).collect()),
        };
        // A table that lost its key on the way (phpMyAdmin adds keys at the end) has the one that its module gives it.
        let known = if key.is_empty() { known_key(table) } else { &[] };
        let key = key.iter().map(Vec::as_slice).chain(known.iter().map(|name| name.as_bytes()));
        let key: Option<Vec<usize>> = key.map(place).collect();
        Self {
            database: database.into(),
            table: table.into(),
            columns: columns.iter().map(|name| name.as_slice().into()).collect(),
            key: key.unwrap_or_default(),
            kind,
        }
    }

    /// Says whether its rows become records.
    pub fn is_wanted(&self) -> bool {
        !matches!(self.kind, Kind::Unwanted)
    }

    /// How many columns a row has.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The record of a row, of which `values` are in the order of the columns and nothing is NULL; none for one that says nothing.
    pub fn record(&self, origin: &Origin<'_>, line: Option<u64>, mut values: Vec<Option<Vec<u8>>>) -> Option<Record> {
        for value in values.iter_mut().flatten() {
            value.truncate(LONGEST_VALUE);
        }
        match &self.kind {
            Kind::Unwanted => None,
            Kind::Calls(columns) => {
                let mut call = columns.call(origin, &mut values);
                call.line = line;
                call.table = [self.database.as_bytes(), b".", self.table.as_bytes()].concat().into();
                Some(Record::Call(Box::new(call)))
            }
            Kind::Accounts => grant::account(&self.columns, &values)
                .map(|columns| keyed(origin, line, &[b"mysql", b"user"], columns, &[0, 1])),
            Kind::Routines => program::of_proc(&self.columns, &values).map(|routine| routine.record(origin, line)),
            Kind::Events => program::of_event(&self.columns, &values).map(|event| event.record(origin, line)),
            Kind::Rows(rules) => {
                if !self.is_told(&values) {
                    return None;
                }
                let shown: Vec<DatabaseValue> = rules
                    .iter()
                    .zip(&values)
                    .map(|(rule, value)| {
                        let Some(value) = value else { return DatabaseValue::Null };
                        rule.value(value, &values)
                    })
                    .collect();
                let columns =
                    self.columns.iter().zip(shown).map(|(name, value)| DatabaseColumn { name: name.clone(), value });
                let names = [self.database.as_bytes(), self.table.as_bytes()];
                Some(keyed(origin, line, &names, columns.collect(), &self.key))
            }
        }
    }

    /// Leaves out what fills tables and tells nothing: settings as they came, details of devices, granted keys.
    fn is_told(&self, values: &[Option<Vec<u8>>]) -> bool {
        let get = |name: &str| {
            let at = self.columns.iter().position(|column| column.as_bytes() == name.as_bytes())?;
            values.get(at)?.as_deref()
        };
        match self.table.as_bytes() {
            b"freepbx_settings" => {
                get("value") != get("defaultval") || get("keyword").is_some_and(|keyword| REVIEWED.contains(&keyword))
            }
            b"sip" | b"pjsip" | b"iax" | b"dahdi" => {
                get("keyword").is_none_or(|keyword| DEVICE_WORDS.contains(&keyword))
            }
            _ => true,
        }
    }
}

/// A row that the columns at these places name.
fn keyed(
    origin: &Origin<'_>,
    line: Option<u64>,
    names: &[&[u8]; 2],
    columns: Vec<DatabaseColumn>,
    key: &[usize],
) -> Record {
    let key: Vec<DatabaseColumn> = key.iter().filter_map(|&at| columns.get(at).cloned()).collect();
    row(origin, line, names, columns, key)
}

/// A row; one without a key gets the digest that names it.
fn row(
    origin: &Origin<'_>,
    line: Option<u64>,
    names: &[&[u8]; 2],
    columns: Vec<DatabaseColumn>,
    key: Vec<DatabaseColumn>,
) -> Record {
    let [database, table] = *names;
    Record::DatabaseRow(DatabaseRow {
        path: origin.path.clone(),
        from: origin.from,
        line,
        database: database.into(),
        table: table.into(),
        digest: key.is_empty().then(|| DatabaseRow::digest_of(&columns)),
        key,
        columns,
    })
}

/// The record of a table.
#[derive(Clone, Debug, Default)]
pub struct TableFacts<'a> {
    /// Its database.
    pub database: &'a [u8],
    /// Its name.
    pub name: &'a [u8],
    /// Says that it is a view.
    pub is_view: bool,
    /// Its storage engine.
    pub engine: Option<Cow<'a, [u8]>>,
    /// Its rows.
    pub rows: Option<u64>,
    /// Name and type of its columns; empty where they are not known.
    pub columns: &'a [(Vec<u8>, Vec<u8>)],
}

impl TableFacts<'_> {
    /// The record, without times.
    pub fn record(&self, origin: &Origin<'_>) -> DatabaseTable {
        let mut hasher = crate::model::Hasher::new();
        for (name, kind) in self.columns {
            for part in [name, kind] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        DatabaseTable {
            path: origin.path.clone(),
            from: origin.from,
            database: self.database.into(),
            name: self.name.into(),
            is_view: self.is_view,
            engine: self.engine.as_ref().map(|engine| escape(engine)),
            rows: self.rows,
            created: None,
            updated: None,
            definition: (!self.columns.is_empty()).then(|| hasher.finish()),
        }
    }
}

/// The primary key that a module's `module.xml` gives its table.
fn known_key(table: &[u8]) -> &'static [&'static str] {
    match table {
        b"ampusers" => &["username"],
        b"admin" => &["variable"],
        b"cron_jobs" | b"modules" | b"userman_users" | b"userman_groups" | b"arimanager" | b"cel" | b"devices" => {
            &["id"]
        }
        b"cronmanager" => &["module", "id"],
        b"freepbx_settings" => &["keyword"],
        b"userman_users_settings" => &["uid", "module", "key"],
        b"userman_groups_settings" => &["gid", "module", "key"],
        b"trunks" => &["trunkid", "tech", "channelid"],
        b"manager" => &["manager_id"],
        b"outbound_routes" => &["route_id"],
        b"ucp_sessions" => &["session"],
        b"findmefollow" | b"ringgroups" => &["grpnum"],
        b"users" => &["extension"],
        b"incoming" => &["cidnum", "extension"],
        _ if table.starts_with(b"kvstore_") => &["key", "id"],
        _ => &[],
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
