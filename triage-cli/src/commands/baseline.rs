//! `--baseline`: states that are known good, whatever they are kept in.

use super::open;
use crate::args::ReadingArgs;
use crate::args::seal::IdentityArgs;
use crate::exit::Failure;
use crate::progress::Progress;
use crate::session::Session;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use triage_core::detect::{BaselineDetector, CoreChecksums, Detectors, WordPressDetector};
use triage_core::engine::{self, Reading};
use triage_core::model::escape;

/// The largest file of checksums that is read; that of a release has 200 KiB.
const MAX_CHECKSUMS: u64 = 64 << 20;

/// Adds the detectors that hold files against what was named.
pub(super) fn add(
    paths: &[PathBuf],
    reading: &ReadingArgs,
    identity: &IdentityArgs,
    detectors: &mut Detectors,
    session: &Session,
) -> Result<(), Failure> {
    let (mut states, mut releases) = (Vec::new(), Vec::new());
    for path in paths {
        if let Some(bytes) = checksums(path)? {
            releases.extend(CoreChecksums::read(&name(path), &bytes).map_err(|error| {
                Failure::hinted(
                    error,
                    "save the answer of https://api.wordpress.org/core/checksums/1.0/?version=V&locale=L as it is",
                )
            })?);
            continue;
        }
        // The rest of what is said of the target is not said of its baseline.
        let plain = ReadingArgs {
            root: PathBuf::from("/"),
            partition: None,
            expect_sha256: None,
            profile: Vec::new(),
            no_volatile: true,
            nice: None,
            ..*reading
        };
        let target = open::sealed_target(Some(path), &plain, identity, session)?;
        let progress = Progress::start(&session.ui, "reading the baseline");
        let how = Reading { options: open::options(&plain), progress: &progress, cancel: &|| session.is_interrupted() };
        let state = engine::baseline(target, how)?;
        drop(progress);
        if state.is_empty() {
            return Err(Failure::hinted(
                anyhow::anyhow!(
                    "the baseline `{}` has no file that could be compared",
                    escape(path.as_os_str().as_encoded_bytes())
                ),
                "name a bundle, a host's root, a folder, an archive, or the checksums of a WordPress release",
            ));
        }
        session.ui.note(&format!("baseline {}: {} files", escape(path.as_os_str().as_encoded_bytes()), state.len()));
        states.push(state);
    }
    if !states.is_empty() {
        detectors.add(Box::new(BaselineDetector::new(states)));
    }
    if !releases.is_empty() {
        detectors.add(Box::new(WordPressDetector::new(releases)));
    }
    Ok(())
}

/// The bytes of a file that is a list of checksums; none of anything else.
fn checksums(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let fail = |error: std::io::Error| {
        Failure::hinted(
            anyhow::Error::new(error)
                .context(format!("reading the baseline `{}`", escape(path.as_os_str().as_encoded_bytes()))),
            "name a bundle, a host's root, a folder, an archive, or the checksums of a WordPress release",
        )
    };
    if !fs::metadata(path).map_err(fail)?.is_file() {
        return Ok(None);
    }
    let mut file = fs::File::open(path).map_err(fail)?;
    let mut bytes = vec![0; 256];
    let length = file.read(&mut bytes).map_err(fail)?;
    bytes.truncate(length);
    if !CoreChecksums::is_like(&bytes) {
        return Ok(None);
    }
    file.take(MAX_CHECKSUMS).read_to_end(&mut bytes).map_err(fail)?;
    Ok(Some(bytes))
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
