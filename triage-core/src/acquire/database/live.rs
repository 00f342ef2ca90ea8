//! The server of the running host, asked with the credentials that FreePBX itself uses.

use super::client::{Client, ClientError};
use super::read::{Reading, evidence_path};
use super::{DatabaseOptions, session, zone};
use crate::model::{Clock, DatabaseFrom, EvidencePath, Gap, GapReason, RawText, Record, SystemValue, escape};
use crate::parse::database::Origin;
use crate::parse::local_time::LocalZone;
use crate::parse::{Limits, freepbx_conf};
use crate::source::{Observation, Source};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the credentials stand, the first that there is.
const CONFIGURATIONS: [&str; 2] = ["/etc/freepbx.conf", "/etc/amportal.conf"];

/// The largest such file, in bytes.
const MAX_CONFIGURATION: u64 = 1 << 20;

/// How long a hanging server is waited for beyond its time.
const GRACE: Duration = Duration::from_secs(20);

/// What the configuration says of the database.
#[derive(Clone, Default)]
pub(super) struct Access {
    user: Option<String>,
    password: Option<String>,
    host: Option<String>,
    pub(super) database: Option<Vec<u8>>,
}

/// Asks the host's server, where the host is a PBX, and gives what it says to `sink`.
pub(in crate::acquire) fn observe(
    files: &dyn Source,
    options: &DatabaseOptions,
    clock: &Arc<dyn Clock>,
    sink: &mut dyn FnMut(Observation) -> ControlFlow<()>,
) -> ControlFlow<()> {
    // A host that has no such file is no PBX, and nobody is asked.
    let Some((place, access)) = access(files) else { return ControlFlow::Continue(()) };
    let gap = |reason, detail: String| Observation::Gap(Gap::new(place.clone(), reason, detail));
    if let Some(host) = access.host.as_deref().filter(|host| !is_local(host)) {
        let detail = format!("the database is on another machine (`{}`), which is not asked", escape(host.as_bytes()));
        return sink(gap(GapReason::OtherFileSystem, detail));
    }
    let Some(socket) = options.sockets.iter().find(|path| is_socket(path)) else {
        let detail = "the database was not read: no server listens at the usual sockets".to_owned();
        return sink(gap(GapReason::ReadFailed, detail));
    };
    let question = Question {
        place: evidence_path(socket.as_os_str().as_bytes()),
        socket: socket.clone(),
        access,
        zone: zone(files),
        options: options.clone(),
        clock: Arc::clone(clock),
    };
    let place = question.place.clone();
    session::run(&place, options.total_time + GRACE, sink, move |sink| question.ask(sink))
}

/// What a thread needs to ask.
struct Question {
    place: EvidencePath,
    socket: PathBuf,
    access: Access,
    zone: Option<LocalZone>,
    options: DatabaseOptions,
    clock: Arc<dyn Clock>,
}

impl Question {
    fn ask(&self, sink: &mut dyn FnMut(Observation) -> ControlFlow<()>) {
        let (client, user) = match self.connect() {
            Ok(connected) => connected,
            Err(error) => {
                let reason = match error {
                    ClientError::Refused { .. } => GapReason::PermissionDenied,
                    _ => GapReason::ReadFailed,
                };
                let detail = format!("the database was not read: {}", error.detail());
                let _ = sink(Observation::Gap(Gap::new(self.place.clone(), reason, detail)));
                return;
            }
        };
        let has_limit = client.has_limit;
        let time = self.clock.now();
        let mut reading = Reading {
            client,
            origin: Origin { path: &self.place, from: DatabaseFrom::Live, zone: self.zone.as_ref() },
            options: &self.options,
            deadline: Instant::now() + self.options.total_time,
            is_live: true,
            expected: self.access.database.as_deref(),
        };
        let totals = reading.run(sink);
        let limit = if has_limit { "with" } else { "without" };
        let value = format!(
            "asked as {user} over {}, {limit} a time limit of its own: {} tables, {} rows, {} calls read",
            escape(self.socket.as_os_str().as_bytes()),
            totals.tables,
            totals.rows,
            totals.calls
        );
        tracing::info!(value, "database read");
        let value = SystemValue { time, name: "database".to_owned(), value: RawText::from(value.as_str()) };
        let _ = sink(Observation::Record(Box::new(Record::SystemValue(value))));
    }

    /// Root's own account where we are root and it has no password, because it alone sees the server's accounts; else FreePBX's.
    fn connect(&self) -> Result<(Client, String), ClientError> {
        let time = self.options.statement_time;
        if rustix::process::geteuid().is_root()
            && let Ok(client) = Client::connect(&self.socket, "root", None, time)
        {
            return Ok((client, "root".to_owned()));
        }
        let user = self.access.user.clone().unwrap_or_else(|| "freepbxuser".to_owned());
        let client = Client::connect(&self.socket, &user, self.access.password.as_deref(), time)?;
        Ok((client, escape(user.as_bytes())))
    }
}

/// What the host's configuration says, and where; none where there is none. It is parsed and never executed.
pub(super) fn access(files: &dyn Source) -> Option<(EvidencePath, Access)> {
    CONFIGURATIONS.iter().find_map(|name| {
        let path = EvidencePath::new(name).ok()?;
        let bytes = files.read(&path, MAX_CONFIGURATION).ok().flatten()?;
        let mut access = Access::default();
        if name.ends_with("freepbx.conf") {
            for setting in freepbx_conf::parse(&path, &bytes, &Limits::default()).value.settings {
                access.set(setting.name.as_bytes(), setting.value.expose());
            }
        } else {
            // `NAME=value`, as older versions generate it.
            for line in bytes.split(|&byte| byte == b'\n') {
                let mut parts = line.splitn(2, |&byte| byte == b'=');
                if let (Some(name), Some(value)) = (parts.next(), parts.next()) {
                    access.set(name.trim_ascii(), value.trim_ascii());
                }
            }
        }
        Some((path, access))
    })
}

impl Access {
    fn set(&mut self, name: &[u8], value: &[u8]) {
        let text = || std::str::from_utf8(value).ok().map(str::to_owned);
        match name {
            b"AMPDBUSER" => self.user = text(),
            b"AMPDBPASS" => self.password = text(),
            b"AMPDBHOST" => self.host = text(),
            b"AMPDBNAME" => self.database = Some(value.to_vec()),
            _ => {}
        }
    }
}

fn is_local(host: &str) -> bool {
    matches!(host, "" | "localhost" | "127.0.0.1" | "::1") || host.starts_with('/')
}

/// EVIDENCE: a password may go to whoever listens, so a socket in a folder that anybody can write to is none.
fn is_socket(path: &Path) -> bool {
    let is_closed =
        |folder: &Path| std::fs::metadata(folder).is_ok_and(|found| found.is_dir() && found.mode() & 0o002 == 0);
    std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
        && path.parent().is_some_and(is_closed)
}
