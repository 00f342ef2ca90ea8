//! The running host as a source: its files, and the records of what it is doing.

use super::{Host, Options, database};
use crate::model::{EvidencePath, FileMeta, RawText};
use crate::parse::{Limits, passwd};
use crate::source::{Inode, Item, Kept, Observation, Opened, Reach, Selection, Source, SourceError, SourceKind};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// The largest `passwd` file whose names are used.
const MAX_PASSWD: u64 = 16 << 20;

/// The files of a root and the state of the host that runs on it.
pub struct LiveSource {
    files: Box<dyn Source>,
    options: Options,
}

impl LiveSource {
    /// Adds a running host to its files.
    pub fn new(files: impl Source + 'static, options: Options) -> Self {
        Self { files: Box::new(files), options }
    }

    /// Names of user ids by the host's own file; the first line of an id counts, as in `getpwuid(3)`.
    fn users(&self) -> BTreeMap<u32, RawText> {
        let Ok(path) = EvidencePath::new("/etc/passwd") else { return BTreeMap::new() };
        let bytes = self.files.read(&path, MAX_PASSWD).ok().flatten().unwrap_or_default();
        let mut users = BTreeMap::new();
        for account in passwd::parse(&path, &bytes, &Limits::default()).value {
            users.entry(account.uid).or_insert(account.name);
        }
        users
    }
}

impl Source for LiveSource {
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

    fn records(&self, sink: &mut dyn FnMut(Observation) -> ControlFlow<()>) -> Result<(), SourceError> {
        let mut flow = ControlFlow::Continue(());
        Host::new(self.options.clone(), self.users()).observe(&mut |observation| {
            flow = sink(observation);
            flow
        });
        // ORDER: rows change slowest of all that is in no file.
        if let Some(options) = self.options.database.as_ref().filter(|_| flow.is_continue()) {
            let _ = database::observe(self.files.as_ref(), options, &self.options.clock, sink);
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
