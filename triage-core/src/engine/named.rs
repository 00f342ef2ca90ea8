//! A few objects of a source, looked at by their names.
//!
//! A selection of ten thousand exact names would be held against every object of the folders that they lie in.

use super::Target;
use crate::collect::Scope;
use crate::model::{EvidencePath, FileMeta, Gap, GapReason};
use crate::source::{
    Entry, Inode, Item, Kept, Opened, Opener, Pattern, Reach, ReadError, Selection, Source, SourceError, SourceKind,
};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

impl Target {
    /// The same target, of which nothing but these objects is asked for, and their content of every one of them.
    #[must_use]
    pub fn only(self, paths: impl IntoIterator<Item = EvidencePath>) -> Self {
        let paths: BTreeSet<EvidencePath> = paths.into_iter().collect();
        let patterns = paths.iter().map(Pattern::exact).collect();
        Self {
            source: Box::new(Named { source: Arc::from(self.source), paths }),
            // What a profile only lists or hashes is read all the same.
            scope: Scope {
                selection: Selection::new(patterns, Vec::new()),
                sensitive: self.scope.sensitive,
                gaps: self.scope.gaps,
                ..Scope::default()
            },
            ..self
        }
    }
}

struct Named {
    source: Arc<dyn Source>,
    paths: BTreeSet<EvidencePath>,
}

impl Named {
    fn opener(&self, path: &EvidencePath) -> Opener {
        let (source, path) = (Arc::clone(&self.source), path.clone());
        Box::new(move || match source.open(&path) {
            Ok(Some(opened)) => Ok(opened),
            Ok(None) => {
                Err(ReadError::new(GapReason::Vanished, "it was there when it was listed, and is no file any more"))
            }
            Err(SourceError::Io { source, .. }) => Err(source.into()),
            Err(error) => Err(ReadError::new(GapReason::Damaged, error.to_string())),
        })
    }
}

impl Source for Named {
    fn kind(&self) -> SourceKind {
        self.source.kind()
    }

    fn label(&self) -> String {
        self.source.label()
    }

    fn notes(&self) -> Vec<String> {
        self.source.notes()
    }

    fn kept(&self) -> Kept {
        self.source.kept()
    }

    fn leave_out(&self, inode: Inode) {
        self.source.leave_out(inode);
    }

    fn may_hang(&self, meta: &FileMeta) -> bool {
        self.source.may_hang(meta)
    }

    fn reach(&self) -> Reach {
        self.source.reach()
    }

    fn walk(&self, _: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
        for path in &self.paths {
            let item = match self.source.metadata(path) {
                Ok(None) => continue,
                Ok(Some(meta)) => {
                    let content = meta.is_file().then(|| self.opener(path));
                    Item::Entry(Entry { path: path.clone(), meta, content })
                }
                Err(error) => Item::Gap(Gap::new(path.clone(), GapReason::ReadFailed, error.to_string())),
            };
            if sink(item).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn metadata(&self, path: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
        self.source.metadata(path)
    }

    fn open(&self, path: &EvidencePath) -> Result<Option<Opened>, SourceError> {
        self.source.open(path)
    }
}
