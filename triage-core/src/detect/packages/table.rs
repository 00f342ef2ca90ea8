//! What the package databases say each file should be, by place.

use super::observed::{Key, Observed, key};
use crate::detect::known_good::{Authority, Digests, Judgement, Standing};
use crate::model::{Digest, EvidencePath, Mode};
use crate::parse::dpkg::{Diversion, Md5Sum, StatOverride, Status};
use crate::parse::rpm::{Algorithm, Installed};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The content that a file should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Md5([u8; 16]),
    Sha256(Digest),
    /// The database names the file and not what is in it, or in a way that is not computed.
    Untold,
}

/// What a file is to its package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Whatever is no other.
    Part,
    /// Configuration, which people change.
    Configuration,
    /// It may be missing.
    Optional,
}

/// A file as a database has it.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) path: EvidencePath,
    pub(super) content: Content,
    /// Mode bits, where the database has them.
    pub(super) mode: Option<Mode>,
    pub(super) role: Role,
    package: u32,
}

/// A package of either manager.
#[derive(Clone, Debug)]
struct Owner {
    manager: &'static str,
    name: Vec<u8>,
    version: String,
}

/// What the databases gave, in any order, while the sweep goes on.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) statuses: Vec<Status>,
    /// Lists by the name of their file under `info`.
    pub(super) sums: Vec<(Vec<u8>, Vec<Md5Sum>)>,
    pub(super) diversions: Vec<Diversion>,
    pub(super) overrides: Vec<StatOverride>,
    /// Keys of all paths of all `.list` files.
    pub(super) listed: HashSet<Key>,
    pub(super) has_lists: bool,
    rpm_owners: Vec<Owner>,
    rpm_files: Vec<Expected>,
}

impl Gathered {
    /// Takes in a package of `rpm`. Folders, links and what was not installed are owned and not compared.
    pub(super) fn rpm(&mut self, installed: Installed) {
        let package = u32::try_from(self.rpm_owners.len()).unwrap_or(u32::MAX);
        let name = installed.package.name.as_bytes().to_vec();
        self.rpm_owners.push(Owner { manager: "rpm", name, version: installed.package.version.to_string() });
        self.has_lists = true;
        for file in installed.files {
            self.listed.insert(key(&file.path));
            if !file.is_file() || !file.is_installed || file.flags.is_ghost() {
                continue;
            }
            let content = match file.algorithm {
                Algorithm::Md5 => file.md5().map_or(Content::Untold, Content::Md5),
                Algorithm::Sha256 => file.sha256().map_or(Content::Untold, Content::Sha256),
                _ => Content::Untold,
            };
            let role = if file.flags.is_config() {
                Role::Configuration
            } else if file.flags.may_be_missing() || file.flags.is_doc() {
                Role::Optional
            } else {
                Role::Part
            };
            self.rpm_files.push(Expected { mode: Some(file.mode()), path: file.path, content, role, package });
        }
    }

    /// Puts everything in order.
    pub(super) fn finish(self) -> Table {
        let mut owners = self.rpm_owners;
        let mut files = self.rpm_files;
        let mut sums: HashMap<Vec<u8>, Vec<Md5Sum>> = self.sums.into_iter().collect();
        let modes: BTreeMap<EvidencePath, Mode> = self.overrides.into_iter().map(|o| (o.path, o.mode)).collect();
        // Where there are lists of digests and no list of packages (a part of a host), all of them count.
        let statuses = self.statuses;
        let has_status = !statuses.is_empty();
        for status in statuses.into_iter().filter(Status::is_installed) {
            let package = u32::try_from(owners.len()).unwrap_or(u32::MAX);
            let found: Vec<Md5Sum> = status.names().iter().filter_map(|name| sums.remove(name)).flatten().collect();
            let conffiles: HashSet<&EvidencePath> = status.conffiles.iter().map(|conffile| &conffile.path).collect();
            let of_package = found.into_iter().filter(|sum| !conffiles.contains(&sum.path));
            files.extend(of_package.map(|sum| part(sum, package, &modes)));
            for conffile in status.conffiles.iter().filter(|conffile| !conffile.is_obsolete) {
                files.push(Expected {
                    path: conffile.path.clone(),
                    content: conffile.md5.map_or(Content::Untold, Content::Md5),
                    mode: modes.get(&conffile.path).copied(),
                    role: Role::Configuration,
                    package,
                });
            }
            let name = status.package.name.as_bytes().to_vec();
            owners.push(Owner { manager: "dpkg", name, version: status.package.version.to_string() });
        }
        if !has_status {
            for (name, found) in sums {
                let package = u32::try_from(owners.len()).unwrap_or(u32::MAX);
                let name = name.split(|&b| b == b':').next().unwrap_or_default().to_vec();
                owners.push(Owner { manager: "dpkg", name, version: "of an unknown version".to_owned() });
                files.extend(found.into_iter().map(|sum| part(sum, package, &modes)));
            }
        }
        let mut listed = self.listed;
        divert(&mut files, &owners, &self.diversions, &mut listed);
        // Nothing may show in which order the databases were met.
        let owner = |file: &Expected| {
            let owner = usize::try_from(file.package).ok().and_then(|at| owners.get(at));
            owner.map(|owner| (owner.manager, &owner.name, &owner.version))
        };
        files.sort_by(|a, b| a.path.cmp(&b.path).then_with(|| owner(a).cmp(&owner(b))));
        let mut places: Vec<(Key, u32)> =
            files.iter().zip(0..).map(|(file, at)| (key(&merged(&file.path)), at)).collect();
        places.sort_unstable();
        Table { owners, files, places, listed, has_lists: self.has_lists }
    }
}

