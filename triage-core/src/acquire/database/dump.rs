//! A dump as a source: one file, and the rows in it as records.

use super::read::evidence_path;
use crate::model::{DatabaseFrom, EvidencePath, FileMeta, Gap, GapReason};
use crate::parse::database::Origin;
use crate::parse::mysqldump;
use crate::source::{Entry, Item, Observation, Opened, ReadError, Selection, Source, SourceError, SourceKind};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// The most bytes that a dump may unpack to.
const BUDGET: u64 = 1 << 40;

/// How much of a file is looked at to tell whether it is a dump, in bytes.
const BEGINNING: u64 = 64 << 10;

/// A dump of a database, perhaps packed with gzip or Zstandard.
pub struct DumpSource {
    /// The folder that it lies in.
    files: Arc<dyn Source>,
    name: EvidencePath,
    label: String,
}

impl DumpSource {
    /// A file of a source, if it is a dump; `label` is what a person calls it.
    ///
    /// # Errors
    /// When the file is there and cannot be opened.
    pub fn open(files: Arc<dyn Source>, name: EvidencePath, label: String) -> Result<Option<Self>, SourceError> {
        let Some(opened) = files.open(&name)? else { return Ok(None) };
        let mut beginning = Vec::new();
        let read = unpacked(opened.reader).and_then(|reader| reader.take(BEGINNING).read_to_end(&mut beginning));
        let is_one = mysqldump::is_dump(&beginning) && (read.is_ok() || !beginning.is_empty());
        Ok(is_one.then_some(Self { files, name, label }))
    }

    /// The dump at a path of this machine, if it is one.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn at(path: &Path, label: String) -> Result<Option<Self>, SourceError> {
        use std::os::unix::ffi::OsStrExt as _;
        let fail = |source| SourceError::Io { doing: "opening", what: label.clone(), source };
        let real = std::fs::canonicalize(path).map_err(fail)?;
        let (Some(folder), Some(name)) = (real.parent(), real.file_name()) else { return Ok(None) };
        let files = crate::source::DirectorySource::open(folder, SourceKind::Subtree)?;
        let name = evidence_path(&[b"/", name.as_bytes()].concat());
        Self::open(Arc::new(files), name, label)
    }

    /// Where its file stands in the source.
    pub fn name(&self) -> &EvidencePath {
        &self.name
    }
}

impl Source for DumpSource {
    fn kind(&self) -> SourceKind {
        SourceKind::Archive
    }

    fn label(&self) -> String {
        self.label.clone()
    }

    fn notes(&self) -> Vec<String> {
        vec!["a dump of a database: it shows the database as it was when the dump was made".to_owned()]
    }

    fn walk(&self, selection: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
        if !selection.selects(&self.name) {
            return Ok(());
        }
        let Some(meta) = self.files.metadata(&self.name)? else { return Ok(()) };
        let (files, name) = (Arc::clone(&self.files), self.name.clone());
        let open = move || match files.open(&name) {
            Ok(Some(opened)) => Ok(opened),
            Ok(None) => Err(ReadError::new(GapReason::Vanished, "it is not there any more")),
            Err(error) => Err(ReadError::new(GapReason::ReadFailed, error.to_string())),
        };
        let entry = Entry { path: self.name.clone(), meta, content: Some(Box::new(open)) };
        let _ = sink(Item::Entry(entry));
        Ok(())
    }

    fn records(&self, sink: &mut dyn FnMut(Observation) -> ControlFlow<()>) -> Result<(), SourceError> {
        let gap = |reason, detail: String| Observation::Gap(Gap::new(self.name.clone(), reason, detail));
        let Some(opened) = self.files.open(&self.name)? else { return Ok(()) };
        let mut reader = match unpacked(opened.reader) {
            Ok(reader) => reader,
            Err(error) => {
                let _ = sink(gap(GapReason::Unreadable, format!("cannot be unpacked: {error}")));
                return Ok(());
            }
        };
        let origin = Origin { path: &self.name, from: DatabaseFrom::Dump, zone: None };
        let mut flow = ControlFlow::Continue(());
        // The decoders of others read hostile bytes here.
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            mysqldump::each(&origin, &mut reader, BUDGET, &mut |record| {
                flow = sink(Observation::Record(Box::new(record)));
                flow
            })
        }));
        let gaps = read
            .unwrap_or_else(|_| vec![Gap::new(self.name.clone(), GapReason::Unreadable, "the unpacker failed on it")]);
        for gap in gaps {
            if flow.is_continue() {
                flow = sink(Observation::Gap(gap));
            }
        }
        Ok(())
    }

    fn metadata(&self, path: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
        if *path == self.name { self.files.metadata(path) } else { Ok(None) }
    }

    fn open(&self, path: &EvidencePath) -> Result<Option<Opened>, SourceError> {
        if *path == self.name { self.files.open(path) } else { Ok(None) }
    }
}

/// What a file holds, unpacked where its first bytes say that it is packed.
fn unpacked(reader: Box<dyn crate::source::Content>) -> io::Result<Box<dyn Read>> {
    let mut reader: Box<dyn Read> = Box::new(reader);
    let mut mark = Vec::new();
    reader.as_mut().take(4).read_to_end(&mut mark)?;
    let is_gzip = mark.starts_with(b"\x1f\x8b");
    let is_zstd = mark == *b"\x28\xb5\x2f\xfd";
    let whole = io::Cursor::new(mark).chain(reader);
    Ok(if is_gzip {
        Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::new(whole)))
    } else if is_zstd {
        let mut decoder = zstd::stream::read::Decoder::new(whole)?;
        decoder.window_log_max(27)?;
        Box::new(decoder)
    } else {
        Box::new(whole)
    })
}
