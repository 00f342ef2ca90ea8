//! What a path is, and how it is read.

use crate::acquire::{self, DatabaseOptions, DumpSource, LiveSource, WithDatabase};
use crate::bundle::{self, BundleSource};
use crate::collect::{self, Catalogue, Coverage, ProfileError, Scope};
use crate::model::{Digest, EvidenceFile, EvidencePath, Gap, HostIdentity, PathError, escape};
use crate::source::{
    ArchiveSource, ContainerImage, DirectorySource, DiskImage, FollowingSource, Identities, Inode, Pattern, Selection,
    Source, SourceError, SourceKind, is_container_image, is_disk_image, sha256_of,
};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
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
    /// The file that it is read from, with its digest; none for a folder.
    pub evidence: Option<EvidenceFile>,
    /// What a person should know of it: what it was found to be, and what its format does not keep.
    pub notes: Vec<String>,
    /// What its collection covered, where it is a bundle that tells.
    pub coverage: Option<Coverage>,
}

/// Where packages put programs, libraries and their configuration (`hier(7)`), and the databases that say what they should be.
const PACKAGES: [&str; 17] = [
    "/bin/**",
    "/sbin/**",
    "/lib/**",
    "/lib32/**",
    "/lib64/**",
    "/libx32/**",
    "/usr/**",
    "/opt/**",
    "/etc/**",
    "/boot/**",
    "/var/lib/dpkg/status",
    "/var/lib/dpkg/diversions",
    "/var/lib/dpkg/statoverride",
    "/var/lib/dpkg/info/*.md5sums",
    "/var/lib/dpkg/info/*.list",
    "/var/lib/rpm/**",
    "/usr/share/rpm/**",
];

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
    /// What opens it, where it is encrypted.
    pub identities: Option<&'a Identities>,
    /// How the volatile state of a live host is read; none to leave it alone. Targets that are not live have none.
    pub volatile: Option<&'a acquire::Options>,
    /// The partition of a disk image that is the root; none for the one that looks like it.
    pub partition: Option<u32>,
    /// How the files of a database server in the evidence are read, by a server of this machine on a copy; none to leave them alone. A live
    /// host is asked as `volatile` says.
    pub database: Option<&'a DatabaseOptions>,
    /// What the SHA-256 of the file has to be.
    pub expected: Option<Digest>,
    /// Goes into other machines' file systems too, where they are mounted.
    pub network_mounts: bool,
}

impl<'a> Opening<'a> {
    /// A host's root or what `path` is, read as it is found.
    pub fn new(path: Option<&'a Path>, root: &'a Path) -> Self {
        Self {
            path,
            root,
            profile: None,
            leave_out: &[],
            identities: None,
            volatile: None,
            partition: None,
            database: None,
            expected: None,
            network_mounts: false,
        }
    }
}

/// What is chosen of a host: profiles and artifacts of a catalogue; of none the profile that fits.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The definitions.
    pub catalogue: &'a Catalogue,
    /// Names of profiles.
    pub profiles: &'a [String],
    /// Names of artifacts.
    pub artifacts: &'a [String],
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
    /// It is not the file that was asked for.
    #[error("`{path}` has the SHA-256 {actual} and should have {expected}")]
    OtherFile {
        /// The file, escaped.
        path: String,
        /// What its digest should be.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// A digest was given for what is no file.
    #[error("`{path}` is a folder, which has no digest of its own")]
    NoFile {
        /// The folder, escaped.
        path: String,
    },
}

impl Target {
    /// Finds out what the path is and opens it.
    ///
    /// A folder with `bagit.txt` is a bundle, one that has `etc/` is a host's root (also where another collector put it, up to three
    /// folders down), any other is a part of the host whose root is named; a file is a bundle of ours, a disk image, a container image,
    /// a dump of a database, or
    /// somebody else's archive, or a dump of a database.
    ///
    /// # Errors
    /// [`TargetError`], which says what is wrong with which path.
    pub fn open(opening: &Opening<'_>) -> Result<Self, TargetError> {
        let catalogue = Catalogue::builtin().map_err(ProfileError::from)?;
        let names = opening.profile.iter().flat_map(|names| names.split(','));
        let profiles: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
        Self::open_with(opening, Choice { catalogue: &catalogue, profiles: &profiles, artifacts: &[] })
    }

    /// The same with definitions of the caller's.
    ///
    /// # Errors
    /// As [`Target::open`].
    pub fn open_with(opening: &Opening<'_>, choice: Choice<'_>) -> Result<Self, TargetError> {
        let mut target = Self::open_files(opening, choice)?;
        if let Some(options) = opening.database.filter(|_| target.source.kind() != SourceKind::Live) {
            target.source = Box::new(WithDatabase::new(target.source, options.clone()));
        }
        Ok(target)
    }

