//! The plan file: reading it with suspicion, and writing it so that it is there whole or not at all.
//!
//! `docs/formats/plan.md` specifies the format. A plan may have lain where an intruder writes: what is read here is checked for
//! shape and for contradictions, and whether it is *the* plan only its digest can say.

use super::{Plan, PlanError};
use crate::action::{Object, State};
use crate::model::{Digest, Hasher, escape};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The version that is written; those before it are read too.
pub(crate) const VERSION: u32 = 2;
/// The largest plan that is read, in bytes. A step takes about 1,300, and a host that was overrun has a hundred thousand.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;
/// How much of a plan is written at once, in bytes.
const BUFFER: usize = 256 * 1024;

#[derive(Deserialize)]
struct Versioned {
    format_version: u64,
}

impl Plan {
    /// Reads a plan file's bytes.
    ///
    /// # Errors
    /// [`PlanError::TooLarge`], [`PlanError::Malformed`], [`PlanError::Version`], and [`PlanError::Inconsistent`] when steps are out of
    /// order or a step does not begin where an earlier one leaves its object.
    pub fn from_json(bytes: &[u8]) -> Result<Self, PlanError> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(PlanError::TooLarge { size_bytes: bytes.len() as u64, limit_bytes: MAX_BYTES });
        }
        // The version first: a later one may have fields, statuses and actions that this library cannot read.
        let versioned: Versioned = serde_json::from_slice(bytes).map_err(PlanError::Malformed)?;
        if !(1..=u64::from(VERSION)).contains(&versioned.format_version) {
            return Err(PlanError::Version { found: versioned.format_version, known: VERSION });
        }
        let plan: Self = serde_json::from_slice(bytes).map_err(PlanError::Malformed)?;
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), PlanError> {
        let mut last = 0;
        let mut left: BTreeMap<Object<'_>, &State> = BTreeMap::new();
        for step in &self.steps {
            let wrong = |detail: String| PlanError::Inconsistent { step: step.number, detail };
            if step.number <= last {
                return Err(wrong(format!("it comes after step {last}")));
            }
            last = step.number;
            if let Some(state) = left.insert(step.action.object(), &step.after) {
                let differences = state.differences(&step.before);
                if !differences.is_empty() {
                    let what = differences.join(", ");
                    return Err(wrong(format!(
                        "an earlier step leaves another object there than this one begins with: {what}"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Reads a plan file.
///
/// # Errors
/// [`PlanError::Io`], and as [`Plan::from_json`].
pub fn read(path: &Path) -> Result<Plan, PlanError> {
    let failed = |source| PlanError::Io { doing: "reading", what: shown(path), source };
    let file = File::open(path).map_err(failed)?;
    let size_bytes = file.metadata().map_err(failed)?.len();
    if size_bytes > MAX_BYTES {
        return Err(PlanError::TooLarge { size_bytes, limit_bytes: MAX_BYTES });
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    Plan::from_json(&bytes)
}

/// Writes a plan file, readable by its owner only: a plan names files and holds lines of them. Either the whole plan stands under
/// `path` afterwards or what stood there before. Gives the plan's digest.
///
/// # Errors
/// [`PlanError::Io`]; nothing half-written is left behind.
#[expect(clippy::disallowed_methods, reason = "this is where a plan is written")]
pub fn write(path: &Path, plan: &Plan) -> Result<Digest, PlanError> {
    let failed = |source| PlanError::Io { doing: "writing", what: shown(path), source };
    let (partial, file) = create_beside(path).map_err(failed)?;
    let mut out = BufWriter::with_capacity(BUFFER, Hashed { file: &file, hasher: Hasher::new() });
    let written = plan
        .write_json(&mut out)
        .and_then(|()| out.flush())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&partial, path))
        .and_then(|()| File::open(folder_of(path))?.sync_all());
    if let Err(source) = written {
        // What failed is told; that the rest could not be swept away either adds nothing.
        let _ = std::fs::remove_file(&partial);
        return Err(failed(source));
    }
    // What a buffer that was flushed wraps is always given back.
    out.into_inner().map(|hashed| hashed.hasher.finish()).map_err(|error| failed(error.into_error()))
}

/// A file, and the digest of what was written to it.
struct Hashed<'a> {
    file: &'a File,
    hasher: Hasher,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Creates a new file in the folder of `path`, under a name that nothing has.
#[expect(clippy::disallowed_types, reason = "this is where a plan is written")]
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let name =
        path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it does not name a file"))?;
    for attempt in 0..100_u32 {
        let mut partial = std::ffi::OsString::from(".");
        partial.push(name);
        partial.push(format!(".{}-{attempt}.partial", std::process::id()));
        let partial = folder_of(path).join(partial);
        // `create_new` follows no link that somebody laid there.
        match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial) {
            Ok(file) => return Ok((partial, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::plan::make::tests::sample;
    use std::os::unix::fs::PermissionsExt;

    /// Written by version 1 and never changed: every later version reads it.
    const V1: &[u8] = include_bytes!("../../../testdata/plans/v1.json");

    #[test]
    fn the_first_version_is_read_forever() {
        let plan = Plan::from_json(V1).unwrap();
        assert_eq!(plan.steps.len(), 6);
        assert_eq!(plan.to_json().as_bytes(), V1, "what version 1 wrote is written the same, so its digest holds");
    }

    #[test]
    fn a_plan_is_written_whole_private_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        std::fs::write(&path, "older").unwrap();
        let plan = sample();
        let digest = write(&path, &plan).unwrap();
        assert_eq!(read(&path).unwrap(), plan);
        assert_eq!(digest, plan.digest());
        assert_eq!(Digest::of(&std::fs::read(&path).unwrap()), digest);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_laid_at_the_target_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("plan.json"), folder.path().join("victim"));
        std::fs::write(&victim, "untouched").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        write(&path, &sample()).unwrap();
        assert_eq!(std::fs::read(&victim).unwrap(), b"untouched");
        assert!(std::fs::symlink_metadata(&path).unwrap().is_file());
    }

    #[test]
    fn nothing_half_written_is_left_when_writing_fails() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("plan.json");
        std::fs::create_dir(&taken).unwrap();
        assert!(matches!(write(&taken, &sample()), Err(PlanError::Io { .. })));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write(&folder.path().join("not/there.json"), &sample()).is_err());
    }

    #[test]
    fn a_later_version_is_refused_with_a_hint_whatever_else_it_holds() {
        let error = Plan::from_json(br#"{"format_version": 3, "stages": []}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the plan has format version 3, and this triage reads versions up to 2: make the plan again with this triage"
        );
    }

    #[test]
    fn bytes_that_are_no_plan_are_refused() {
        let deep = "[".repeat(100_000);
        for bytes in [&b""[..], b"{}", b"[]", b"\xff", br#"{"format_version":1}"#, deep.as_bytes(), &V1[..V1.len() / 2]]
        {
            assert!(matches!(Plan::from_json(bytes), Err(PlanError::Malformed(_))));
        }
    }

    #[test]
    fn a_step_spliced_in_between_two_on_one_object_is_noticed() {
        let mut plan = sample();
        let last = plan.steps.last_mut().unwrap();
        last.before = State::Absent;
        assert!(matches!(Plan::from_json(plan.to_json().as_bytes()), Err(PlanError::Inconsistent { .. })));
        let mut plan = sample();
        plan.steps.swap(0, 1);
        assert!(matches!(Plan::from_json(plan.to_json().as_bytes()), Err(PlanError::Inconsistent { .. })));
    }
}
