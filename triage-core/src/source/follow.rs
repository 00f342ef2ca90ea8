//! A root whose links are followed inside of it: what a selected link leads to is evidence too, under its own path.
//!
//! A web root that is a link (`/var/www/html` → `/opt/site`) would otherwise be seen as one link and nothing else. The link is
//! given as a link, as always; then what it leads to is given under its real path, if it was not selected itself. Links lead nowhere
//! outside of the evidence, and folders that hold half of a host are not taken along because a link points to them.

use super::resolve::{Unresolved, resolve};
use super::{Inode, Item, Kept, Observation, Opened, Pattern, Reach, Selection, Source, SourceError, SourceKind};
use crate::model::{EvidencePath, FileKind, FileMeta, Gap, GapReason};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Most targets outside of the selection that are followed; more are a gap.
const MAX_TARGETS: usize = 20_000;
/// How often what was found by links is looked through for more links.
const MAX_ROUNDS: usize = 8;
/// Links in here are the distribution's own, by the hundred, and lead to programs and certificates that packages bring.
const DISTRIBUTION: [&str; 4] = ["/etc/alternatives", "/etc/ssl/certs", "/etc/pki", "/usr/share"];
/// The system's own folders: who names one of them as a place of something names the host.
const SYSTEM: [&str; 18] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/share",
    "/var",
];
/// Folders beside these that are too much to be taken along for a link.
const TOO_MUCH: [&str; 3] = ["/media", "/mnt", "/srv"];

/// Says whether a path is a folder of the system that holds far more than any one thing: `/`, `/etc`, `/var`.
pub(crate) fn is_system_folder(path: &EvidencePath) -> bool {
    is_one_of(path, &SYSTEM)
}

/// A source whose walk also gives what selected links lead to.
pub struct FollowingSource<S> {
    inner: S,
}

impl<S: Source> FollowingSource<S> {
    /// Follows the links of this source.
    pub fn new(inner: S) -> Self {
        Self { inner }
    }

    /// What a round of links adds to what is selected.
    fn targets(
        &self,
        links: BTreeSet<EvidencePath>,
        selection: &Selection,
        done: &mut BTreeSet<EvidencePath>,
        gaps: &mut Vec<Gap>,
    ) -> Vec<Pattern> {
        let mut found = Vec::new();
        for link in links {
            let resolved = match resolve(&self.inner, &link) {
                Ok(resolved) => resolved,
                Err(error @ Unresolved::Loop(_)) => {
                    gaps.push(Gap::new(link, GapReason::Unreadable, error.to_string()));
                    continue;
                }
                // A link to nothing is what it is; one that could not be followed is told.
                Err(Unresolved::Unreadable { path, detail }) => {
                    gaps.push(Gap::new(link, GapReason::Unreadable, format!("leads to `{path}`: {detail}")));
                    continue;
                }
                Err(_) => continue,
            };
            let target = resolved.path;
            let is_folder = resolved.meta.kind == FileKind::Directory;
            if selection.selects(&target) || is_within(&target, done) {
                continue;
            }
            if is_folder && (is_system_folder(&target) || is_one_of(&target, &TOO_MUCH)) {
                let detail = format!("leads to `{target}`, which is more than was asked for and was not followed");
                gaps.push(Gap::new(link, GapReason::Omitted, detail));
                continue;
            }
            if !is_folder && resolved.meta.kind != FileKind::File {
                continue;
            }
            if done.len() >= MAX_TARGETS {
                let detail = format!("more than {MAX_TARGETS} links lead out of what was asked for");
                gaps.push(Gap::new(link, GapReason::LimitReached, detail));
                break;
            }
            found.push(if is_folder { Pattern::tree(&target) } else { Pattern::exact(&target) });
            done.insert(target);
        }
        found
    }
}

/// Says whether it, or a folder that it is in, is one of these.
fn is_within(path: &EvidencePath, places: &BTreeSet<EvidencePath>) -> bool {
    std::iter::successors(Some(path.clone()), EvidencePath::parent).any(|place| places.contains(&place))
}

fn is_one_of(path: &EvidencePath, places: &[&str]) -> bool {
    places.iter().any(|place| path.as_bytes() == place.as_bytes())
}

/// Says whether what it leads to is worth knowing.
fn is_followed(link: &EvidencePath, meta: &FileMeta) -> bool {
    let is_in = |places: &[&str]| {
        places.iter().any(|place| EvidencePath::new(place).is_ok_and(|place| link.starts_with(&place)))
    };
    meta.kind == FileKind::Symlink && !is_in(&DISTRIBUTION) && !is_in(&["/proc", "/sys", "/dev", "/run"])
}

