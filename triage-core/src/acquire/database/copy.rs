//! Evidence with the files of a database server in it: a copy of them is served privately, and read as a running server is.

use super::client::Client;
use super::live::access;
use super::read::Reading;
use super::server::{Scratch, Server, program};
use super::{DatabaseOptions, session, zone};
use crate::model::{DatabaseFrom, EvidencePath, FileKind, FileMeta, Gap, GapReason, Pattern, Record};
use crate::parse::database::Origin;
use crate::source::{Inode, Item, Kept, Observation, Opened, Reach, Selection, Source, SourceError, SourceKind};
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where the packages of both families put it.
const FOLDER: &str = "/var/lib/mysql";

/// How long a hanging server is waited for beyond its time.
const GRACE: Duration = Duration::from_secs(20);

/// The most files of a data folder.
const MAX_FILES: usize = 100_000;

/// A source, and what the database in it says.
pub struct WithDatabase {
    files: Box<dyn Source>,
    options: DatabaseOptions,
}

impl WithDatabase {
    /// Adds what the database in a source says.
    pub fn new(files: Box<dyn Source>, options: DatabaseOptions) -> Self {
        Self { files, options }
    }

    /// Serves a copy, where the evidence has a database of a PBX.
    fn observe(&self, sink: &mut dyn FnMut(Observation) -> ControlFlow<()>) -> ControlFlow<()> {
        let Ok(folder) = EvidencePath::new(FOLDER) else { return ControlFlow::Continue(()) };
        let is_pbx = access(self.files.as_ref());
        let has_rows = |name: &str| matches!(self.files.metadata(&folder.join(name.as_bytes())), Ok(Some(meta)) if meta.kind == FileKind::Directory);
        if is_pbx.is_none() && !has_rows("asterisk") && !has_rows("asteriskcdrdb") {
            return ControlFlow::Continue(());
        }
        let gap = |reason, detail: String| Observation::Gap(Gap::new(folder.clone(), reason, detail));
        if !matches!(self.files.metadata(&folder), Ok(Some(_))) {
            let detail = "the PBX's database is not in the evidence: name a dump of it as another target".to_owned();
            return sink(gap(GapReason::Unsupported, detail));
        }
        let Some((server, parent)) = program(&self.options.servers).zip(self.options.scratch.as_ref()) else {
            let detail = "the files of the database are there, and no server is to read a copy of them with: install \
                          mariadb-server on this machine, or name a dump as another target";
            return sink(gap(GapReason::Unsupported, detail.to_owned()));
        };
        let scratch = match Scratch::new(parent)
            .map_err(|error| error.to_string())
            .and_then(|scratch| self.copy(&folder, &scratch, sink).map(|()| scratch))
        {
            Ok(scratch) => scratch,
            Err(why) => return sink(gap(GapReason::LimitReached, format!("the database was not copied: {why}"))),
        };
        let server = match Server::start(&server, scratch, self.options.start_time) {
            Ok(server) => server,
            Err(why) => {
                let detail = format!("no server could be started on a copy of the database: {why}");
                return sink(gap(GapReason::Unreadable, detail));
            }
        };
        let (options, zone, place) = (self.options.clone(), zone(self.files.as_ref()), folder.clone());
        let socket = server.socket().to_owned();
        let database = is_pbx.and_then(|(_, access)| access.database);
        session::run(&folder, self.options.total_time + GRACE, sink, move |sink| {
            let client = match Client::connect(&socket, "root", None, options.statement_time) {
                Ok(client) => client,
                Err(error) => {
                    let detail = format!("the copy of the database was not read: {}", error.detail());
                    let _ = sink(Observation::Gap(Gap::new(place, GapReason::ReadFailed, detail)));
                    return;
                }
            };
            let mut reading = Reading {
                client,
                origin: Origin { path: &place, from: DatabaseFrom::DataDirectory, zone: zone.as_ref() },
                options: &options,
                deadline: Instant::now() + options.total_time,
                is_live: false,
                expected: database.as_deref(),
            };
            reading.run(sink);
            drop(server);
        })
    }

