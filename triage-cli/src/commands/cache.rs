//! The folder of `--cache`: compiled rules, and what an earlier scan found harmless.
//!
//! Compiled rules become native code when they are loaded, and a list of harmless files can hide one that is not. So nothing is read from a folder that anybody else
//! could have written into.

use crate::exit::{Exit, Failure};
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use triage_core::detect::{RuleProblem, RuleSet, RuleSource};
use triage_core::model::{Digest, escape};

/// A folder that is ours alone.
pub(super) struct Cache(PathBuf);

impl Cache {
    /// Opens the folder, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let fail = |error: std::io::Error| {
            anyhow::Error::new(error)
                .context(format!("opening the cache `{}`", escape(path.as_os_str().as_encoded_bytes())))
        };
        if let Err(error) = fs::DirBuilder::new().mode(0o700).create(path)
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(fail(error).into());
        }
        let path = fs::canonicalize(path).map_err(fail)?;
        let me = rustix::process::geteuid().as_raw();
        for (depth, folder) in path.ancestors().enumerate() {
            let found = fs::symlink_metadata(folder).map_err(fail)?;
            let is_sticky = found.mode() & 0o1000 != 0;
            let is_ours = found.uid() == me || (depth > 0 && found.uid() == 0);
            let is_closed = found.mode() & 0o022 == 0 || (depth > 0 && is_sticky);
            if !found.is_dir() || !is_ours || !is_closed {
                let folder = escape(folder.as_os_str().as_encoded_bytes());
                return Err(Failure {
                    exit: Exit::Refused,
                    error: anyhow::anyhow!("the cache is not safe: others can write into `{folder}`"),
                    hint: Some("name a folder that is yours alone (mode 0700), in folders that only root or you can write into".into()),
                });
            }
        }
        Ok(Self(path))
    }

    /// The compiled rules of these sources: those that are kept, else compiled and then kept.
    pub(super) fn compile(&self, sources: &[RuleSource]) -> (RuleSet, Vec<RuleProblem>) {
        let key = RuleSet::key(sources);
        let name = format!("rules-{key}");
        if let Some(kept) = self.read(&name).and_then(|bytes| RuleSet::from_trusted_bytes(&bytes, key)) {
            return kept;
        }
        let (rules, problems) = RuleSet::compile(sources);
        if let Some(bytes) = rules.to_bytes(key, &problems) {
            // Only time is lost when it cannot be kept.
            let _ = self.write(&name, &bytes);
        }
        (rules, problems)
    }

    /// What was kept under a name; none where there is nothing, or where it cannot be read.
    pub(super) fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.0.join(name)).ok()
    }

    /// Keeps bytes under a name: whole or not at all.
    #[expect(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "the user named this folder for us to write into"
    )]
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        use std::io::Write as _;
        let incoming = self.0.join(format!(".{name}.{}", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&incoming)?;
        let written = file.write_all(bytes).and_then(|()| fs::rename(&incoming, self.0.join(name)));
        if written.is_err() {
            let _ = fs::remove_file(&incoming);
        }
        written
    }

    /// The name for what is known of a target.
    pub(super) fn known_name(target: &str) -> String {
        format!("known-{}", Digest::of(target.as_bytes()))
    }
}
