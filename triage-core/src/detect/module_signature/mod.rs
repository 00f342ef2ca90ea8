//! `FreePBX` modules against their `module.sig`: altered, missing and unlisted files, module folders without a signature, and signatures
//! that are not the vendor's.
//!
//! The framework's own check believes whatever key ring the web server's user has, never looks at files that are not listed nor at folders that
//! its database does not have, and is itself one of the files that an intruder changes. This one pins the vendor's keys by their fingerprints
//! ([`Signers`]), takes the keys from the evidence only where they have one, and looks at everything. What only the database tells (a folder
//! without a row, a row without a folder, the version that a row claims) is not looked at here.

mod authority;
mod check;
mod finding;
mod genuine;
mod layout;
mod object;
mod report;
mod signer;
mod standing;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr)]
mod tests;

pub use genuine::{holds_keys, places};
pub(super) use object::class;
pub use report::{FORMAT_VERSION, KeyPlaces, ModulesReport, modules_json, modules_jsonl};
pub use signer::{SignatureState, SignatureVerdict, Signer, SignerError, Signers, Signs};
pub use standing::{ArchiveStanding, FileClass, ModuleStanding, ModuleState, Totals};

use super::known_good::Authority;
use super::{Detector, HostContext, Indicators, Report};
use crate::model::{Digest, EvidencePath, Gap, GapReason, Timestamp};
use crate::parse::clear_sign::ClearSigned;
use crate::parse::freepbx_dirs::{self, Directories};
use crate::parse::module_sig::{self, ModuleSignature};
use crate::parse::module_xml::{self, ModuleXml};
use crate::parse::openpgp::{self, KeyRing, OpenPgpError, Signed};
use crate::parse::{Format, Limits};
use crate::sweep::Swept;
use authority::{Concluded, ModuleAuthority};
use check::Check;
use layout::Layout;
use object::Object;
use signer::Authorities;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The largest file of keys that is read; the framework's own have under 10 KiB.
const MAX_KEY_FILE: usize = 4 << 20;

/// The most that a signed archive may unpack to. The largest module, the framework, has 20 MiB.
const MAX_ARCHIVE: u64 = 96 << 20;

/// Compares modules with their signed lists, when all files have been seen.
pub struct ModuleSignatureDetector {
    indicators: Arc<Indicators>,
    signers: Signers,
    seen: Mutex<Seen>,
    concluded: OnceLock<Concluded>,
}

/// A list and its signatures.
struct List {
    text: ModuleSignature,
    signatures: Result<Vec<Signed>, OpenPgpError>,
}

/// What the conclusion needs of the evidence.
#[derive(Default)]
struct Seen {
    files: BTreeMap<EvidencePath, Object>,
    lists: BTreeMap<EvidencePath, List>,
    descriptions: BTreeMap<EvidencePath, ModuleXml>,
    archives: BTreeMap<EvidencePath, Result<Vec<Signed>, OpenPgpError>>,
    /// Each file of keys; which of them are used is decided when all are there.
    keys: BTreeMap<EvidencePath, KeyRing>,
    directories: BTreeMap<usize, Directories>,
    latest: Option<Timestamp>,
}

impl Seen {
    /// Each folder `…/admin/modules` of a `FreePBX`: one in which a module has a list, or in which the framework's or core's own
    /// description lies. Other programs have folders of that name too.
    fn module_roots(&self) -> BTreeSet<EvidencePath> {
        let described = self.files.keys().filter(|path| {
            Format::at(path) == Some(Format::ModuleXml)
                && path.parent().is_some_and(|folder| matches!(folder.file_name(), b"framework" | b"core"))
        });
        self.lists.keys().chain(described).filter_map(|path| path.parent()?.parent()).collect()
    }

