//! Who may administer the PBX, and how that is asked: administrators, User Manager, API, manager interfaces.

use super::{Court, Grade, Rule, attribute, has};
use crate::model::{Category, DatabaseRow, DigestedSecret, Severity};
use std::collections::BTreeMap;

/// SHA-1 that JOMANGY sets for `freepbxusers` and `admin`.
const CAMPAIGN_HASH: &[u8] = b"6ea9c6d2d932532a4cd44c7974fb1a0a87dbfcf9";

/// Names that campaigns give their administrators.
const CAMPAIGN_NAMES: [&[u8]; 5] = [b"freepbxusers", b"ampuser", b"svc_freepbx", b"freepbx_svc", b"newfpbx"];

/// SHA-1 of passwords that are tried first: nothing, `admin`, `password`, `123456`, `12345`, `1234`, `amp111`, `passw0rd`, `freepbx`.
const KNOWN_HASHES: [&[u8]; 7] = [
    b"da39a3ee5e6b4b0d3255bfef95601890afd80709",
    b"d033e22ae348aeb5660fc2140aec35850c4da997",
    b"5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8",
    b"7c4a8d09ca3762af61e59520943dc26494f8941b",
    b"8cb2237d0679ca88db6464eac60da96345513964",
    b"7110eda4d09e062aa5e4a390b0a572ac0d2c0220",
    b"7c6a61c68ef8b9b6b061b28c348bc1ed7921cb53",
];

const HASH: Rule = Rule {
    id: "TR-DB-0001",
    title: "Administrator with the password that a known campaign sets",
    category: Category::Account,
    attack: &["T1136", "T1098"],
    source: "Cyble, JOMANGY",
    grade: Grade::Read,
};
const NAME: Rule = Rule {
    id: "TR-DB-0002",
    title: "Administrator with the name of a known campaign",
    category: Category::Account,
    attack: &["T1136"],
    source: "Cyble, JOMANGY; The Hacker News and BleepingComputer, August 2025 (vendor's list)",
    grade: Grade::Read,
};
const MORE: Rule = Rule {
    id: "TR-DB-0003",
    title: "Administrator with every right besides the first: is it one of yours?",
    category: Category::Account,
    attack: &["T1136"],
    source: "metasploit PR 20559: the exploit of CVE-2025-57819 adds a row of `ampusers` with sections `*`",
    grade: Grade::Read,
};
const WEAK: Rule = Rule {
    id: "TR-DB-0004",
    title: "Administrator with a password that is tried first",
    category: Category::Exposure,
    attack: &["T1078.001"],
    source: "framework: `ampusers.password_sha1` is an unsalted SHA-1",
    grade: Grade::Read,
};
const SAME: Rule = Rule {
    id: "TR-DB-0005",
    title: "Administrators with one and the same password",
    category: Category::Account,
    attack: &["T1098"],
    source: "Cyble, JOMANGY: sets `admin` to the password of its own account",
    grade: Grade::Read,
};
const USER: Rule = Rule {
    id: "TR-DB-0010",
    title: "User of the User Manager with the name of a known campaign",
    category: Category::Account,
    attack: &["T1136"],
    source: "Cyble, JOMANGY",
    grade: Grade::Derived,
};
const USER_ADMIN: Rule = Rule {
    id: "TR-DB-0011",
    title: "User of the User Manager who administers the PBX: is it one of yours?",
    category: Category::Account,
    attack: &["T1078"],
    source: "userman: settings of module `global`, key `pbx_admin`",
    grade: Grade::Read,
};
const TEMPLATE: Rule = Rule {
    id: "TR-DB-0012",
    title: "User whose credentials every installation has alike (CVE-2026-46376)",
    category: Category::Vulnerable,
    attack: &["T1078.001"],
    source: "GHSA-m55x-h47x-v3gx",
    grade: Grade::Read,
};
const APPLICATION: Rule = Rule {
    id: "TR-DB-0060",
    title: "Application that may use the API without a person: is it one of yours?",
    category: Category::Exposure,
    attack: &["T1098.001"],
    source: "module api: `api_applications`",
    grade: Grade::Derived,
};
const TOKEN: Rule = Rule {
    id: "TR-DB-0061",
    title: "API token that was used from a public address",
    category: Category::Exposure,
    attack: &["T1550.001"],
    source: "module api: `api_access_tokens.ip_address`",
    grade: Grade::Derived,
};
const MANAGER: Rule = Rule {
    id: "TR-DB-0065",
    title: "Manager account that may do everything from everywhere",
    category: Category::Exposure,
    attack: &["T1133"],
    source: "module manager: `deny`, `permit`, `write`",
    grade: Grade::Derived,
};
const ARI: Rule = Rule {
    id: "TR-DB-0066",
    title: "Account of Asterisk's REST interface that may change calls: is it one of yours?",
    category: Category::Exposure,
    attack: &["T1133"],
    source: "module arimanager: `read_only`",
    grade: Grade::Derived,
};

