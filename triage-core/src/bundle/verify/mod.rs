//! Verifying a bundle in one pass: every hash, completeness both ways, names, chains, records and index.
//!
//! The bundle is taken for hostile. Nothing is unpacked; of each member only a key, a digest and a place are kept. Contents of a
//! folder are hashed by several threads, those of an archive as they pass. A bundle that
//! is cut verifies as far as it goes, and the result says how far that is.

mod check;
mod end;
mod line;
mod pool;

use super::BundleError;
use super::manifest::BundleManifest;
use super::seal::{Signature, VerifyingKey};
use crate::model::{Digest, Hasher, escape as shown};
use crate::source::{Container, ContainerEntry, ContainerError, ContainerFormat, Identities};
use check::Check;
use pool::Pool;
use std::io::{self, Read};
use std::path::Path;

/// One thing that is wrong with a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The member, as a path in the bag, escaped.
    pub what: String,
    /// What is wrong with it.
    pub why: String,
}

/// How far a bundle goes that does not reach its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// Members that are there whole.
    pub members: u64,
    /// Collected files that are there whole.
    pub files: u64,
    /// Those of them that a whole record segment tells of, with their digest: what can still be relied on.
    pub covered_files: u64,
    /// Where it ends: the byte in the uncompressed tar or in the zip, as far as it is known.
    pub byte: Option<u64>,
    /// How it ends.
    pub detail: String,
}

/// The result of [`verify`].
#[derive(Clone, Debug)]
pub struct Verification {
    /// What is wrong; at most 10,000.
    pub failures: Vec<Failure>,
    /// Failures beyond those.
    pub more_failures: u64,
    /// Payload files whose digest agrees with the manifest; in a cut bundle, with their record.
    pub verified_files: u64,
    /// Bytes of payload that were hashed.
    pub verified_bytes: u64,
    /// Why the collection was stopped before its end, as the bundle says; such a bundle can be intact.
    pub interrupted: Option<String>,
    /// How far it goes, where it does not reach its end.
    pub truncated: Option<Truncation>,
    /// SHA-256 of the last segment of the collection log.
    pub chain_head: Option<Digest>,
    /// SHA-256 of the file; none for a folder.
    pub bundle_sha256: Option<Digest>,
    /// SHA-256 of the tag manifest, which stands for a folder as the file's own digest stands for a file.
    pub tag_manifest: Option<Digest>,
    /// What its signature is worth.
    pub signature: Signature,
    /// Says that it is encrypted.
    pub is_sealed: bool,
    /// The summary, where there is one.
    pub manifest: Option<BundleManifest>,
    /// The coverage statement as it stands in the bundle, where there is one.
    pub coverage: Option<Vec<u8>>,
}

impl Verification {
    /// Says that everything that should be there is there, unaltered, and nothing else.
    pub fn is_intact(&self) -> bool {
        self.failures.is_empty() && self.truncated.is_none()
    }
}

/// What a bundle is opened and held against, besides itself.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// What opens it, where it is encrypted.
    pub identities: Identities,
    /// Who has to have signed it. A bundle that this key did not sign does not verify.
    pub signer: Option<VerifyingKey>,
}

/// Verifies a bundle in any of its formats. `progress` is told how many bytes of it were read (of a folder: of its files), and
/// `cancel` is asked between them.
///
/// # Errors
/// When it cannot be read at all, or `cancel` said so. What is wrong with it is no error but a [`Failure`].
pub fn verify(
    path: &Path,
    progress: &mut dyn FnMut(u64),
    cancel: &dyn Fn() -> bool,
) -> Result<Verification, BundleError> {
    verify_with(path, &Keys::default(), progress, cancel)
}

/// Verifies a bundle that may be encrypted, and its signature.
///
/// # Errors
/// As [`verify`], and when it is encrypted and nothing opens it.
pub fn verify_with(
    path: &Path,
    keys: &Keys,
    progress: &mut dyn FnMut(u64),
    cancel: &dyn Fn() -> bool,
) -> Result<Verification, BundleError> {
    let container = Container::open_with(path, &keys.identities).map_err(BundleError::Container)?;
    let io = |source| BundleError::Io { doing: "reading", what: shown(path.as_os_str().as_encoded_bytes()), source };
    std::thread::scope(|scope| {
        let whole = container.raw().map(|raw| {
            let section = raw.uncounted().section();
            scope.spawn(move || hash_all(section))
        });
        let pool = match container.format() {
            ContainerFormat::Directory => Some(Pool::start(scope, path).map_err(io)?),
            _ => None,
        };
        let mut check = Check::new(container.format(), pool);
        let is_wanted = |entry: &ContainerEntry| check::is_read_in_order(&container, entry);
        let ended = container
            .for_each_where(&is_wanted, &mut |entry, body| check.member(&entry, body, &container, progress, cancel));
        check.drain_pool(progress, cancel);
        if check.is_cancelled() {
            return Err(BundleError::Cancelled);
        }
        let truncation = match ended {
            Ok(()) => None,
            Err(ContainerError::Damaged { entries, byte, detail, .. }) => Some((entries, Some(byte), detail)),
            Err(ContainerError::LimitReached { entries, detail, .. }) => Some((entries, None, detail)),
            Err(error) => return Err(BundleError::Container(error)),
        };
        let mut result = check.finish(truncation, &container, keys.signer.as_ref())?;
        if let Some(whole) = whole {
            result.bundle_sha256 = whole.join().ok().transpose().map_err(io)?;
        }
        result.is_sealed = container.is_sealed();
        Ok(result)
    })
}

fn hash_all(mut reader: impl Read) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