    /// What the lists expect, by place; all web roots together.
    fn expected(&self, layout: &Layout) -> BTreeMap<EvidencePath, BTreeSet<Digest>> {
        let mut expected: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (path, list) in &self.lists {
            let Some(folder) = path.parent() else { continue };
            for hash in &list.text.hashes {
                for place in layout.destinations(&folder, hash.file.as_bytes()) {
                    expected.entry(place).or_default().insert(hash.sha256);
                }
            }
        }
        expected
    }

    /// The places that a genuine list has something to say of, with the module's name.
    fn vouched(
        &self,
        layout: &Layout,
        verdicts: &BTreeMap<EvidencePath, SignatureVerdict>,
    ) -> BTreeMap<EvidencePath, BTreeSet<Digest>> {
        let mut vouched: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (path, list) in &self.lists {
            let Some(folder) = path.parent() else { continue };
            if !verdicts.get(&folder).is_some_and(SignatureVerdict::is_good) {
                continue;
            }
            for hash in &list.text.hashes {
                for place in layout.destinations(&folder, hash.file.as_bytes()) {
                    vouched.entry(place).or_default().insert(hash.sha256);
                }
            }
        }
        vouched
    }
}

impl ModuleSignatureDetector {
    /// A detector with these indicators, and the pinned keys that are built in.
    pub fn new(indicators: Arc<Indicators>) -> Self {
        // A build whose tests have passed has no mistake in them; without them every signature would be a stranger's.
        Self::with_signers(indicators, Signers::builtin().unwrap_or_default())
    }

    /// A detector with other pinned keys.
    pub fn with_signers(indicators: Arc<Indicators>, signers: Signers) -> Self {
        Self { indicators, signers, seen: Mutex::default(), concluded: OnceLock::new() }
    }

    /// How each module stands, by its folder. Empty before the conclusion.
    pub fn modules(&self) -> &[ModuleStanding] {
        self.concluded.get().map(|concluded| concluded.modules.as_slice()).unwrap_or_default()
    }

    /// The keys of the evidence that are pinned, and the files that they were found in.
    pub fn keys(&self) -> Vec<KeyPlaces> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let places = |signer: &Signer| KeyPlaces {
            fingerprint: signer.fingerprint,
            files: seen
                .keys
                .iter()
                .filter(|(_, ring)| ring.has(&signer.fingerprint))
                .map(|(path, _)| path.clone())
                .collect(),
        };
        self.signers.iter().map(places).filter(|found| !found.files.is_empty()).collect()
    }

    fn learn(&self, file: &Swept<'_>, content: &[u8], report: &mut Report) {
        let lock = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (path, limits) = (file.path, Limits::default());
        if let Some(rank) = freepbx_dirs::rank(path) {
            lock().directories.insert(rank, Directories::read(path, content, &limits));
        }
        if is_key_file(path) {
            match KeyRing::read(content.get(..MAX_KEY_FILE).unwrap_or(content)) {
                Ok(ring) => {
                    lock().keys.insert(path.clone(), ring);
                }
                Err(OpenPgpError::None { .. }) if content.len() <= 64 => {
                    // GnuPG makes a ring without a key as soon as it is started.
                }
                Err(error) => report.gaps.push(Gap::new(path.clone(), GapReason::Unreadable, error.detail())),
            }
        }
        if is_archive(path) {
            let opened = openpgp::signed_message(content, MAX_ARCHIVE).map(|message| message.signatures);
            lock().archives.insert(path.clone(), opened);
        }
        match Format::at(path) {
            Some(Format::ModuleSignature) => {
                let message = ClearSigned::read(content);
                let outcome = module_sig::parse_signed(path, &message, &limits);
                report.gaps.extend(outcome.gaps);
                let signatures = openpgp::clear_signed(&message);
                lock().lists.insert(path.clone(), List { text: outcome.value, signatures });
            }
            Some(Format::ModuleXml) => {
                // What cannot be read in it is told by who reads it for its own sake.
                let description = module_xml::parse(path, content, &limits).value;
                lock().descriptions.insert(path.clone(), description);
            }
            _ => {}
        }
    }
}