pub(super) fn judge(court: &mut Court<'_>) {
    administrators(court);
    user_manager(court);
    interfaces(court);
}

fn administrators(court: &mut Court<'_>) {
    let rows = court.rows.of("ampusers");
    let campaign = DigestedSecret::digest(CAMPAIGN_HASH);
    let known: Vec<_> = KNOWN_HASHES.iter().map(|hash| DigestedSecret::digest(hash)).collect();
    let mut by_password: BTreeMap<_, Vec<&DatabaseRow>> = BTreeMap::new();
    for row in rows {
        let columns = ["username", "sections", "extension", "email"];
        let secret = row.secret("password_sha1").map(|secret| secret.sha256);
        if secret == Some(campaign) {
            court.tell(&HASH, Severity::Critical, 98, row, &columns);
        }
        if CAMPAIGN_NAMES.contains(&row.text("username")) {
            let confidence = if row.text("username") == b"freepbxusers" { 92 } else { 80 };
            court.tell(&NAME, Severity::High, confidence, row, &columns);
        } else if row.text("sections") == b"*" && row.text("username") != b"admin" && rows.len() > 1 {
            court.tell(&MORE, Severity::Low, 30, row, &columns);
        }
        if secret.is_some_and(|secret| known.contains(&secret)) {
            court.tell(&WEAK, Severity::High, 85, row, &columns);
        }
        if let Some(secret) = secret {
            by_password.entry(secret).or_default().push(row);
        }
    }
    for same in by_password.values().filter(|same| same.len() > 1) {
        let names: Vec<&[u8]> = same.iter().map(|row| row.text("username")).collect();
        for row in same {
            let others = names.join(&b", "[..]);
            court.tell_more(&SAME, Severity::Medium, 55, row, &["username"], vec![attribute("accounts", &others)]);
        }
    }
}

fn user_manager(court: &mut Court<'_>) {
    let first = court.rows.of("userman_users").iter().filter_map(|row| number(row.text("id"))).min();
    for row in court.rows.of("userman_users") {
        let columns = ["id", "username", "description", "email"];
        match row.text("username") {
            b"FreePBXUCPTemplateCreator" => court.tell(&TEMPLATE, Severity::Medium, 60, row, &columns),
            name if CAMPAIGN_NAMES.contains(&name) => court.tell(&USER, Severity::High, 80, row, &columns),
            _ => {}
        }
    }
    for row in settings_of(court.rows.of("userman_users_settings"), "pbx_admin") {
        if number(row.text("uid")) != first {
            court.tell(&USER_ADMIN, Severity::Low, 30, row, &["uid", "module", "key", "val"]);
        }
    }
}

/// Settings of `global` that are on.
fn settings_of<'a>(rows: &'a [DatabaseRow], key: &'a str) -> impl Iterator<Item = &'a DatabaseRow> {
    rows.iter().filter(move |row| {
        row.text("module").eq_ignore_ascii_case(b"global")
            && row.text("key") == key.as_bytes()
            && matches!(row.text("val"), b"1" | b"true" | b"b:1;" | b"yes")
    })
}

fn interfaces(court: &mut Court<'_>) {
    for row in court.rows.of("api_applications") {
        if row.text("grant_type") == b"client_credentials" {
            court.tell(&APPLICATION, Severity::Low, 30, row, &["name", "grant_type", "allowed_scopes", "owner"]);
        }
    }
    for row in court.rows.of("api_access_tokens") {
        let address = std::str::from_utf8(row.text("ip_address")).ok().and_then(|text| text.parse().ok());
        if address.is_some_and(is_public) {
            court.tell(&TOKEN, Severity::Medium, 45, row, &["ip_address", "scopes", "aid", "uid", "last_accessed"]);
        }
    }
    for row in court.rows.of("manager") {
        let writes = ["all", "system", "command", "originate"].iter().any(|right| {
            row.text("write")
                .split(|&byte| byte == b',')
                .any(|word| word.trim_ascii().eq_ignore_ascii_case(right.as_bytes()))
        });
        let is_open = has(row.text("permit"), "0.0.0.0/0")
            || row.text("permit").is_empty() && !has(row.text("deny"), "0.0.0.0/0");
        if writes && is_open {
            court.tell(&MANAGER, Severity::High, 75, row, &["name", "deny", "permit", "write"]);
        }
    }
    for row in court.rows.of("arimanager") {
        if row.text("read_only") == b"0" && row.text("name") != b"freepbxuser" {
            court.tell(&ARI, Severity::Low, 30, row, &["name", "read_only"]);
        }
    }
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Says whether an address is of the internet.
pub(super) fn is_public(address: std::net::IpAddr) -> bool {
    match address {
        std::net::IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || a == 100 && (64..128).contains(&b))
        }
        std::net::IpAddr::V6(address) => {
            let [first, ..] = address.segments();
            !(address.is_loopback()
                || address.is_unspecified()
                || first & 0xfe00 == 0xfc00
                || first & 0xffc0 == 0xfe80
                || address.is_multicast())
        }
    }
}
