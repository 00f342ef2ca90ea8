//! The `SQLite` databases that take the place of `wtmp` and `lastlog` where times no longer fit (`wtmpdb(8)`, `lastlog2(8)`).

use super::sqlite::{self, Value};
use super::{Limits, bytes};
use crate::model::{EvidencePath, Login, LoginKind, Outcome, RawText, Timestamp};

/// Reads `wtmpdb`'s table: `ID`, `Type` (1 boot, 2 runlevel, 3 user), `User`, `Login` and `Logout` in microseconds, `TTY`, `RemoteHost`,
/// `Service`.
pub fn wtmpdb(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Login>> {
    let columns = ["ID", "Type", "User", "Login", "Logout?", "TTY?", "RemoteHost?", "Service?"];
    sqlite::read(path, bytes, limits, ("wtmp", &columns), |row| {
        let [id, kind, user, login, logout, line, host, service] = *bytes_of(row)?;
        let event = match kind.integer()? {
            1 => LoginKind::Boot,
            2 => LoginKind::RunLevel,
            _ => LoginKind::User,
        };
        Some(Login {
            path: path.clone(),
            entry: id.integer().and_then(|id| u64::try_from(id).ok()).unwrap_or(0),
            event,
            time: micros(login.integer()?),
            end: logout.integer().map(micros),
            user: user.text(),
            line: line.text(),
            host: host.text(),
            address: None,
            pid: None,
            service: service.text(),
        })
    })
}

/// Reads `lastlog2`'s table: `Name`, `Time` in seconds, `TTY`, `RemoteHost`, `Service`.
pub fn lastlog2(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Login>> {
    let columns = ["Name", "Time", "TTY?", "RemoteHost?", "Service?"];
    let mut number = 0;
    sqlite::read(path, bytes, limits, ("Lastlog2", &columns), |row| {
        let [name, time, line, host, service] = *bytes_of(row)?;
        number += 1;
        Some(Login {
            path: path.clone(),
            entry: number,
            event: LoginKind::Last,
            time: Timestamp::new(time.integer()?, 0),
            end: None,
            user: name.text(),
            line: line.text(),
            host: host.text(),
            address: None,
            pid: None,
            service: RawText::from(bytes::until_nul(service.text().as_bytes())),
        })
    })
}

fn bytes_of<'r, 'v, const N: usize>(row: &'r [Value<'v>]) -> Option<&'r [Value<'v>; N]> {
    row.try_into().ok()
}

fn micros(count: i64) -> Timestamp {
    let nanoseconds = u32::try_from(count.rem_euclid(1_000_000)).unwrap_or(0) * 1000;
    Timestamp::new(count.div_euclid(1_000_000), nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::sqlite::tests::database;

    #[test]
    fn sessions_of_wtmpdb_have_both_ends() {
        let bytes = database(
            "CREATE TABLE wtmp(ID INTEGER PRIMARY KEY, Type INTEGER, User TEXT NOT NULL, Login INTEGER, Logout INTEGER, TTY TEXT, RemoteHost TEXT, Service TEXT) STRICT;
             INSERT INTO wtmp VALUES (1, 1, 'reboot', 1767323000000001, NULL, '~', '6.12.0', NULL);
             INSERT INTO wtmp VALUES (2, 3, 'eve', 1767323045250000, 1767323145000000, 'ssh', '192.0.2.7', 'sshd');",
        );
        let path = EvidencePath::new("/var/lib/wtmpdb/wtmp.db").unwrap();
        let outcome = wtmpdb(&path, &bytes, &Limits::default());
        assert_eq!(outcome.gaps, []);
        assert_eq!((outcome.value[0].event, outcome.value[0].end), (LoginKind::Boot, None));
        let eve = &outcome.value[1];
        assert_eq!((eve.time.to_string().as_str(), eve.service.as_bytes()), ("2026-01-02T03:04:05.25Z", &b"sshd"[..]));
        assert_eq!(eve.end, Some(Timestamp::new(1_767_323_145, 0)));
    }

    #[test]
    fn lastlog2_names_the_account() {
        let bytes = database(
            "CREATE TABLE Lastlog2(Name TEXT PRIMARY KEY, Time INTEGER, TTY TEXT, RemoteHost TEXT, Service TEXT) STRICT;
             INSERT INTO Lastlog2 VALUES ('root', 1767323045, 'pts/0', '192.0.2.7', 'sshd');",
        );
        let path = EvidencePath::new("/var/lib/lastlog/lastlog2.db").unwrap();
        let login = lastlog2(&path, &bytes, &Limits::default()).value.remove(0);
        assert_eq!((login.user.as_bytes(), login.time.seconds()), (&b"root"[..], 1_767_323_045));
    }
}
