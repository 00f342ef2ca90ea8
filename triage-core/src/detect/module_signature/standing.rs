//! How each module stands: what a table of them shows.

use super::signer::SignatureVerdict;
use crate::model::{EvidencePath, RawText};
use serde::Serialize;
use std::collections::BTreeMap;

/// The most files of one kind that are named of one module; more are counted.
const MAX_NAMED: usize = 1000;

/// What is true of a module. Several may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModuleState {
    /// A folder among the modules that is none: no list, no description. Code in it is a rogue's.
    Rogue,
    /// The list and its signature do not belong together.
    BadSignature,
    /// The list is another module's.
    WrongModule,
    /// The signer's key was withdrawn.
    Revoked,
    /// Files that are not as they were signed.
    Altered,
    /// Code that the list does not have.
    Unlisted,
    /// Files that the list has and the folder does not.
    Missing,
    /// A module without a list that counts.
    Unsigned,
    /// Signed by a key that is not the vendor's.
    ForeignSigner,
    /// Signed on the host itself, or by hand.
    Local,
    /// The signature, the signer's key or the list had its end before this.
    Expired,
    /// The vendor's key is named and not in the evidence, so that nothing was checked.
    Unverified,
    /// All files are as the vendor signed them, and there is no code beside them.
    Good,
}

impl ModuleState {
    /// The word in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rogue => "rogue",
            Self::BadSignature => "bad_signature",
            Self::WrongModule => "wrong_module",
            Self::Revoked => "revoked",
            Self::Altered => "altered",
            Self::Unlisted => "unlisted",
            Self::Missing => "missing",
            Self::Unsigned => "unsigned",
            Self::ForeignSigner => "foreign_signer",
            Self::Local => "local",
            Self::Expired => "expired",
            Self::Unverified => "unverified",
            Self::Good => "good",
        }
    }
}

/// What kind of file a list does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FileClass {
    /// PHP, by its name or by what is in it.
    Php,
    /// A script of another language.
    Script,
    /// A program or library.
    Program,
    /// Settings of a web server: `.htaccess`, `.user.ini`.
    WebSettings,
    /// All else.
    Data,
}

impl FileClass {
    /// The word in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Php => "php",
            Self::Script => "script",
            Self::Program => "program",
            Self::WebSettings => "web_settings",
            Self::Data => "data",
        }
    }
}

/// How a module stands. In JSONL its `kind` is `"module"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModuleStanding {
    /// The name of its folder.
    pub name: RawText,
    /// Its folder.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// What is true of it, the worst first; `good` stands alone.
    pub states: Vec<ModuleState>,
    /// The version that its `module.xml` gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `repo` of its list: `standard`, `extended`, `commercial`, `manual`, `local`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The signature of its list; none where there is no list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureVerdict>,
    /// Files that the list has.
    pub listed: u64,
    /// Of these, how many are as they were signed, at the place that they are used from.
    pub matching: u64,
    /// Files that are not as they were signed; the first thousand.
    pub altered: Vec<EvidencePath>,
    /// Files that are missing, where their absence was seen; the first thousand.
    pub missing: Vec<EvidencePath>,
    /// Code that the list does not have; the first thousand.
    pub unlisted: Vec<EvidencePath>,
    /// All files that the list does not have, by kind. Signers leave out translations, dot files and packages of node.
    pub unlisted_by_kind: BTreeMap<FileClass, u64>,
    /// How many there are of what is named above, where that is more.
    #[serde(skip_serializing_if = "Totals::is_none")]
    pub totals: Totals,
    /// The vendor's signed archives of it in the framework's store: name, and what the signature is worth.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub archives: Vec<ArchiveStanding>,
}

/// Counts beyond what is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Altered files.
    pub altered: u64,
    /// Missing files.
    pub missing: u64,
    /// Unlisted files of code.
    pub unlisted: u64,
}

impl Totals {
    fn is_none(&self) -> bool {
        let most = MAX_NAMED as u64;
        self.altered <= most && self.missing <= most && self.unlisted <= most
    }
}

/// A signed archive in `_cache`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArchiveStanding {
    /// Where it is.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// What its signature is worth.
    pub signature: SignatureVerdict,
}

impl ModuleStanding {
    pub(super) fn new(path: EvidencePath) -> Self {
        Self {
            name: RawText::from(path.file_name()),
            path,
            states: Vec::new(),
            version: None,
            repository: None,
            signature: None,
            listed: 0,
            matching: 0,
            altered: Vec::new(),
            missing: Vec::new(),
            unlisted: Vec::new(),
            unlisted_by_kind: BTreeMap::new(),
            totals: Totals::default(),
            archives: Vec::new(),
        }
    }

    pub(super) fn is(&mut self, state: ModuleState) {
        if !self.states.contains(&state) {
            self.states.push(state);
        }
    }

    pub(super) fn altered(&mut self, path: &EvidencePath) {
        self.is(ModuleState::Altered);
        self.totals.altered += 1;
        name(&mut self.altered, path);
    }

    pub(super) fn missing(&mut self, path: &EvidencePath) {
        self.is(ModuleState::Missing);
        self.totals.missing += 1;
        name(&mut self.missing, path);
    }

    /// A file that no list has; one that matters makes the module's state.
    pub(super) fn unlisted(&mut self, path: &EvidencePath, class: FileClass, matters: bool) {
        *self.unlisted_by_kind.entry(class).or_default() += 1;
        if matters {
            self.is(ModuleState::Unlisted);
            self.totals.unlisted += 1;
            name(&mut self.unlisted, path);
        }
    }

    pub(super) fn finish(&mut self) {
        self.states.sort_unstable();
        if self.states.is_empty() {
            self.states.push(ModuleState::Good);
        }
    }

    /// The worst that is true of it.
    pub fn worst(&self) -> ModuleState {
        self.states.first().copied().unwrap_or(ModuleState::Good)
    }
}

fn name(list: &mut Vec<EvidencePath>, path: &EvidencePath) {
    if list.len() < MAX_NAMED {
        list.push(path.clone());
    }
}
