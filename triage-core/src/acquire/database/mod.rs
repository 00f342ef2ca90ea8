//! The database of a PBX: asked live over its local socket, or served privately from a copy of its files; and dumps of it as sources.
//!
//! A PBX records calls while it is asked, and many of its tables are locked as a whole by whoever reads them. So everything is read in
//! pieces of some thousand rows along a key, each under a time limit of the server's own, in a session that can only read, and all of it
//! under a deadline that becomes a gap. Names of tables are fixed; what else is in the server's catalogue is told and not read. Views are never read:
//! they run what somebody wrote. Secrets are digested before they leave this module ([`crate::parse::database`]).
//!
//! It may connect to the socket of the host's server and start a server of the *analyst's* machine on a copy in a folder of our own
//! ([`server`]). It never writes to a database, never asks one over a network, and never runs a program of the evidence.

mod catalogue;
mod client;
mod copy;
mod dump;
mod live;
mod read;
mod server;
mod session;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use copy::WithDatabase;
pub use dump::DumpSource;

use crate::model::EvidencePath;
use crate::parse::local_time::LocalZone;
use crate::source::Source;
use std::path::PathBuf;
use std::time::Duration;

pub(super) use live::observe;

/// How a database is read, and how much of it.
#[derive(Clone, Debug)]
pub struct DatabaseOptions {
    /// The sockets at which a running server may listen; the first that there is is asked.
    pub sockets: Vec<PathBuf>,
    /// Servers of this machine that may serve a copy of a data folder; the first that there is is taken. Never one of the evidence.
    pub servers: Vec<PathBuf>,
    /// A folder for copies; none to make no copy.
    pub scratch: Option<PathBuf>,
    /// The longest time for one statement.
    pub statement_time: Duration,
    /// The longest time for all of it.
    pub total_time: Duration,
    /// The longest wait for a private server to start.
    pub start_time: Duration,
    /// How many rows are asked for at a time.
    pub chunk: u64,
    /// The most rows of one table; of calls the newest.
    pub max_rows: u64,
    /// The most calls; the newest.
    pub max_calls: u64,
    /// The largest data folder that is copied, in bytes.
    pub copy_cap: u64,
}

impl Default for DatabaseOptions {
    /// The sockets of the packages of both families, and no private server.
    fn default() -> Self {
        let sockets = ["/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock"];
        Self {
            sockets: sockets.map(PathBuf::from).to_vec(),
            servers: Vec::new(),
            scratch: None,
            statement_time: Duration::from_secs(10),
            total_time: Duration::from_secs(90),
            start_time: Duration::from_mins(1),
            chunk: 5_000,
            max_rows: 200_000,
            max_calls: 5_000_000,
            copy_cap: 16 << 30,
        }
    }
}

impl DatabaseOptions {
    /// Servers where packages install them.
    pub fn installed_servers() -> Vec<PathBuf> {
        ["/usr/sbin/mariadbd", "/usr/sbin/mysqld", "/usr/libexec/mariadbd", "/usr/libexec/mysqld"]
            .map(PathBuf::from)
            .to_vec()
    }
}

/// The evidence's own time zone: `/etc/localtime`, and UTC for a host that has none, as C libraries take it.
fn zone(source: &dyn Source) -> Option<LocalZone> {
    const MOST: u64 = 1 << 16;
    let place = EvidencePath::new("/etc/localtime").ok()?;
    let Some(meta) = source.metadata(&place).ok()? else {
        return source.kind().is_host().then(LocalZone::utc);
    };
    let bytes = if let Ok(Some(bytes)) = source.read(&place, MOST) {
        Some(bytes)
    } else {
        let target = EvidencePath::new(meta.link_target.as_ref()?.as_bytes()).ok()?;
        source.read(&target, MOST).ok().flatten()
    };
    LocalZone::from_tzif(&bytes?)
}
