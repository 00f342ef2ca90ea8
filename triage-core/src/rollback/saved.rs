//! The originals of a run as evidence: what a run found of each object before it changed it.

use crate::action::{Present, State};
use crate::journal::Run;
use crate::model::{Digest, EvidencePath, FileMeta};
use crate::source::{Content, Item, Opened, Selection, Source, SourceError, SourceKind};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;

/// What a run found, by path; contents come from its vault and are held against their digests.
#[derive(Debug)]
pub struct Originals {
    run: Run,
    objects: BTreeMap<EvidencePath, Present>,
}

impl Originals {
    /// The originals of a run. Of an object that several steps changed, what the first of them found.
    pub fn new(run: Run) -> Self {
        let mut objects = BTreeMap::new();
        for intent in run.steps().iter().filter_map(|step| step.intent) {
            if let State::Present(present) = &intent.before {
                objects.entry(intent.path.clone()).or_insert_with(|| (**present).clone());
            }
        }
        Self { run, objects }
    }
}

struct Kept {
    file: File,
    digest: Digest,
}

impl Read for Kept {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Content for Kept {
    fn expected(&self) -> Option<Digest> {
        Some(self.digest)
    }
}

impl Source for Originals {
    fn kind(&self) -> SourceKind {
        SourceKind::Subtree
    }

    fn label(&self) -> String {
        format!("the vault of run {}", self.run.id())
    }

    /// A vault is asked for objects by name; it is no tree to be gone through.
    fn walk(&self, _: &Selection, _: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
        Ok(())
    }

    fn metadata(&self, path: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
        Ok(self.objects.get(path).map(|present| present.meta.clone()))
    }

    fn open(&self, path: &EvidencePath) -> Result<Option<Opened>, SourceError> {
        let Some(Present { meta, sha256: Some(digest) }) = self.objects.get(path) else { return Ok(None) };
        let file = self
            .run
            .vault()
            .open(digest)
            .map_err(|error| SourceError::Damaged { what: path.to_string(), detail: error.to_string() })?;
        Ok(Some(Opened { meta: meta.clone(), reader: Box::new(Kept { file, digest: *digest }) }))
    }
}