impl<S: Source> Source for FollowingSource<S> {
    fn kind(&self) -> SourceKind {
        self.inner.kind()
    }

    fn label(&self) -> String {
        self.inner.label()
    }

    fn notes(&self) -> Vec<String> {
        self.inner.notes()
    }

    fn kept(&self) -> Kept {
        self.inner.kept()
    }

    fn may_hang(&self, meta: &FileMeta) -> bool {
        self.inner.may_hang(meta)
    }

    fn reach(&self) -> Reach {
        self.inner.reach()
    }

    fn leave_out(&self, inode: Inode) {
        self.inner.leave_out(inode);
    }

    fn walk(&self, selection: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
        let mut done = BTreeSet::new();
        let mut wanted = selection.clone();
        let mut earlier: Vec<Selection> = Vec::new();
        for _ in 0..=MAX_ROUNDS {
            let mut links = BTreeSet::new();
            let mut flow = ControlFlow::Continue(());
            self.inner.walk(&wanted, &mut |item| {
                if let Item::Entry(entry) = &item {
                    if earlier.iter().any(|earlier| earlier.selects(&entry.path)) {
                        return ControlFlow::Continue(());
                    }
                    if is_followed(&entry.path, &entry.meta) {
                        links.insert(entry.path.clone());
                    }
                }
                flow = sink(item);
                flow
            })?;
            if flow.is_break() {
                return Ok(());
            }
            let mut gaps = Vec::new();
            let found = self.targets(links, selection, &mut done, &mut gaps);
            for gap in gaps {
                if sink(Item::Gap(gap)).is_break() {
                    return Ok(());
                }
            }
            if found.is_empty() {
                break;
            }
            let next = Selection::new(found, selection.excluded().to_vec());
            earlier.push(std::mem::replace(&mut wanted, next));
        }
        Ok(())
    }

    fn records(&self, sink: &mut dyn FnMut(Observation) -> ControlFlow<()>) -> Result<(), SourceError> {
        self.inner.records(sink)
    }

    fn metadata(&self, path: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
        self.inner.metadata(path)
    }

    fn open(&self, path: &EvidencePath) -> Result<Option<Opened>, SourceError> {
        self.inner.open(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::DirectorySource;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn seen(root: &std::path::Path, patterns: &[&str]) -> Vec<String> {
        let source = FollowingSource::new(DirectorySource::open(root, SourceKind::Root).unwrap());
        let patterns = patterns.iter().map(|text| Pattern::new(text).unwrap()).collect();
        let mut seen = Vec::new();
        source
            .walk(&Selection::new(patterns, Vec::new()), &mut |item| {
                match item {
                    Item::Entry(entry) if entry.meta.kind != FileKind::Directory => seen.push(entry.path.to_string()),
                    Item::Entry(_) => {}
                    Item::Gap(gap) => seen.push(format!("gap {gap}")),
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        seen
    }

    #[test]
    fn a_web_root_that_is_a_link_is_read_under_its_real_path_and_once() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("var/www")).unwrap();
        fs::create_dir_all(at("opt/site/deep")).unwrap();
        fs::create_dir_all(at("opt/more")).unwrap();
        fs::write(at("opt/site/deep/x.php"), "x").unwrap();
        fs::write(at("opt/more/y.php"), "y").unwrap();
        symlink("/opt/site", at("var/www/html")).unwrap();
        symlink("../../opt/site/deep", at("var/www/again")).unwrap();
        symlink("/opt/more", at("opt/site/next")).unwrap();
        symlink("/", at("var/www/all")).unwrap();
        symlink("/etc/passwd", at("var/www/out")).unwrap();
        symlink("loop", at("var/www/loop")).unwrap();
        assert_eq!(
            seen(root.path(), &["/var/www/**"]),
            [
                "/var/www/again",
                "/var/www/all",
                "/var/www/html",
                "/var/www/loop",
                "/var/www/out",
                "gap /var/www/all: omitted: leads to `/`, which is more than was asked for and was not followed",
                "gap /var/www/loop: unreadable: more than 40 symbolic links lead on from `/var/www/loop`",
                "/opt/site/next",
                "/opt/site/deep/x.php",
                "/opt/more/y.php",
            ]
        );
    }

    #[test]
    fn links_within_the_selection_add_nothing() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("var/www/a")).unwrap();
        fs::write(root.path().join("var/www/a/f"), "x").unwrap();
        symlink("a", root.path().join("var/www/b")).unwrap();
        symlink("/var/www/a/f", root.path().join("var/www/c")).unwrap();
        assert_eq!(seen(root.path(), &["/var/www/**"]), ["/var/www/b", "/var/www/c", "/var/www/a/f"]);
    }
}