    /// Copies the files of the server that its tables are made of, and nothing that it would follow or run.
    fn copy(
        &self,
        folder: &EvidencePath,
        scratch: &Scratch,
        sink: &mut dyn FnMut(Observation) -> ControlFlow<()>,
    ) -> Result<(), String> {
        let patterns = [format!("{FOLDER}/*"), format!("{FOLDER}/*/*")];
        let patterns = patterns.iter().filter_map(|text| Pattern::new(text).ok()).collect();
        let selection = Selection::new(patterns, Vec::new());
        let (mut left, mut count) = (self.options.copy_cap, 0_usize);
        let (mut trouble, mut gaps) = (None, Vec::new());
        let walked = self.files.walk(&selection, &mut |item| {
            let entry = match item {
                Item::Entry(entry) => entry,
                Item::Gap(gap) => {
                    gaps.push(gap);
                    return ControlFlow::Continue(());
                }
            };
            let Some(name) =
                entry.path.as_bytes().strip_prefix(folder.as_bytes()).and_then(|name| name.strip_prefix(b"/"))
            else {
                return ControlFlow::Continue(());
            };
            let target = PathBuf::from("data").join(OsStr::from_bytes(name));
            count += 1;
            if count > MAX_FILES {
                trouble = Some(format!("it has more than {MAX_FILES} files"));
                return ControlFlow::Break(());
            }
            if entry.meta.kind == FileKind::Directory {
                if let Err(error) = scratch.folder(&target) {
                    trouble = Some(error.to_string());
                    return ControlFlow::Break(());
                }
                return ControlFlow::Continue(());
            }
            if !entry.meta.is_file() || !is_needed(entry.path.file_name()) {
                return ControlFlow::Continue(());
            }
            if entry.meta.size > left {
                trouble = Some(format!("it has more than the {} bytes that are copied", self.options.copy_cap));
                return ControlFlow::Break(());
            }
            match entry.content.map(|open| open()) {
                Some(Ok(mut opened)) => match scratch.file(&target, &mut opened.reader, left) {
                    Ok(written) => left -= written.min(left),
                    Err(error) => {
                        trouble = Some(error.to_string());
                        return ControlFlow::Break(());
                    }
                },
                Some(Err(error)) => gaps.push(Gap::new(entry.path, error.reason, error.detail)),
                None => {}
            }
            ControlFlow::Continue(())
        });
        for gap in gaps {
            if sink(Observation::Gap(gap)).is_break() {
                return Err("it was stopped".to_owned());
            }
        }
        walked.map_err(|error| error.to_string())?;
        trouble.map_or(Ok(()), Err)
    }
}

/// What a server needs of its folder. Links to tables elsewhere, its configuration, its binary log and what it makes anew stay behind.
fn is_needed(name: &[u8]) -> bool {
    const NOT: [&[u8]; 11] = [
        b"ibtmp1",
        b"ib_buffer_pool",
        b"auto.cnf",
        b"tc.log",
        b"galera.cache",
        b"grastate.dat",
        b"master.info",
        b"relay-log.info",
        b"debian-10.5.flag",
        b"multi-master.info",
        b"undo_trunc.log",
    ];
    const ENDS: [&[u8]; 10] =
        [b".isl", b".sym", b".cnf", b".sock", b".pid", b".err", b".log", b".flag", b".pem", b".so"];
    let is_log = [&b"mysql-bin."[..], b"mariadb-bin.", b"binlog.", b"mysqld-bin.", b"relay-bin."];
    !NOT.contains(&name)
        && !ENDS.iter().any(|end| name.ends_with(end))
        && !is_log.iter().any(|begin| name.starts_with(begin))
}

impl Source for WithDatabase {
    fn kind(&self) -> SourceKind {
        self.files.kind()
    }

    fn label(&self) -> String {
        self.files.label()
    }

    fn notes(&self) -> Vec<String> {
        self.files.notes()
    }

    fn kept(&self) -> Kept {
        self.files.kept()
    }

    fn may_hang(&self, meta: &FileMeta) -> bool {
        self.files.may_hang(meta)
    }

    fn reach(&self) -> Reach {
        self.files.reach()
    }

    fn leave_out(&self, inode: Inode) {
        self.files.leave_out(inode);
    }

    fn walk(&self, selection: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
        self.files.walk(selection, sink)
    }

    /// What the source tells, and what its database says, unless somebody asked that already when the evidence was taken.
    fn records(&self, sink: &mut dyn FnMut(Observation) -> ControlFlow<()>) -> Result<(), SourceError> {
        let (mut is_known, mut flow) = (false, ControlFlow::Continue(()));
        self.files.records(&mut |observation| {
            is_known |= matches!(&observation, Observation::Record(record)
                if matches!(**record, Record::DatabaseTable(_) | Record::DatabaseRow(_)));
            flow = sink(observation);
            flow
        })?;
        if flow.is_continue() && !is_known {
            let _ = self.observe(sink);
        }
        Ok(())
    }

    fn metadata(&self, path: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
        self.files.metadata(path)
    }

    fn open(&self, path: &EvidencePath) -> Result<Option<Opened>, SourceError> {
        self.files.open(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_would_follow_or_run_is_not_copied() {
        for name in
            ["ampusers.isl", "x.cnf", "lib_mysqludf_sys.so", "mysql-bin.000001", "mysql.sock", "a.sym", "ibtmp1"]
        {
            assert!(!is_needed(name.as_bytes()), "{name}");
        }
        for name in
            ["ibdata1", "ib_logfile0", "ampusers.frm", "cdr.ibd", "aria_log_control", "aria_log.00000001", "db.opt"]
        {
            assert!(is_needed(name.as_bytes()), "{name}");
        }
    }
}
