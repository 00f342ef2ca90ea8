//! The database of `fail2ban`: whom it banned (`fail2ban/server/database.py`).

use super::Limits;
use super::sqlite;
use crate::model::{Ban, EvidencePath, Outcome, Timestamp};

/// Reads the table `bans`. Before version 0.11 it has neither the length of a ban nor its count.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Ban>> {
    let columns = ["jail", "ip", "timeofban", "bantime?", "bancount?"];
    sqlite::read(path, bytes, limits, ("bans", &columns), |row| {
        let &[jail, ip, time, seconds, count] = row else { return None };
        Some(Ban {
            path: path.clone(),
            ip: ip.text(),
            jail: jail.text(),
            time: Timestamp::new(time.integer()?, 0),
            seconds: seconds.integer(),
            count: count.integer(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::sqlite::tests::database;

    #[test]
    fn bans_of_old_and_new_versions() {
        let path = EvidencePath::new("/var/lib/fail2ban/fail2ban.sqlite3").unwrap();
        let new = database(
            "CREATE TABLE bans(jail TEXT NOT NULL, ip TEXT, timeofban INTEGER NOT NULL, bantime INTEGER NOT NULL, bancount INTEGER NOT NULL default 1, data JSON);
             INSERT INTO bans VALUES ('sshd', '192.0.2.7', 1767323045, 600, 3, '{}');",
        );
        let old = database(
            "CREATE TABLE bans(jail TEXT NOT NULL, ip TEXT, timeofban INTEGER NOT NULL, data JSON);
             INSERT INTO bans VALUES ('asterisk-iptables', '198.51.100.9', 1400000000, NULL);",
        );
        let ban = parse(&path, &new, &Limits::default()).value.remove(0);
        assert_eq!((ban.ip.as_bytes(), ban.seconds, ban.count), (&b"192.0.2.7"[..], Some(600), Some(3)));
        let ban = parse(&path, &old, &Limits::default()).value.remove(0);
        assert_eq!((ban.jail.as_bytes(), ban.seconds, ban.count), (&b"asterisk-iptables"[..], None, None));
    }
}
