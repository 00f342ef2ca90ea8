//! Collection: what to read (profiles), which host it is, and the store of a sweep that writes the bundle.

mod identity;
mod profile;

pub use identity::identify;
pub use profile::{Profile, ProfileError, Scope};

use crate::bundle::{BundleError, BundleWriter};
use crate::model::{EvidencePath, FileMeta, FileRecord, Gap, GapReason, Record};
use crate::parse;
use crate::source::Selection;
use crate::sweep::{Body, Store, StoreError, Stored};

/// Writes the objects of a sweep into a bundle, with their records, and the records of what is in them.
pub struct Collector {
    writer: BundleWriter,
    sensitive: Selection,
    omits_secrets: bool,
    limits: parse::Limits,
}

impl Collector {
    /// A collector into `writer`. What `sensitive` selects is marked in its record; with `omits_secrets` its content is left out, as a gap.
    pub fn new(writer: BundleWriter, sensitive: Selection, omits_secrets: bool) -> Self {
        Self { writer, sensitive, omits_secrets, limits: parse::Limits::default() }
    }

    /// The writer, to end the bundle with.
    pub fn into_writer(self) -> BundleWriter {
        self.writer
    }

    fn keep(
        &mut self,
        path: &EvidencePath,
        meta: &FileMeta,
        body: Body<'_>,
    ) -> Result<(FileRecord, Option<Gap>), BundleError> {
        let is_sensitive = meta.is_file() && self.sensitive.selects(path);
        let mut record =
            FileRecord { path: path.clone(), meta: meta.clone(), sha256: None, payload: None, is_sensitive };
        let mut gap = None;
        match body {
            Body::None => {}
            _ if is_sensitive && self.omits_secrets => {
                let detail = "secret content was left out on request";
                gap = Some(Gap::new(path.clone(), GapReason::Omitted, detail));
            }
            Body::Whole { bytes, sha256 } => {
                let stored = self.writer.payload_whole(path, meta.mtime, bytes, sha256)?;
                record.payload = Some(stored.payload);
                record.sha256 = Some(sha256);
                if parse::wants(path) {
                    let parsed = parse::records(path, meta, bytes, &self.limits);
                    for inner in &parsed.value {
                        self.writer.record(inner)?;
                    }
                    for gap in parsed.gaps {
                        self.writer.gap(gap)?;
                    }
                }
            }
            Body::Stream { size, reader } => {
                let stored = self.writer.payload(path, size, meta.mtime, reader)?;
                if stored.was_short() || stored.was_cut {
                    let how = if stored.was_short() { "shrank: filled up with zeros" } else { "grew: cut" };
                    let detail = format!("{how} to the {size} bytes it had at first");
                    gap = Some(Gap::new(path.clone(), GapReason::ChangedWhileReading, detail));
                }
                record.payload = Some(stored.payload);
                record.sha256 = Some(stored.sha256);
            }
        }
        Ok((record, gap))
    }
}

impl Store for Collector {
    fn store(&mut self, path: &EvidencePath, meta: &FileMeta, body: Body<'_>) -> Result<Stored, StoreError> {
        let (record, gap) = self.keep(path, meta, body)?;
        let sha256 = record.sha256;
        self.writer.record(&Record::File(record))?;
        Ok(Stored { sha256, gap })
    }

    fn gap(&mut self, gap: &Gap) -> Result<(), StoreError> {
        Ok(self.writer.gap(gap.clone())?)
    }
}
