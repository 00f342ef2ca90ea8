//! What the package databases of a host say that its files should be.

use super::alias;
use super::shelf::Sums;
use crate::model::{Digest, EvidencePath, Pattern, escape};
use crate::parse::{Limits, dpkg, rpm};
use crate::source::{Item, Selection, Source, SourceError};
use std::collections::HashMap;
use std::io::Read as _;
use std::ops::ControlFlow;

/// The largest list of digests, and the largest database, in bytes.
const MAX_LIST: u64 = 16 << 20;
const MAX_DATABASE: u64 = 512 << 20;

const RPM: [&str; 6] = [
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/rpm/Packages.db",
    "/var/lib/rpm/Packages",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/Packages.db",
    "/usr/lib/sysimage/rpm/Packages",
];

#[derive(Clone, Debug)]
enum Wanted {
    Md5([u8; 16]),
    Sha256(Digest),
}

/// What is known of files, by place.
#[derive(Debug, Default)]
pub(super) struct Known {
    files: HashMap<EvidencePath, Vec<(Wanted, String)>>,
}

/// What a database says of a content at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It belongs there: this package's.
    Pristine(String),
    /// This package has another content there.
    Other(String),
    /// No package has that place.
    Unknown,
}

impl Known {
    /// Reads the databases of a host, as far as `wanted` says.
    pub(super) fn read(host: &dyn Source, wanted: &dyn Fn(&EvidencePath) -> bool) -> Result<Self, SourceError> {
        let mut known = Self::default();
        known.dpkg(host, wanted)?;
        for database in RPM {
            let Ok(path) = EvidencePath::new(database) else { continue };
            let Some(bytes) = host.read(&path, MAX_DATABASE)? else { continue };
            // What cannot be read of it vouches for nothing.
            let _ = rpm::each(&path, &bytes, &Limits::default(), &mut |installed| {
                let owner = format!("rpm, {} {}", installed.package.name, installed.package.version);
                for file in installed.files.iter().filter(|file| file.is_file() && !file.flags.is_ghost()) {
                    let digest = file.sha256().map(Wanted::Sha256).or_else(|| file.md5().map(Wanted::Md5));
                    if let Some(digest) = digest.filter(|_| wanted(&file.path)) {
                        known.add(&file.path, digest, owner.clone());
                    }
                }
            });
        }
        Ok(known)
    }

    fn dpkg(&mut self, host: &dyn Source, wanted: &dyn Fn(&EvidencePath) -> bool) -> Result<(), SourceError> {
        let limits = Limits::default();
        let status = EvidencePath::root().join(b"var").join(b"lib").join(b"dpkg").join(b"status");
        let mut versions: HashMap<Vec<u8>, String> = HashMap::new();
        if let Some(text) = host.read(&status, MAX_LIST * 4)? {
            for package in dpkg::status(&status, &text, &limits).value.iter().filter(|status| status.is_installed()) {
                let owner = format!("dpkg, {} {}", package.package.name, package.package.version);
                for conffile in package.conffiles.iter().filter(|file| !file.is_obsolete && wanted(&file.path)) {
                    if let Some(md5) = conffile.md5 {
                        self.add(&conffile.path, Wanted::Md5(md5), owner.clone());
                    }
                }
                versions.extend(package.names().into_iter().map(|name| (name, owner.clone())));
            }
        }
        let Ok(pattern) = Pattern::new("/var/lib/dpkg/info/*.md5sums") else { return Ok(()) };
        host.walk(&Selection::new(vec![pattern], Vec::new()), &mut |item| {
            let Item::Entry(entry) = item else { return ControlFlow::Continue(()) };
            let name = entry.path.file_name().strip_suffix(b".md5sums").unwrap_or_default().to_vec();
            let owner = versions.get(&name).cloned().unwrap_or_else(|| format!("dpkg, {}", escape(&name)));
            let mut text = Vec::new();
            let opened = entry.content.and_then(|open| open().ok());
            if opened.is_some_and(|opened| opened.reader.take(MAX_LIST).read_to_end(&mut text).is_ok()) {
                for sum in dpkg::md5sums(&entry.path, &text, &limits).value {
                    if wanted(&sum.path) {
                        self.add(&sum.path, Wanted::Md5(sum.md5), owner.clone());
                    }
                }
            }
            ControlFlow::Continue(())
        })
    }

    fn add(&mut self, path: &EvidencePath, wanted: Wanted, owner: String) {
        self.files.entry(path.clone()).or_default().push((wanted, owner));
    }

    /// What they say of a content at a place.
    pub(super) fn judge(&self, path: &EvidencePath, sums: &Sums) -> Word {
        let other = alias(path);
        let all = [Some(path), other.as_ref()].into_iter().flatten().filter_map(|path| self.files.get(path)).flatten();
        let mut word = Word::Unknown;
        for (wanted, owner) in all {
            let is_met = match wanted {
                Wanted::Md5(md5) => *md5 == sums.md5,
                Wanted::Sha256(sha256) => *sha256 == sums.sha256,
            };
            if is_met {
                return Word::Pristine(owner.clone());
            }
            word = Word::Other(owner.clone());
        }
        word
    }

    /// Says whether there is a database at all.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}
