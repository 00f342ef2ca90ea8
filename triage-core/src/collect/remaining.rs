//! What is left to collect where a killed collection goes on: the evidence without the objects that the bundle has already.
//!
//! An object that the bundle has and that looks different now is left as it was stored, and told: a bag holds one content under
//! one name, and the first is the one that is nearer to the alarm.

use crate::bundle::{Already, Had};
use crate::model::{EvidencePath, FileKind, FileMeta, Gap, GapReason};
use crate::source::{Inode, Item, Opened, Reach, Selection, Source, SourceError, SourceKind};
use std::ops::ControlFlow;

/// A source without what is in a bundle already. Nothing of that is opened.
pub struct Remaining<'a> {
    source: &'a dyn Source,
    already: &'a Already,
}

impl<'a> Remaining<'a> {
    /// What `already` leaves of `source`.
    pub fn new(source: &'a dyn Source, already: &'a Already) -> Self {
        Self { source, already }
    }
}

impl Source for Remaining<'_> {
    fn kind(&self) -> SourceKind {
        self.source.kind()
    }

    fn label(&self) -> String {
        self.source.label()
    }

    fn may_hang(&self, meta: &FileMeta) -> bool {
        self.source.may_hang(meta)
    }

    fn reach(&self) -> Reach {
        self.source.reach()
    }

    fn leave_out(&self, inode: Inode) {
        self.source.leave_out(inode);
    }

    fn walk(&self, selection: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
        self.source.walk(selection, &mut |item| {
            let Item::Entry(entry) = item else { return sink(item) };
            match self.already.had(&entry.path, &entry.meta) {
                Had::No => sink(Item::Entry(entry)),
                Had::Unchanged => ControlFlow::Continue(()),
                // What is in a folder is met by itself; that its times moved on is no loss.
                Had::Changed if entry.meta.kind == FileKind::Directory => ControlFlow::Continue(()),
                Had::Changed => {
                    let detail =
                        "changed between the two parts of the collection; the bundle has it as it was in the first";
                    sink(Item::Gap(Gap::new(entry.path, GapReason::ChangedWhileReading, detail)))
                }
            }
        })
    }

    fn metadata(&self, path: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
        self.source.metadata(path)
    }

    fn open(&self, path: &EvidencePath) -> Result<Option<Opened>, SourceError> {
        self.source.open(path)
    }
}
