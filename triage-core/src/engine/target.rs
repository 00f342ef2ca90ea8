//! What a path is, and how it is read.

use crate::bundle::{self, BundleSource};
use crate::collect::{self, Profile, ProfileError, Scope};
use crate::model::{EvidencePath, Gap, HostIdentity, PathError, escape};
use crate::source::{ArchiveSource, DirectorySource, Inode, Pattern, Selection, Source, SourceError, SourceKind};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use thiserror::Error;

/// Evidence that is open, and the part of it that is looked at.
pub struct Target {
    /// The evidence.
    pub source: Box<dyn Source>,
    /// The part.
    pub scope: Scope,
    /// What was asked for when the evidence was taken, so that a missing file can be told from one that nobody asked for: the scope,
    /// and for a bundle that of its collection.
    pub asked: Selection,
    /// The name of the profile that made the scope; none where everything is looked at.
    pub profile: Option<String>,
    /// The host it is of.
    pub host: HostIdentity,
}

/// How to open a target.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// A host's root, a folder of it, a bundle, an archive; none for the root.
    pub path: Option<&'a Path>,
    /// The root of the host.
    pub root: &'a Path,
    /// A profile's name; none for the one that fits.
    pub profile: Option<&'a str>,
    /// Our own files, which are no evidence.
    pub leave_out: &'a [Inode],
}

/// Why a target cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TargetError {
    /// There is nothing there, or it may not be looked at.
    #[error("looking at `{path}`")]
    Io {
        /// The path, escaped.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder is not beneath the root that was named.
    #[error("`{path}` is not beneath the root `{root}`")]
    Outside {
        /// The folder, escaped.
        path: String,
        /// The root, escaped.
        root: String,
    },
    /// The folder's place has a name that no evidence can have.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The evidence cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The profile cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The bundle cannot be read.
    #[error(transparent)]
    Bundle(#[from] bundle::BundleError),
}

impl Target {
    /// Finds out what the path is and opens it.
    ///
    /// A folder with `bagit.txt` is a bundle, one that has `etc/` is a host's root, any other is a part of the host whose root is named; a
    /// file is a bundle of ours or somebody else's archive.
    ///
    /// # Errors
    /// [`TargetError`], which says what is wrong with which path.
    pub fn open(opening: &Opening<'_>) -> Result<Self, TargetError> {
        let Some(path) = opening.path else { return Self::open_root(opening.root, opening) };
        let fail = |source| TargetError::Io { path: shown(path), source };
        let found = std::fs::metadata(path).map_err(fail)?;
        if !found.is_dir() || path.join("bagit.txt").exists() {
            return Self::open_file(path);
        }
        let real = std::fs::canonicalize(path).map_err(fail)?;
        if real.join("etc").is_dir() {
            return Self::open_root(&real, opening);
        }
        Self::open_subtree(&real, opening)
    }

    fn open_file(path: &Path) -> Result<Self, TargetError> {
        let source: Box<dyn Source>;
        let (mut profile, mut host, mut asked) = (None, None, Selection::everything());
        if bundle::is_bundle(path) {
            let bundle = BundleSource::open(path)?;
            profile = Some(bundle.manifest().profile.clone());
            host = Some(bundle.host().clone());
            // A pattern that this version cannot read asks for nothing, so that nothing is called missing for it.
            let patterns = bundle.manifest().selection.iter().filter_map(|text| Pattern::new(text).ok());
            asked = Selection::new(patterns.collect(), Vec::new());
            source = Box::new(bundle);
        } else {
            source = Box::new(ArchiveSource::open(path)?);
        }
        let host = match host {
            Some(host) => host,
            None => collect::identify(source.as_ref(), None)?,
        };
        Ok(Self { source, scope: Scope::everything(), asked, profile, host })
    }

    fn open_root(root: &Path, opening: &Opening<'_>) -> Result<Self, TargetError> {
        let real = std::fs::canonicalize(root).map_err(|source| TargetError::Io { path: shown(root), source })?;
        let is_live = real == Path::new("/");
        let kind = if is_live { SourceKind::Live } else { SourceKind::Root };
        let source = DirectorySource::open(&real, kind)?;
        opening.leave_out.iter().for_each(|inode| source.leave_out(*inode));
        let host = identify(&source, is_live)?;
        let profile = match opening.profile {
            Some(name) => Profile::builtin(name)?,
            None => Profile::fitting(&source)?,
        };
        let scope = profile.resolve(&source)?;
        Ok(Self {
            asked: scope.selection.clone(),
            scope,
            profile: Some(profile.name().to_owned()),
            host,
            source: Box::new(source),
        })
    }

    fn open_subtree(real: &Path, opening: &Opening<'_>) -> Result<Self, TargetError> {
        let root = std::fs::canonicalize(opening.root)
            .map_err(|source| TargetError::Io { path: shown(opening.root), source })?;
        let inside =
            real.strip_prefix(&root).map_err(|_| TargetError::Outside { path: shown(real), root: shown(&root) })?;
        let place = EvidencePath::new(inside.as_os_str().as_bytes())?;
        let source = DirectorySource::open(&root, SourceKind::Subtree)?.called(shown(real));
        opening.leave_out.iter().for_each(|inode| source.leave_out(*inode));
        let host = identify(&source, root == Path::new("/"))?;
        let scope = Scope::tree(&place);
        Ok(Self { asked: scope.selection.clone(), scope, profile: None, host, source: Box::new(source) })
    }

    /// Says whether it shows a whole host, so that the absence of a file means something.
    pub fn is_host(&self) -> bool {
        self.source.kind().is_host()
    }

    /// Gaps that were known before anything was read.
    pub fn gaps(&self) -> &[Gap] {
        &self.scope.gaps
    }
}

/// The identity of a host whose root is a folder of this machine; of the running one also by what the kernel knows.
///
/// # Errors
/// As [`collect::identify`].
pub fn identify(source: &dyn Source, is_live: bool) -> Result<HostIdentity, SourceError> {
    // A container may have no `/sys`; then the files alone have to do.
    let kernel = is_live.then(|| DirectorySource::open(Path::new("/sys"), SourceKind::Subtree).ok()).flatten();
    collect::identify(source, kernel.as_ref().map(|kernel| kernel as &dyn Source))
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}
