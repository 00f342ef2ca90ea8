//! How much a collection would be, from metadata alone: nothing is opened but what says where homes and web roots are, and nothing is written.

use super::Scope;
use crate::model::{EvidencePath, Gap};
use crate::source::{Cursor, Item, Source, SourceError};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;

/// Large files that are named.
const NAMED: usize = 10;
/// Gaps that are kept; the rest is counted.
const MAX_GAPS: usize = 1_000;

/// What a collection may take.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Larger files are left out, in bytes.
    pub max_file_size: u64,
    /// Secret files are left out.
    pub omits_secrets: bool,
}

/// A number of files and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sized {
    /// Files.
    pub files: u64,
    /// Bytes, as the file system states them.
    pub bytes: u64,
}

/// What would be left out, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Files over the size limit.
    pub too_large: Sized,
    /// Secret files.
    pub secret: Sized,
}

/// What one artifact would add. What two artifacts name counts in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArtifactEstimate {
    /// Its name.
    pub name: String,
    /// Objects of all kinds.
    pub objects: u64,
    /// Regular files among them.
    #[serde(flatten)]
    pub size: Sized,
}

/// A file that would be collected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LargeFile {
    /// Its size.
    pub size_bytes: u64,
    /// Where it is.
    #[serde(flatten)]
    pub path: EvidencePath,
}

/// How much a collection would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Objects of all kinds that would be listed.
    pub objects: u64,
    /// Files that would be collected, uncompressed.
    pub collected: Sized,
    /// Files that would be read for their digest and not kept.
    pub hashed: Sized,
    /// Files that would be listed and not read.
    pub listed: Sized,
    /// What would be left out.
    pub left_out: LeftOut,
    /// The largest files that would be collected, the largest first.
    pub biggest: Vec<LargeFile>,
    /// The same by artifact.
    pub artifacts: Vec<ArtifactEstimate>,
    /// What could not be looked at; at most 1,000.
    pub gaps: Vec<Gap>,
    /// How many there are.
    pub gap_count: u64,
    /// Whether it was stopped, so that all numbers are too small.
    pub is_interrupted: bool,
}

impl Sized {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// Walks what a scope selects and counts it. Stops when `cancel` says so.
///
/// # Errors
/// When the source as a whole cannot be read.
pub fn estimate(
    source: &dyn Source,
    scope: &Scope,
    budget: Budget,
    cancel: &dyn Fn() -> bool,
) -> Result<Estimate, SourceError> {
    let mut estimate = Estimate { gap_count: scope.gaps.len() as u64, ..Estimate::default() };
    estimate.gaps.extend(scope.gaps.iter().take(MAX_GAPS).cloned());
    estimate.artifacts = scope
        .artifacts
        .iter()
        .map(|artifact| ArtifactEstimate { name: artifact.name.clone(), objects: 0, size: Sized::default() })
        .collect();
    let mut biggest: BinaryHeap<Reverse<LargeFile>> = BinaryHeap::new();
    let mut near = Near::new(scope);
    source.walk(&scope.selection, &mut |item| {
        if cancel() {
            estimate.is_interrupted = true;
            return ControlFlow::Break(());
        }
        let entry = match item {
            Item::Entry(entry) => entry,
            Item::Gap(gap) => {
                estimate.gap_count += 1;
                if estimate.gaps.len() < MAX_GAPS {
                    estimate.gaps.push(gap);
                }
                return ControlFlow::Continue(());
            }
        };
        let (path, size) = (entry.path, entry.meta.size);
        let is_file = entry.meta.is_file();
        estimate.objects += 1;
        for index in near.artifacts(&path) {
            if let Some(artifact) = estimate.artifacts.get_mut(index) {
                artifact.objects += 1;
                if is_file {
                    artifact.size.add(size);
                }
            }
        }
        if !is_file {
            return ControlFlow::Continue(());
        }
        if scope.listed_only.selects(&path) {
            estimate.listed.add(size);
        } else if size > budget.max_file_size {
            estimate.left_out.too_large.add(size);
        } else if budget.omits_secrets && scope.sensitive.selects(&path) {
            estimate.left_out.secret.add(size);
        } else if scope.hashed_only.selects(&path) {
            estimate.hashed.add(size);
        } else {
            estimate.collected.add(size);
            biggest.push(Reverse(LargeFile { size_bytes: size, path }));
            if biggest.len() > NAMED {
                biggest.pop();
            }
        }
        ControlFlow::Continue(())
    })?;
    estimate.biggest = biggest.into_sorted_vec().into_iter().map(|Reverse(file)| file).collect();
    Ok(estimate)
}

/// Which artifacts name a path: the cursors of the last folder are kept, because most files lie beside the one before.
struct Near<'s> {
    scope: &'s Scope,
    folder: Option<EvidencePath>,
    open: Vec<(usize, Cursor<'s>)>,
}

impl<'s> Near<'s> {
    fn new(scope: &'s Scope) -> Self {
        Self { scope, folder: None, open: Vec::new() }
    }

