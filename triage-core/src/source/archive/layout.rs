//! How other collectors arrange what they took: where the host's root lies in their archive, what their names mean and which
//! entries are their own.
//!
//! Facts from reading the tools and their output: UAC 3.3.0 (`[root]/`, `bodyfile/bodyfile.txt`, `live_response/`, `uac.log`),
//! acquire 3.22 (`fs/$rootfs$/` or `fs/`; before 3.12 `sysvol/`), Velociraptor 0.7 (`uploads/<accessor>/`, `uploads.json`,
//! `results/`; every component percent-encoded), Cat-Scale 1.x (a tar of tars). A hostile archive can look like any of them: what is
//! decided here chooses names, and each name is judged afterwards like every other.

use crate::model::EvidencePath;
use std::fmt;

/// Folders that a root is put into by habit, where nothing else tells of a tool.
const HABITS: [&str; 4] = ["[root]", "rootfs", "fs", "root"];
/// Folders above the root that are looked into: `case-17/pbx1/collection/`.
const MAX_DEPTH: usize = 3;

/// Which tool made an archive, by how it is arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// No tool that is known: the files of a host or of a part of it.
    Plain,
    /// UAC, the Unix-like Artifacts Collector.
    Uac,
    /// acquire, of the Dissect family.
    Acquire,
    /// Velociraptor's collection or offline collector.
    Velociraptor,
    /// A backup that `FreePBX` made of itself.
    FreepbxBackup,
    /// One layer of a container image.
    Layer,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "archive",
            Self::Uac => "UAC collection",
            Self::Acquire => "acquire collection",
            Self::Velociraptor => "Velociraptor collection",
            Self::FreepbxBackup => "FreePBX backup",
            Self::Layer => "layer of a container image",
        })
    }
}

/// What is known of the arrangement: the tool, and the folders that are the host's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrangement {
    pub(super) layout: Layout,
    /// Folder of the tool's own files; the root of the archive, mostly.
    pub(super) top: EvidencePath,
    /// Where the host's root lies. The first counts where two have a file.
    pub(super) roots: Vec<EvidencePath>,
}

/// A look at the names of an archive, sorted.
pub(super) struct Names<'a> {
    sorted: Vec<&'a EvidencePath>,
}

impl<'a> Names<'a> {
    pub(super) fn new(names: impl Iterator<Item = &'a EvidencePath>) -> Self {
        let mut sorted: Vec<&EvidencePath> = names.collect();
        sorted.sort_unstable();
        Self { sorted }
    }

    fn has(&self, path: &EvidencePath) -> bool {
        self.sorted.binary_search(&path).is_ok()
    }

    /// Says whether something lies beneath this folder.
    fn has_beneath(&self, folder: &EvidencePath) -> bool {
        let first = folder.join(b"");
        let at = self.sorted.partition_point(|path| **path < first);
        self.sorted.get(at).is_some_and(|path| path.starts_with(folder) && *path != folder)
    }

    fn has_etc(&self, folder: &EvidencePath) -> bool {
        let etc = folder.join(b"etc");
        self.has(&etc) || self.has_beneath(&etc)
    }

    /// The folders right beneath this one, at most as many as a responder would look through.
    fn folders(&self, folder: &EvidencePath) -> Vec<EvidencePath> {
        let depth = folder.components().count();
        let mut found = Vec::new();
        let mut next = folder.join(b"");
        while found.len() < 64 {
            let at = self.sorted.partition_point(|path| **path < next);
            let Some(path) = self.sorted.get(at).filter(|path| path.starts_with(folder)) else { break };
            let Some(name) = path.components().nth(depth) else { break };
            let child = folder.join(name);
            let is_folder = self.has_beneath(&child);
            // `0` is the byte after `/`, so that everything beneath a folder is left behind.
            next = folder.join(&[name, if is_folder { b"0" } else { b"\x01" }].concat());
            if is_folder {
                found.push(child);
            }
        }
        found
    }

    /// Finds out what made the archive and where the host's root is.
    pub(super) fn arrangement(&self) -> Arrangement {
        let root = EvidencePath::root();
        let mut level = vec![root.clone()];
        for _ in 0..=MAX_DEPTH {
            // Tools first: `[root]` beside `uac.log` says more than an `etc` that a bodyfile could imitate.
            if let Some(found) = level.iter().find_map(|top| self.of_tool(top)) {
                return found;
            }
            if let Some(found) = level.iter().find(|folder| self.has_etc(folder)) {
                return Arrangement { layout: Layout::Plain, top: root, roots: vec![found.clone()] };
            }
            level = level.iter().flat_map(|folder| self.folders(folder)).take(256).collect();
            let habit = |path: &&EvidencePath| HABITS.iter().any(|habit| path.file_name() == habit.as_bytes());
            if let Some(found) = level.iter().filter(habit).find(|folder| self.has_etc(folder)) {
                return Arrangement { layout: Layout::Plain, top: root, roots: vec![found.clone()] };
            }
        }
        Arrangement { layout: Layout::Plain, top: root.clone(), roots: vec![root] }
    }

    /// Says whether a dump of a database lies in this folder.
    fn has_dump(&self, folder: &EvidencePath) -> bool {
        let depth = folder.components().count() + 1;
        let beneath = folder.join(b"");
        let at = self.sorted.partition_point(|path| **path < beneath);
        let in_folder = self.sorted.iter().skip(at).take_while(|path| path.starts_with(folder));
        in_folder.filter(|path| path.components().count() == depth).any(|path| {
            let name = path.file_name();
            name.ends_with(b".sql.gz") || name.ends_with(b".sql")
        })
    }

