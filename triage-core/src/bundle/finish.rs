//! The end of a bundle: manifests, summary, index, signature; then it gets its final name.

use super::index::{self, Indexed};
use super::listing::{MANIFEST, TAG_MANIFEST};
use super::manifest::{self, BundleManifest, FORMAT_VERSION};
use super::segment::Event;
use super::{BundleError, BundleWriter, Ending, Sealed, seal, writing};
use crate::model::{Digest, Hasher, Timestamp, escape};
use std::fmt::Write as _;
use std::io;

impl BundleWriter {
    /// Ends the bundle: manifests, summary, index, signature; then it gets its final name.
    ///
    /// # Errors
    /// When the output refuses; then the bundle is left under its partial name.
    pub fn finish(mut self, ending: Ending, end: Timestamp) -> Result<Sealed, BundleError> {
        self.check()?;
        self.flush_records()?;
        for (payload, (sha256, size_bytes)) in std::mem::take(&mut self.unrecorded) {
            self.event(&Event::Payload { payload, sha256, size_bytes })?;
        }
        let interrupted = match ending {
            Ending::Complete => None,
            Ending::Interrupted { why } => {
                self.event(&Event::Interrupted { time: end, why: why.clone() })?;
                Some(why)
            }
        };
        self.event(&Event::End { time: end })?;
        self.flush_collection()?;
        let chain_head = self.ledger.collection.head().unwrap_or_else(|| Digest::of(b""));
        self.payload_manifest()?;
        self.bag_info()?;
        let signed_by = self.signer.as_ref().map(seal::Signer::key_id);
        let manifest = BundleManifest {
            format_version: FORMAT_VERSION,
            tool: self.info.tool.clone(),
            version: self.info.version.clone(),
            name: self.name.clone(),
            host: self.info.host.clone(),
            root: self.info.root.clone(),
            is_live: self.info.is_live,
            evidence: self.info.evidence.clone(),
            profile: self.info.profile.clone(),
            selection: self.info.selection.clone(),
            start: self.info.start,
            end,
            clock_note: self.info.clock_note.clone(),
            time_zone: self.info.time_zone.clone(),
            case: self.info.case.clone(),
            totals: self.ledger.totals.clone(),
            gaps: std::mem::take(&mut self.ledger.gaps),
            resumed: std::mem::take(&mut self.ledger.resumed),
            signed_by: signed_by.clone(),
            interrupted,
            collection_head: chain_head,
        };
        let mut json = serde_json::to_vec_pretty(&manifest)
            .map_err(|source| BundleError::Record { what: manifest::PATH.to_owned(), source })?;
        json.push(b'\n');
        self.tag(manifest::PATH, &json)?;
        let tag_manifest = self.last_members(end)?;
        let totals = manifest.totals;
        let committed = self.archive.finish()?;
        Ok(Sealed {
            path: committed.path,
            sha256: committed.sha256,
            bytes: committed.bytes,
            name: self.name,
            totals,
            chain_head,
            tag_manifest,
            signed_by,
        })
    }

    fn payload_manifest(&mut self) -> Result<(), BundleError> {
        let length = self.ledger.listing.manifest_bytes();
        let begun = self.archive.begin(MANIFEST, length, self.info.start.seconds());
        let place = self.attempt(begun)?;
        let mut hasher = Hasher::new();
        let archive = &mut self.archive;
        let written = self.ledger.listing.manifest(&mut |text| {
            hasher.update(text);
            archive.write(text)
        });
        let ended = written.and_then(|()| self.archive.end());
        self.attempt(ended)?;
        self.ledger.listing.push(MANIFEST, place, hasher.finish(), length).map_err(writing)
    }

    fn bag_info(&mut self) -> Result<(), BundleError> {
        let day: String = self.info.start.to_string().chars().take(10).collect();
        let (bytes, files) = self.ledger.listing.oxum();
        let mut text = format!(
            "Bag-Software-Agent: {} {}\nBagging-Date: {day}\nExternal-Identifier: {}\n\
             Internal-Sender-Identifier: {}\nPayload-Oxum: {bytes}.{files}\n",
            escape(self.info.tool.as_bytes()),
            escape(self.info.version.as_bytes()),
            self.name,
            self.info.host.digest,
        );
        let case = &self.info.case;
        let labels = [("External-Identifier", &case.case), ("Contact-Name", &case.examiner)];
        let labelled = labels.iter().filter_map(|(label, value)| Some((*label, value.as_deref()?)));
        for (label, value) in labelled.chain(case.notes.iter().map(|note| ("External-Description", note.as_str()))) {
            // Escaped, a value is one line, and cannot be taken for a label.
            let _ = writeln!(text, "{label}: {}", escape(value.as_bytes()));
        }
        self.tag("bag-info.txt", text.as_bytes())
    }

    /// The index, the tag manifest that lists it, and the signature over that. Gives the tag manifest's digest.
    fn last_members(&mut self, end: Timestamp) -> Result<Digest, BundleError> {
        let wants_index = self.archive.begin_index();
        let wants_index = self.attempt(wants_index)?;
        let listing = super::listing::Listing::new().map_err(writing)?;
        let (members, mut tags) = std::mem::replace(&mut self.ledger.listing, listing).into_index();
        if wants_index {
            let written = self.index(&members);
            tags.push((index::PATH.to_owned(), self.attempt(written)?));
        }
        drop(members);
        let mut lines = String::new();
        for (path, sha256) in tags {
            let _ = writeln!(lines, "{sha256}  {path}");
        }
        self.unlisted(TAG_MANIFEST, lines.as_bytes())?;
        if let Some(signer) = &self.signer {
            let signed = signer.sign(lines.as_bytes(), &self.name, end);
            let signature = signed.ok_or_else(|| writing(io::Error::other("the key does not sign")))?;
            self.unlisted(seal::PATH, &signature)?;
        }
        Ok(Digest::of(lines.as_bytes()))
    }

    fn index(&mut self, members: &[Indexed]) -> io::Result<Digest> {
        let mut hasher = Hasher::new();
        self.archive.begin(index::PATH, index::length(members.len()), self.info.start.seconds())?;
        let archive = &mut self.archive;
        index::encode(members, &mut |bytes| {
            hasher.update(bytes);
            archive.write(bytes)
        })?;
        self.archive.end()?;
        Ok(hasher.finish())
    }
}
