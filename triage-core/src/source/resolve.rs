//! Where a path leads inside the evidence, symbolic links followed as the host itself would follow them.
//!
//! An absolute target begins at the evidence's root and `..` ends there, as after `chroot(2)`: no link leads to a file of the machine
//! that looks. Only this module follows links, and only by asking a [`Source`] for one component after the other.

use super::{Source, SourceError};
use crate::model::{EvidencePath, FileKind, FileMeta, RawText};
use std::collections::VecDeque;
use thiserror::Error;

/// Most links on the way to one file: Linux's own limit (`path_resolution(7)`).
pub const MAX_LINKS: usize = 40;
/// Most components of a path with all that its links add.
const MAX_COMPONENTS: usize = 4096;

/// Where a path ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The real path: no component of it is a link.
    pub path: EvidencePath,
    /// What is there; never a link.
    pub meta: FileMeta,
    /// The links on the way, in their order.
    pub links: Vec<EvidencePath>,
}

/// Why a path leads nowhere.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unresolved {
    /// There is nothing, or a component is no folder.
    #[error("there is no `{0}`")]
    Missing(EvidencePath),
    /// Links lead to links without an end.
    #[error("more than {MAX_LINKS} symbolic links lead on from `{0}`")]
    Loop(EvidencePath),
    /// It leads into what is no file of the host but a view of the running kernel.
    #[error("`{0}` is in a file system of the kernel")]
    Kernel(EvidencePath),
    /// A link's target cannot be a path.
    #[error("the link `{0}` has a target that is no path")]
    NoPath(EvidencePath),
    /// A component could not be looked at.
    #[error("`{path}` cannot be looked at: {detail}")]
    Unreadable {
        /// The component.
        path: EvidencePath,
        /// What the source said.
        detail: String,
    },
}

/// Follows a path to its end.
///
/// # Errors
/// [`Unresolved`] says where and why it ends before.
pub fn resolve(source: &dyn Source, path: &EvidencePath) -> Result<Resolved, Unresolved> {
    let mut waiting: VecDeque<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
    let mut at = EvidencePath::root();
    let mut links = Vec::new();
    let mut meta = look(source, &at)?;
    let mut steps = 0;
    while let Some(name) = waiting.pop_front() {
        steps += 1;
        if steps > MAX_COMPONENTS {
            return Err(Unresolved::Loop(path.clone()));
        }
        match name.as_slice() {
            b"" | b"." => continue,
            b".." => {
                at = at.parent().unwrap_or_else(EvidencePath::root);
                meta = look(source, &at)?;
                continue;
            }
            _ => {}
        }
        if meta.kind != FileKind::Directory {
            return Err(Unresolved::Missing(at.join(&name)));
        }
        let next = at.join(&name);
        // `/proc/self/root` and `/proc/self/fd/3` are links of the kernel's that lead anywhere, whatever they say.
        if at.is_root() && matches!(name.as_slice(), b"proc" | b"sys") && !waiting.is_empty() {
            return Err(Unresolved::Kernel(next));
        }
        let found = look(source, &next)?;
        if found.kind != FileKind::Symlink {
            (at, meta) = (next, found);
            continue;
        }
        links.push(next.clone());
        if links.len() > MAX_LINKS {
            return Err(Unresolved::Loop(path.clone()));
        }
        let target = found.link_target.as_ref().map(RawText::as_bytes).unwrap_or_default();
        if target.is_empty() || target.contains(&0) {
            return Err(Unresolved::NoPath(next));
        }
        if target.starts_with(b"/") {
            at = EvidencePath::root();
            meta = look(source, &at)?;
        }
        for part in target.split(|&byte| byte == b'/').rev().filter(|part| !part.is_empty()) {
            waiting.push_front(part.to_vec());
        }
    }
    Ok(Resolved { path: at, meta, links })
}

fn look(source: &dyn Source, path: &EvidencePath) -> Result<FileMeta, Unresolved> {
    match source.metadata(path) {
        Ok(Some(meta)) => Ok(meta),
        // Not every source has an entry for its root.
        Ok(None) if path.is_root() => Ok(FileMeta::bare(FileKind::Directory, crate::model::Mode::new(0o755), 0)),
        Ok(None) => Err(Unresolved::Missing(path.clone())),
        Err(error) => Err(Unresolved::Unreadable { path: path.clone(), detail: error.to_string() }),
    }
}