impl Detector for ModuleSignatureDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        match file.content {
            Some(content) if file.meta.is_file() => self.learn(file, content, report),
            None if file.meta.is_file() && file.sha256.is_some() && is_archive(file.path) => {
                let detail = "too large to be held in memory, so its signature was not checked";
                report.gaps.push(Gap::new(file.path.clone(), GapReason::LimitReached, detail));
            }
            _ => {}
        }
        if !object::is_of_freepbx(file.path) {
            return;
        }
        let object = Object::of(file);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.latest = seen.latest.max(file.meta.ctime.or(file.meta.mtime));
        seen.files.insert(file.path.clone(), object);
    }

    fn conclude(&self, host: &HostContext, report: &mut Report) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys = KeyRing::default();
        // Pinned keys first: others must not take their room.
        for is_pinned in [true, false] {
            for ring in seen.keys.values() {
                let has_pinned = self.signers.iter().any(|signer| ring.has(&signer.fingerprint));
                if has_pinned == is_pinned {
                    keys.add(ring.clone());
                }
            }
        }
        let authorities = Authorities { signers: &self.signers, keys: &keys, latest: seen.latest };
        let verdicts: BTreeMap<EvidencePath, SignatureVerdict> = seen
            .lists
            .iter()
            .filter_map(|(path, list)| Some((path.parent()?, authorities.judge(&list.signatures))))
            .collect();
        let layout = Layout::new(&seen.directories);
        let check = Check {
            seen: &seen,
            expected: seen.expected(&layout),
            verdicts: &verdicts,
            layout: &layout,
            authorities: &authorities,
            host,
            indicators: &self.indicators,
        };
        let mut modules = BTreeMap::new();
        for root in seen.module_roots() {
            check.web_root(&root, &mut modules, report);
        }
        check.keys(report);
        check.unverified(report);
        let vouched = seen.vouched(&layout, &verdicts);
        let folders = verdicts.iter().map(|(folder, verdict)| (folder.clone(), verdict.is_good())).collect();
        let modules = modules.into_values().map(|mut module: ModuleStanding| {
            module.finish();
            module
        });
        let concluded = Concluded { modules: modules.collect(), vouched, folders, expected: check.expected };
        // Nobody concludes twice.
        let _ = self.concluded.set(concluded);
    }

    fn authorities(&self) -> Vec<Box<dyn Authority + '_>> {
        match self.concluded.get() {
            Some(concluded) if !concluded.vouched.is_empty() => vec![Box::new(ModuleAuthority(concluded))],
            _ => Vec::new(),
        }
    }
}

/// Says whether the content of the file at this place is needed each time, because other files are judged by it.
pub(super) fn judges_by(path: &EvidencePath) -> bool {
    is_key_file(path) || is_archive(path) || freepbx_dirs::rank(path).is_some()
}

/// Files of keys: the framework's own, those that modules bring, and the public key rings of `GnuPG`.
fn is_key_file(path: &EvidencePath) -> bool {
    let folder = path.parent().unwrap_or_else(EvidencePath::root);
    match path.extension() {
        Some(b"key") => {
            let is_in = |ending: &[u8]| folder.as_bytes().ends_with(ending);
            is_in(b"/admin/libraries/BMO")
                || (is_in(b"/signatures") && path.components().any(|part| part == b"modules"))
        }
        _ => matches!(path.file_name(), b"pubring.gpg" | b"pubring.kbx") && folder.file_name() == b".gnupg",
    }
}

/// The framework's store of what it has downloaded: `admin/modules/_cache/core-17.0.1.tgz.gpg`.
fn is_archive(path: &EvidencePath) -> bool {
    path.extension() == Some(b"gpg")
        && path.parent().is_some_and(|folder| folder.as_bytes().ends_with(b"/admin/modules/_cache"))
}
