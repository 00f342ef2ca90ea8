//! Genuine lists as an authority on their files.

use super::super::known_good::{Authority, Digests, Judgement, Standing};
use super::standing::ModuleStanding;
use crate::model::{Digest, EvidencePath};
use std::collections::{BTreeMap, BTreeSet};

/// What is left of the evidence after the conclusion.
pub(super) struct Concluded {
    pub(super) modules: Vec<ModuleStanding>,
    /// What genuine lists expect, by place.
    pub(super) vouched: BTreeMap<EvidencePath, BTreeSet<Digest>>,
    /// What all lists expect, by place.
    pub(super) expected: BTreeMap<EvidencePath, BTreeSet<Digest>>,
    /// The folders of modules with a list, and whether it is genuine.
    pub(super) folders: BTreeMap<EvidencePath, bool>,
}

/// The lists whose signature is good.
pub(super) struct ModuleAuthority<'a>(pub(super) &'a Concluded);

impl Authority for ModuleAuthority<'_> {
    fn judge(&self, path: &EvidencePath, digests: &Digests) -> Judgement {
        let folders = std::iter::successors(path.parent(), EvidencePath::parent);
        let module = folders.into_iter().find(|folder| self.0.folders.contains_key(folder));
        let name =
            module.as_ref().map_or_else(|| "framework".to_owned(), |folder| crate::model::escape(folder.file_name()));
        let standing = match (self.0.vouched.get(path), digests.sha256) {
            (Some(expected), Some(actual)) if expected.contains(&actual) => Standing::VendorPristine,
            (Some(_), Some(_)) => Standing::VendorModified,
            (Some(_), None) => Standing::Unknown,
            // A list that nobody vouches for knows the place.
            (None, _) if self.0.expected.contains_key(path) => Standing::Unknown,
            (None, _) => Standing::Unowned,
        };
        Judgement::new(format!("module.sig ({name})"), standing)
    }
}