/// The content of one small file that may be a link, cut at `limit` bytes; `None` where it leads to no regular file.
///
/// # Errors
/// As [`Source::read`].
pub fn read_resolved(source: &dyn Source, path: &EvidencePath, limit: u64) -> Result<Option<Vec<u8>>, SourceError> {
    if let Some(bytes) = source.read(path, limit)? {
        return Ok(Some(bytes));
    }
    match resolve(source, path) {
        Ok(resolved) if resolved.path != *path => source.read(&resolved.path, limit),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Mode;
    use crate::source::fake::FakeRoot;
    use crate::source::{DirectorySource, SourceKind};

    fn at(path: &str) -> EvidencePath {
        EvidencePath::new(path).unwrap()
    }

    fn root() -> FakeRoot {
        ["/etc", "/opt", "/opt/site", "/var", "/var/www"]
            .into_iter()
            .fold(FakeRoot::new(), |root, folder| {
                root.object(folder, FileMeta::bare(FileKind::Directory, Mode::new(0o755), 0), b"")
            })
            .file("/etc/passwd", b"root of the evidence")
            .file("/opt/site/index.php", b"<?php exit;")
    }

    fn link(root: FakeRoot, path: &str, target: &str) -> FakeRoot {
        let mut meta = FileMeta::bare(FileKind::Symlink, Mode::new(0o777), 0);
        meta.link_target = Some(RawText::from(target.as_bytes().to_vec()));
        root.object(path, meta, b"")
    }

    #[test]
    fn absolute_links_and_parents_end_at_the_root_of_the_evidence() {
        let cases = [
            ("/etc/passwd", Ok("/etc/passwd")),
            ("../../../../etc/passwd", Ok("/etc/passwd")),
            ("../../opt/site/../site/./index.php", Ok("/opt/site/index.php")),
            ("/", Ok("/")),
            ("/etc/shadow", Err("there is no `/etc/shadow`")),
            ("/etc/passwd/x", Err("there is no `/etc/passwd/x`")),
            ("/proc/self/root/etc/passwd", Err("`/proc` is in a file system of the kernel")),
            ("l", Err("more than 40 symbolic links lead on from `/var/www/l`")),
            ("", Err("the link `/var/www/l` has a target that is no path")),
        ];
        for (target, expected) in cases {
            let root = link(root(), "/var/www/l", target);
            let found = resolve(&root, &at("/var/www/l"));
            let found = found.map(|found| found.path.to_string()).map_err(|error| error.to_string());
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{target}");
        }
    }

    #[test]
    fn a_chain_of_links_is_followed_and_a_longer_one_is_not() {
        for (length, is_followed) in [(40, true), (41, false)] {
            let mut chain = root();
            for at in 1..length {
                chain = link(chain, &format!("/var/{at}"), &(at + 1).to_string());
            }
            chain = link(chain, &format!("/var/{length}"), "/etc/passwd");
            let found = resolve(&chain, &at("/var/1"));
            assert_eq!(found.is_ok(), is_followed, "{length}: {found:?}");
            if let Ok(found) = found {
                assert_eq!(found.links.len(), length);
            }
        }
    }

    #[test]
    fn links_on_the_way_are_followed_too() {
        let root = link(link(root(), "/srv", "/var/www"), "/var/www/html", "/opt/site");
        let found = resolve(&root, &at("/srv/html/index.php")).unwrap();
        assert_eq!(found.path, at("/opt/site/index.php"));
        assert_eq!(found.links, [at("/srv"), at("/var/www/html")]);
        assert_eq!(read_resolved(&root, &at("/srv/html/index.php"), 5).unwrap().unwrap(), b"<?php");
        assert_eq!(read_resolved(&root, &at("/srv/none"), 5).unwrap(), None);
    }

    #[test]
    fn a_link_in_a_folder_never_gives_a_file_of_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        std::fs::write(folder.path().join("etc/passwd"), "evidence").unwrap();
        for (name, target) in [
            ("a", "/etc/passwd"),
            ("b", "../../../../../../../../etc/passwd"),
            ("c", "/proc/self/root/etc/passwd"),
            ("d", "/etc/hostname"),
        ] {
            std::os::unix::fs::symlink(target, folder.path().join(name)).unwrap();
        }
        let source = DirectorySource::open(folder.path(), SourceKind::Root).unwrap();
        let read = |name: &str| read_resolved(&source, &at(name), 100).unwrap();
        assert_eq!(read("a").unwrap(), b"evidence");
        assert_eq!(read("b").unwrap(), b"evidence");
        assert_eq!(read("c"), None);
        assert_eq!(read("d"), None);
    }
}