    fn open_files(opening: &Opening<'_>, choice: Choice<'_>) -> Result<Self, TargetError> {
        let path = match opening.path {
            Some(path) => path,
            // An image can stand for the root of a host.
            None if opening.root.is_dir() => return Self::open_root(opening.root, opening, choice),
            None => opening.root,
        };
        let fail = |source| TargetError::Io { path: shown(path), source };
        let found = std::fs::metadata(path).map_err(fail)?;
        if !found.is_dir() {
            return Self::open_file(path, opening, choice);
        }
        if path.join("bagit.txt").exists() {
            return Self::open_bundle(path, opening);
        }
        let real = std::fs::canonicalize(path).map_err(fail)?;
        if let Some(root) = root_in(&real) {
            let mut target = Self::open_root(&root, opening, choice)?;
            if root != real {
                target.notes.push(format!("the host's root was found in `{}`", shown(&root)));
            }
            return Ok(target);
        }
        Self::open_subtree(&real, opening)
    }

    fn open_bundle(path: &Path, opening: &Opening<'_>) -> Result<Self, TargetError> {
        let bundle = BundleSource::open_with(path, &opening.identities.cloned().unwrap_or_default())?;
        let evidence = if path.is_dir() {
            no_digest(path, opening)?;
            None
        } else {
            let digest = sha256_of(path).map_err(|source| TargetError::Io { path: shown(path), source })?;
            Some(evidence(path, digest, opening)?)
        };
        // A pattern that this version cannot read asks for nothing, so that nothing is called missing for it.
        let patterns = bundle.manifest().selection.iter().filter_map(|text| Pattern::new(text).ok());
        Ok(Self {
            asked: Selection::new(patterns.collect(), Vec::new()),
            scope: Scope::everything(),
            profile: Some(bundle.manifest().profile.clone()),
            host: bundle.host().clone(),
            notes: bundle.notes(),
            // It is for people: one that cannot be read is `verify`'s business.
            coverage: bundle.statement(Coverage::PATH).and_then(|bytes| Coverage::read(&bytes).ok()),
            source: Box::new(bundle),
            evidence,
        })
    }

    fn open_file(path: &Path, opening: &Opening<'_>, choice: Choice<'_>) -> Result<Self, TargetError> {
        let fail = |source| TargetError::Io { path: shown(path), source };
        if is_disk_image(path)? {
            let image = DiskImage::open(path, opening.partition)?;
            let evidence = evidence(path, image.sha256().map_err(fail)?, opening)?;
            return Self::of_host(FollowingSource::new(image), None, Some(evidence), opening, choice);
        }
        let identities = opening.identities.cloned().unwrap_or_default();
        if bundle::is_bundle_with(path, &identities) {
            return Self::open_bundle(path, opening);
        }
        if let Some(dump) = DumpSource::at(path, shown(path))? {
            return Self::open_dump(path, dump, opening);
        }
        let archive = ArchiveSource::open_with(path, &identities)?;
        if ["/container.description", "/information.turtle"].iter().all(|mark| {
            EvidencePath::new(mark)
                .is_ok_and(|mark| matches!(archive.metadata(&mark), Ok(Some(found)) if found.is_file()))
        }) {
            let detail = "an AFF4 image, of which only a raw export can be read".to_owned();
            return Err(SourceError::Unsupported { what: shown(path), detail }.into());
        }
        let evidence = match archive.sha256().map_err(fail)? {
            Some(digest) => Some(evidence(path, digest, opening)?),
            None => None,
        };
        let source: Box<dyn Source> =
            if is_container_image(&archive) { Box::new(ContainerImage::open(&archive)?) } else { Box::new(archive) };
        let host = collect::identify(source.as_ref(), None)?;
        let scope = Scope::everything();
        let notes = source.notes();
        Ok(Self { source, scope, asked: Selection::everything(), profile: None, host, evidence, notes, coverage: None })
    }

    /// A dump of a database: one file, and the rows in it.
    fn open_dump(path: &Path, dump: DumpSource, opening: &Opening<'_>) -> Result<Self, TargetError> {
        let digest = sha256_of(path).map_err(|source| TargetError::Io { path: shown(path), source })?;
        let evidence = evidence(path, digest, opening)?;
        Ok(Self {
            scope: Scope::everything(),
            asked: Selection::everything(),
            profile: None,
            host: collect::identify(&dump, None)?,
            notes: dump.notes(),
            coverage: None,
            source: Box::new(dump),
            evidence: Some(evidence),
        })
    }

    fn open_root(root: &Path, opening: &Opening<'_>, choice: Choice<'_>) -> Result<Self, TargetError> {
        no_digest(root, opening)?;
        let real = std::fs::canonicalize(root).map_err(|source| TargetError::Io { path: shown(root), source })?;
        let is_live = real == Path::new("/");
        let kind = if is_live { SourceKind::Live } else { SourceKind::Root };
        let source = DirectorySource::open(&real, kind)?.with_network_mounts(opening.network_mounts);
        opening.leave_out.iter().for_each(|inode| source.leave_out(*inode));
        let host = identify(&source, is_live)?;
        Self::of_host(FollowingSource::new(source), Some(host), None, opening, choice)
    }