    fn artifacts(&mut self, path: &EvidencePath) -> Vec<usize> {
        let Some(folder) = path.parent() else {
            let all = self.scope.artifacts.iter().enumerate();
            return all.filter(|(_, artifact)| artifact.selection.selects(path)).map(|(index, _)| index).collect();
        };
        if self.folder.as_ref() != Some(&folder) {
            let cursors = self.scope.artifacts.iter().enumerate().map(|(index, artifact)| {
                (index, folder.components().fold(artifact.selection.cursor(), |cursor, name| cursor.enter(name)))
            });
            self.open = cursors.filter(|(_, cursor)| cursor.continues()).collect();
            self.folder = Some(folder);
        }
        let name = path.file_name();
        self.open.iter().filter(|(_, cursor)| cursor.enter(name).selects()).map(|(index, _)| *index).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::{Catalogue, Profile};
    use crate::source::fake::FakeRoot;

    const DEFINITION: &str = "format_version: 1
name: test
title: A test
artifacts:
  - name: web
    title: The web
    paths: [/var/www/**]
  - name: php
    title: A part of the web
    paths: [\"/var/www/**/*.php\"]
  - name: keys
    title: Secrets
    is_sensitive: true
    paths: [/etc/keys/**]
  - name: programs
    title: Programs
    is_hashed_only: true
    paths: [/usr/**]
  - name: all_of_usr
    title: Names
    is_listed_only: true
    paths: [/usr/**, /var/**]
";

    fn profile() -> Profile {
        let mut catalogue = Catalogue::default();
        catalogue.add("test.yaml", DEFINITION.as_bytes()).unwrap();
        catalogue.select(&["test".into()], &[]).unwrap()
    }

    #[test]
    fn what_is_counted_is_what_would_be_done() {
        let root = FakeRoot::new()
            .file("/var/www/a.php", &[0; 100])
            .file("/var/www/b.css", &[0; 30])
            .file("/var/www/big.bin", &[0; 5000])
            .file("/var/lib/other", &[0; 7])
            .file("/etc/keys/id", &[0; 40])
            .file("/usr/bin/ls", &[0; 60]);
        let scope = profile().resolve(&root).unwrap();
        let budget = Budget { max_file_size: 1000, omits_secrets: true };
        let found = estimate(&root, &scope, budget, &|| false).unwrap();
        assert_eq!(found.objects, 6);
        assert_eq!(found.collected, Sized { files: 2, bytes: 130 });
        assert_eq!(found.hashed, Sized { files: 1, bytes: 60 });
        assert_eq!(found.listed, Sized { files: 1, bytes: 7 });
        assert_eq!(found.left_out.too_large, Sized { files: 1, bytes: 5000 });
        assert_eq!(found.left_out.secret, Sized { files: 1, bytes: 40 });
        assert_eq!(found.biggest.iter().map(|file| file.size_bytes).collect::<Vec<_>>(), [100, 30]);
        let by_name: Vec<_> = found.artifacts.iter().map(|one| (one.name.as_str(), one.size.files)).collect();
        assert_eq!(by_name, [("web", 3), ("php", 1), ("keys", 1), ("programs", 1), ("all_of_usr", 5)]);
    }

    #[test]
    fn it_can_be_stopped_and_says_so() {
        let root = FakeRoot::new().file("/var/www/a.php", b"x");
        let scope = profile().resolve(&root).unwrap();
        let budget = Budget { max_file_size: 1000, omits_secrets: false };
        let found = estimate(&root, &scope, budget, &|| true).unwrap();
        assert!(found.is_interrupted && found.objects == 0);
    }
}
