//! What can be said only when all members were seen.

use super::check::{Check, Class, is_descriptor, text};
use super::{Truncation, Verification};
use crate::bundle::frames::Frames;
use crate::bundle::index;
use crate::bundle::listing::{MANIFEST, TAG_MANIFEST};
use crate::bundle::seal::{self, Signature, VerifyingKey};
use crate::bundle::{BundleError, manifest, segment};
use crate::model::Digest;
use crate::source::{Container, ContainerFormat};
use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;

impl Check {
    pub(super) fn finish(
        mut self,
        truncation: Option<(u64, Option<u64>, String)>,
        container: &Container,
        signer: Option<&VerifyingKey>,
    ) -> Result<Verification, BundleError> {
        let signature = self.check_signature(signer, truncation.is_some());
        let verified_files;
        let truncated = if let Some((members, byte, detail)) = truncation {
            let covered_files = self.count_covered();
            verified_files = covered_files;
            Some(Truncation { members, files: self.collected_files, covered_files, byte, detail })
        } else {
            self.complete(container)?;
            verified_files = self.agreed_files;
            None
        };
        Ok(Verification {
            failures: self.failures,
            more_failures: self.more_failures,
            verified_files,
            verified_bytes: self.payload_bytes,
            interrupted: self.manifest.as_ref().and_then(|manifest| manifest.interrupted.clone()),
            truncated,
            chain_head: self.chains.get(segment::COLLECTION).and_then(|chain| chain.head),
            bundle_sha256: None,
            tag_manifest: self.tag_manifest.as_deref().map(Digest::of),
            signature,
            is_sealed: false,
            manifest: self.manifest,
            coverage: self.coverage,
        })
    }

    /// Looks at the signature. Without a key it is only told; with one it has to be that key's.
    fn check_signature(&mut self, signer: Option<&VerifyingKey>, is_cut: bool) -> Signature {
        let signature = match (&self.signature, &self.tag_manifest) {
            (Some(file), Some(tag_manifest)) => seal::check(file, tag_manifest, signer),
            _ => Signature::None,
        };
        let promised = self.manifest.as_ref().and_then(|manifest| manifest.signed_by.clone());
        match (&signature, promised, signer) {
            (Signature::Invalid { why }, ..) => self.fail(seal::PATH, why.clone()),
            (Signature::None, Some(key_id), _) if !is_cut => {
                self.fail(seal::PATH, format!("it is missing, and the bundle says that key {key_id} signed it"));
            }
            (Signature::None, _, Some(key)) => {
                self.fail(seal::PATH, format!("it is missing, and key {} was to have signed", key.key_id()));
            }
            _ => {}
        }
        signature
    }

    /// Collected files that a record tells of.
    fn count_covered(&self) -> u64 {
        let covered = self.seen.values().filter(|seen| seen.class == Class::Collected && seen.is_recorded);
        u64::try_from(covered.count()).unwrap_or(0)
    }

    fn complete(&mut self, container: &Container) -> Result<(), BundleError> {
        let missing =
            [("bagit.txt", self.has_bagit), (MANIFEST, self.has_manifest), (TAG_MANIFEST, self.tag_manifest.is_some())];
        for (name, _) in missing.into_iter().filter(|(_, is_there)| !is_there) {
            self.fail(name, "it is missing");
        }
        for (_, (_, name)) in std::mem::take(&mut self.awaited) {
            self.agreed_files -= u64::from(name.starts_with("data/"));
            self.fail(&name, "it is listed and not in the bag");
        }
        self.check_info();
        self.check_manifest();
        for (_, (_, name)) in std::mem::take(&mut self.claims) {
            self.fail(&name, "a record tells of it and it is not in the bag");
        }
        self.check_seek_table(container);
        if let Some(directory) = self.zip_directory
            && !is_descriptor(self.zip_end, directory)
        {
            self.fail("the zip", "it holds bytes that its directory does not tell of");
        }
        self.name_the_unlisted(container)
    }

    fn check_info(&mut self) {
        let Some(info) = self.bag_info.take() else { return self.fail("bag-info.txt", "it is missing") };
        let expected = format!("Payload-Oxum: {}.{}", self.payload_bytes, self.payload_files);
        let oxum: Vec<&[u8]> =
            info.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"Payload-Oxum:")).collect();
        if oxum != [expected.as_bytes()] {
            let found = oxum.first().map_or("there is none".to_owned(), |line| format!("it says `{}`", text(line)));
            self.fail("bag-info.txt", format!("the payload is `{expected}` and {found}"));
        }
    }

    fn check_manifest(&mut self) {
        let Some(manifest) = &self.manifest else {
            if !self.failures.iter().any(|failure| failure.what == manifest::PATH) {
                self.fail(manifest::PATH, "it is missing");
            }
            return;
        };
        let head = self.chains.get(segment::COLLECTION).and_then(|chain| chain.head);
        let mut wrong = Vec::new();
        if head != Some(manifest.collection_head) {
            wrong.push("the collection log does not end where it says");
        }
        if manifest.totals.files != self.collected_files {
            wrong.push("it counts other files than there are");
        }
        if self.root.as_ref().is_some_and(|root| *root != manifest.name.as_bytes()) {
            wrong.push("it names another bag than the folder that everything lies in");
        }
        for why in wrong {
            self.fail(manifest::PATH, why);
        }
    }

    fn check_seek_table(&mut self, container: &Container) {
        let (ContainerFormat::TarZst, Some(backing)) = (self.format, container.backing()) else { return };
        match Frames::open(&backing.uncounted()).and_then(|frames| frames.check()) {
            // Without a table (it was compressed again) it is read from the beginning, as here.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.fail("the seek table", error.to_string()),
            Ok(()) => {}
        }
    }

    /// What is there and not listed has a key only; a second look at the names finds what it is called.
    fn name_the_unlisted(&mut self, container: &Container) -> Result<(), BundleError> {
        let mut exempt = vec![index::key(TAG_MANIFEST), index::key(seal::PATH)];
        if self.has_old_index {
            exempt.push(index::key(index::PATH));
        }
        let mut unlisted = BTreeSet::new();
        let mut unrecorded = BTreeSet::new();
        for (key, seen) in &self.seen {
            if !seen.is_listed && !exempt.contains(key) {
                unlisted.insert(*key);
            } else if seen.class != Class::Tag && !seen.is_recorded {
                unrecorded.insert(*key);
            }
        }
        if unlisted.is_empty() && unrecorded.is_empty() {
            return Ok(());
        }
        let is_archive = self.format != ContainerFormat::Directory;
        let mut named: Vec<(String, &str)> = Vec::new();
        container
            .list(&mut |entry| {
                let name = text(&entry.name);
                let path = if is_archive { name.split_once('/').map_or("", |(_, path)| path) } else { &name };
                let key = index::key(path);
                if unlisted.remove(&key) {
                    named.push((path.to_owned(), "it is in the bag and no manifest lists it"));
                } else if unrecorded.remove(&key) {
                    named.push((path.to_owned(), "no record tells of it"));
                }
                ControlFlow::Continue(())
            })
            .map_err(BundleError::Container)?;
        for (path, why) in named {
            self.fail(&path, why);
        }
        Ok(())
    }
}