    /// A host's root, of which a profile says what is read.
    fn of_host(
        source: impl Source + 'static,
        host: Option<HostIdentity>,
        evidence: Option<EvidenceFile>,
        opening: &Opening<'_>,
        choice: Choice<'_>,
    ) -> Result<Self, TargetError> {
        let host = match host {
            Some(host) => host,
            None => collect::identify(&source, None)?,
        };
        let profile = if choice.profiles.is_empty() && choice.artifacts.is_empty() {
            choice.catalogue.fitting(&source)?
        } else {
            choice.catalogue.select(choice.profiles, choice.artifacts)?
        };
        let scope = profile.resolve(&source)?;
        Ok(Self {
            asked: scope.selection.clone(),
            scope,
            profile: Some(profile.name().to_owned()),
            host,
            notes: source.notes(),
            coverage: None,
            source: match opening.volatile.filter(|_| source.kind() == SourceKind::Live) {
                Some(options) => Box::new(LiveSource::new(source, options.clone())),
                None => Box::new(source),
            },
            evidence,
        })
    }

    fn open_subtree(real: &Path, opening: &Opening<'_>) -> Result<Self, TargetError> {
        let root = std::fs::canonicalize(opening.root)
            .map_err(|source| TargetError::Io { path: shown(opening.root), source })?;
        let inside =
            real.strip_prefix(&root).map_err(|_| TargetError::Outside { path: shown(real), root: shown(&root) })?;
        let place = EvidencePath::new(inside.as_os_str().as_bytes())?;
        no_digest(real, opening)?;
        let source = DirectorySource::open(&root, SourceKind::Subtree)?
            .called(shown(real))
            .with_network_mounts(opening.network_mounts);
        opening.leave_out.iter().for_each(|inode| source.leave_out(*inode));
        let host = identify(&source, root == Path::new("/"))?;
        let scope = Scope::tree(&place);
        Ok(Self {
            asked: scope.selection.clone(),
            scope,
            profile: None,
            host,
            source: Box::new(source),
            evidence: None,
            notes: Vec::new(),
            coverage: None,
        })
    }

    /// Looks at the folders of programs and at the package databases too, so that every packaged file can be held against its package.
    ///
    /// Where everything is looked at already, or the evidence was taken elsewhere, there is nothing to add.
    pub fn add_packages(&mut self) {
        if !matches!(self.source.kind(), SourceKind::Live | SourceKind::Root) {
            return;
        }
        let more = |selection: &Selection| {
            let programs = PACKAGES.iter().filter_map(|text| Pattern::new(text).ok());
            let included = selection.included().iter().cloned().chain(programs).collect();
            Selection::new(included, selection.excluded().to_vec())
        };
        self.scope.selection = more(&self.scope.selection);
        self.asked = more(&self.asked);
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

/// The folder that is a host's root: this one, or the one beneath it that an unpacked collection has it in. Other folders are not
/// looked through: a part of a host may have a root in it (a jail, a container) and is more than that.
fn root_in(folder: &Path) -> Option<PathBuf> {
    let mut at = folder.to_owned();
    for _ in 0..=3 {
        if at.join("etc").is_dir() {
            return Some(at);
        }
        let has = |name: &str| at.join(name).exists();
        if at.join("[root]").is_dir() && ["uac.log", "bodyfile", "live_response"].iter().any(|mark| has(mark)) {
            return Some(at.join("[root]"));
        }
        if let Some(root) = ["fs/$rootfs$", "$rootfs$"].iter().map(|name| at.join(name)).find(|root| root.is_dir()) {
            return Some(root);
        }
        let mut entries = std::fs::read_dir(&at).ok()?;
        let only = entries.next()?.ok()?;
        if entries.next().is_some() || !only.file_type().ok()?.is_dir() {
            return None;
        }
        at = only.path();
    }
    None
}

/// Holds a file against the digest that it should have.
fn evidence(path: &Path, sha256: Digest, opening: &Opening<'_>) -> Result<EvidenceFile, TargetError> {
    if let Some(expected) = opening.expected.filter(|expected| *expected != sha256) {
        return Err(TargetError::OtherFile { path: shown(path), expected, actual: sha256 });
    }
    let name = path.file_name().map_or_else(|| shown(path), |name| escape(name.as_bytes()));
    let size = std::fs::metadata(path).map_or(0, |found| found.len());
    Ok(EvidenceFile { name, size, sha256 })
}

fn no_digest(path: &Path, opening: &Opening<'_>) -> Result<(), TargetError> {
    match opening.expected {
        Some(_) => Err(TargetError::NoFile { path: shown(path) }),
        None => Ok(()),
    }
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}