fn part(sum: Md5Sum, package: u32, modes: &BTreeMap<EvidencePath, Mode>) -> Expected {
    let mode = modes.get(&sum.path).or_else(|| modes.get(&merged(&sum.path))).copied();
    // Images of containers leave these out (`path-exclude`), and nothing depends on them.
    let is_optional = [&b"/usr/share/doc/"[..], b"/usr/share/man/", b"/usr/share/info/", b"/usr/share/locale/"]
        .iter()
        .any(|folder| sum.path.as_bytes().starts_with(folder));
    let role = if is_optional { Role::Optional } else { Role::Part };
    Expected { path: sum.path, content: Content::Md5(sum.md5), mode, role, package }
}

/// Moves the files that another package, or the administrator, has sent elsewhere.
fn divert(files: &mut [Expected], owners: &[Owner], diversions: &[Diversion], listed: &mut HashSet<Key>) {
    let mut by_place = HashMap::new();
    for diversion in diversions {
        let (Ok(from), Ok(to)) =
            (EvidencePath::new(diversion.from.as_bytes()), EvidencePath::new(diversion.to.as_bytes()))
        else {
            continue;
        };
        listed.insert(key(&to));
        listed.insert(key(&merged(&to)));
        by_place.insert(merged(&from), (to, diversion.by.as_bytes()));
    }
    if by_place.is_empty() {
        return;
    }
    for file in files {
        let Some((to, by)) = by_place.get(&merged(&file.path)) else { continue };
        let owner = usize::try_from(file.package).ok().and_then(|at| owners.get(at));
        if owner.is_some_and(|owner| owner.manager == "dpkg" && owner.name != *by) {
            file.path = to.clone();
        }
    }
}

/// The place with `/usr` before it where the folders of programs are links to those in `/usr`: packages still name the old ones.
pub(super) fn merged(path: &EvidencePath) -> EvidencePath {
    const MERGED: [&[u8]; 7] = [b"bin", b"sbin", b"lib", b"lib32", b"lib64", b"libx32", b"libo32"];
    if !path.components().next().is_some_and(|first| MERGED.contains(&first)) {
        return path.clone();
    }
    EvidencePath::new([b"/usr", path.as_bytes()].concat()).unwrap_or_else(|_| path.clone())
}

/// What every file should be.
pub(super) struct Table {
    owners: Vec<Owner>,
    files: Vec<Expected>,
    /// Files by the key of their place, in order.
    places: Vec<(Key, u32)>,
    listed: HashSet<Key>,
    has_lists: bool,
}

impl Table {
    /// Says whether no database was seen.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Says whether it knows all paths of all packages, so that what it does not know belongs to none.
    pub(super) fn knows_all_paths(&self) -> bool {
        self.has_lists && !self.files.is_empty()
    }

    /// Says whether a package owns the path, by whatever name of its folder.
    pub(super) fn owns(&self, path: &EvidencePath) -> bool {
        self.listed.contains(&key(path))
            || path.as_bytes().strip_prefix(b"/usr").is_some_and(|old| {
                EvidencePath::new(old).is_ok_and(|old| merged(&old) == *path && self.listed.contains(&key(&old)))
            })
            || self.listed.contains(&key(&merged(path)))
            || !self.at(path).is_empty()
    }

    /// Everything that the databases say of a place: more than one where a package has taken another's file over.
    fn at(&self, path: &EvidencePath) -> &[(Key, u32)] {
        let wanted = key(&merged(path));
        let start = self.places.partition_point(|(key, _)| *key < wanted);
        let rest = self.places.get(start..).unwrap_or_default();
        rest.get(..rest.partition_point(|(key, _)| *key == wanted)).unwrap_or_default()
    }

    fn file(&self, at: u32) -> Option<&Expected> {
        self.files.get(usize::try_from(at).ok()?)
    }

    /// The files of each place together.
    pub(super) fn by_place(&self) -> impl Iterator<Item = Vec<&Expected>> {
        self.places.chunk_by(|a, b| a.0 == b.0).map(|group| group.iter().filter_map(|&(_, at)| self.file(at)).collect())
    }

    /// `bash 5.2.15-2+b2 (dpkg)`.
    pub(super) fn owner(&self, file: &Expected) -> String {
        match usize::try_from(file.package).ok().and_then(|at| self.owners.get(at)) {
            Some(owner) => {
                format!("{} {} ({})", crate::model::escape(&owner.name), owner.version, owner.manager)
            }
            None => "a package".to_owned(),
        }
    }
}

impl Expected {
    /// Compares; none where the two sides have no digest in common.
    pub(super) fn is_met_by(&self, digests: &Digests) -> Option<bool> {
        match self.content {
            Content::Md5(expected) => digests.md5.map(|actual| actual == expected),
            Content::Sha256(expected) => digests.sha256.map(|actual| actual == expected),
            Content::Untold => None,
        }
    }
}

/// The package databases as an authority.
pub(super) struct PackageAuthority<'a> {
    pub(super) table: &'a Table,
    pub(super) observed: &'a Observed,
}

impl Authority for PackageAuthority<'_> {
    fn judge(&self, path: &EvidencePath, digests: &Digests) -> Judgement {
        let digests = self.observed.complete(path, digests);
        let mut best = Judgement::new("package databases", Standing::Unowned);
        if self.table.owns(path) {
            best.standing = Standing::Unknown;
        }
        for file in self.table.at(path).iter().filter_map(|&(_, at)| self.table.file(at)) {
            let standing = match file.is_met_by(&digests) {
                Some(true) => Standing::VendorPristine,
                Some(false) => Standing::VendorModified,
                None => Standing::Unknown,
            };
            if standing >= best.standing {
                best = Judgement::new(self.table.owner(file), standing);
            }
        }
        best
    }
}