    fn of_tool(&self, top: &EvidencePath) -> Option<Arrangement> {
        let beneath = |path: &str| path.split('/').fold(top.clone(), |path, part| path.join(part.as_bytes()));
        let there = |paths: &[&str]| -> Vec<EvidencePath> {
            paths.iter().map(|path| beneath(path)).filter(|path| self.has_beneath(path)).collect()
        };
        let arranged = |layout, roots| Some(Arrangement { layout, top: top.clone(), roots });
        let uac = there(&["[root]"]);
        let marks = ["uac.log", "bodyfile/bodyfile.txt", "uac.log.stderr"];
        if !uac.is_empty()
            && (marks.iter().any(|mark| self.has(&beneath(mark))) || self.has_beneath(&beneath("live_response")))
        {
            return arranged(Layout::Uac, uac);
        }
        // Before a habit like `files/etc` is taken for all there is: what a restore believes lies beside it.
        let is_current = self.has(&beneath("metadata.json")) && self.has_beneath(&beneath("modulejson"));
        let is_legacy = self.has(&beneath("manifest")) && (self.has(&beneath("astdb")) || self.has_dump(top));
        if is_current || is_legacy {
            return arranged(Layout::FreepbxBackup, vec![top.clone()]);
        }
        let accessors = there(&["uploads/auto", "uploads/file", "uploads/sparse"]);
        let marks = ["uploads.json", "collection_context.json", "client_info.json", "log.json"];
        if !accessors.is_empty()
            && (marks.iter().any(|mark| self.has(&beneath(mark))) || self.has_beneath(&beneath("results")))
        {
            return arranged(Layout::Velociraptor, accessors);
        }
        let rootfs = there(&["fs/$rootfs$", "$rootfs$"]);
        if !rootfs.is_empty() {
            return arranged(Layout::Acquire, rootfs);
        }
        let older = ["fs", "sysvol"].map(beneath);
        older.into_iter().find(|path| self.has_etc(path)).and_then(|path| arranged(Layout::Acquire, vec![path]))
    }
}

/// Undoes Velociraptor's encoding of one component: `%41` is `A`. What is no such escape stands for itself.
pub(super) fn percent_decoded(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, tail)) = rest.split_first() {
        let digit = |at: usize| tail.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        if byte == b'%'
            && let (Some(high), Some(low)) = (digit(0), digit(1))
            && let Ok(decoded) = u8::try_from(high * 16 + low)
        {
            out.push(decoded);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            out.push(byte);
            rest = tail;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrangement(names: &[&str]) -> (Layout, Vec<String>) {
        let paths: Vec<EvidencePath> = names.iter().map(|name| EvidencePath::new(name).unwrap()).collect();
        let found = Names::new(paths.iter()).arrangement();
        (found.layout, found.roots.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_tool_is_told_by_what_lies_beside_the_root() {
        let cases: &[(&[&str], Layout, &[&str])] = &[
            (&["[root]/etc/passwd", "uac.log"], Layout::Uac, &["/[root]"]),
            (&["[root]/var/log/x", "bodyfile/bodyfile.txt"], Layout::Uac, &["/[root]"]),
            (&["uac-h-linux-1/[root]/etc/x", "uac-h-linux-1/live_response/a"], Layout::Uac, &["/uac-h-linux-1/[root]"]),
            (&["fs/$rootfs$/etc/passwd"], Layout::Acquire, &["/fs/$rootfs$"]),
            (&["fs/etc/passwd"], Layout::Acquire, &["/fs"]),
            (&["sysvol/etc/passwd"], Layout::Acquire, &["/sysvol"]),
            (
                &["uploads/auto/etc/x", "uploads/file/a", "uploads.json"],
                Layout::Velociraptor,
                &["/uploads/auto", "/uploads/file"],
            ),
            (&["case/pbx/etc/passwd", "case/notes.txt"], Layout::Plain, &["/case/pbx"]),
            (&["a/b/c/etc/passwd", "z"], Layout::Plain, &["/a/b/c"]),
            (&["a/b/c/d/etc/passwd", "z"], Layout::Plain, &["/"]),
            (&["etc/passwd", "x/etc/passwd"], Layout::Plain, &["/"]),
            (&["rootfs/etc/passwd", "a/etc/b"], Layout::Plain, &["/rootfs"]),
            (&["site/index.php"], Layout::Plain, &["/"]),
            (
                &["metadata.json", "modulejson/Core.json", "files/etc/asterisk/keys/a.pem"],
                Layout::FreepbxBackup,
                &["/"],
            ),
            (&["manifest", "mysql-2.sql.gz", "etc/asterisk/a.conf"], Layout::FreepbxBackup, &["/"]),
            (&["backup/manifest", "backup/astdb", "backup/x"], Layout::FreepbxBackup, &["/backup"]),
            (&["manifest", "x/a.sql"], Layout::Plain, &["/"]),
            (&[], Layout::Plain, &["/"]),
        ];
        for (names, layout, roots) in cases {
            assert_eq!(arrangement(names), (*layout, roots.iter().map(ToString::to_string).collect()), "{names:?}");
        }
    }

    #[test]
    fn escapes_are_undone_once_and_broken_ones_are_kept() {
        for (name, expected) in [
            (&b"a%20b"[..], &b"a b"[..]),
            (b"C%3A", b"C:"),
            (b"%2541", b"%41"),
            (b"100%", b"100%"),
            (b"%4", b"%4"),
            (b"%zz", b"%zz"),
            (b"%2F", b"/"),
        ] {
            assert_eq!(percent_decoded(name), expected);
        }
    }
}
