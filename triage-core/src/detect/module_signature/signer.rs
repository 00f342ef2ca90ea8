//! Who may sign a module: the pinned keys of `rules/signers/`, and what a signature is worth by them.
//!
//! The keys themselves come from the evidence, where an intruder may have put others beside them or in their place. So a key is known by its
//! fingerprint alone, which is over all of it; the names in it, the trust in a key ring and the certifications count for nothing.

use crate::builtin::BUILTIN_RULES;
use crate::model::{Evidence, Timestamp};
use crate::parse::openpgp::{Check, Fingerprint, KeyRing, OpenPgpError, Signed};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

/// The pinned keys.
#[derive(Clone, Debug, Default)]
pub struct Signers(BTreeMap<Fingerprint, Signer>);

/// A pinned key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// The primary key.
    pub fingerprint: Fingerprint,
    /// The name that the key gives itself.
    pub name: String,
    /// What it signs.
    pub signs: Signs,
    /// The day it was made.
    pub since: String,
    /// The day from which its signatures count no more, where the vendor has said so.
    #[serde(default)]
    pub revoked: Option<String>,
    /// Says whether a signature over a SHA-1 counts.
    #[serde(default)]
    pub sha1: bool,
    /// The file that the vendor ships it in.
    pub key_file: String,
    /// SHA-256 of that file, in hexadecimal digits.
    pub key_file_sha256: String,
    /// Where this is known from.
    pub source: String,
    /// When it was looked at.
    pub date: String,
}

/// What a pinned key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signs {
    /// The lists of modules, and archives of them.
    Modules,
    /// Other keys, and lists too.
    Keys,
}

/// Why a file of signers cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SignerError {
    /// It is not YAML of the known shape.
    #[error("file of signers `{file}` is not valid")]
    Syntax {
        /// The file.
        file: String,
        /// What is wrong.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// It is of another version of the format.
    #[error("file of signers `{file}` has format version {version}, and this program reads 1")]
    Version {
        /// The file.
        file: String,
        /// Its version.
        version: u32,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format_version: u32,
    #[serde(rename = "product")]
    _product: String,
    signers: Vec<Signer>,
}

impl Signers {
    /// Those that are built in.
    ///
    /// # Errors
    /// Never in a build whose tests have passed.
    pub fn builtin() -> Result<Self, SignerError> {
        let mut all = Self::default();
        for (file, text) in BUILTIN_RULES.iter().filter(|(file, _)| file.starts_with("signers/")) {
            all.add(file, text)?;
        }
        Ok(all)
    }

    /// Adds those of a file.
    ///
    /// # Errors
    /// When it is not valid, or has a field that is not known.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), SignerError> {
        let parsed: File = serde_saphyr::from_str(text)
            .map_err(|source| SignerError::Syntax { file: file.to_owned(), source: Box::new(source) })?;
        if parsed.format_version != 1 {
            return Err(SignerError::Version { file: file.to_owned(), version: parsed.format_version });
        }
        self.0.extend(parsed.signers.into_iter().map(|signer| (signer.fingerprint, signer)));
        Ok(())
    }

    /// Adds one.
    pub fn insert(&mut self, signer: Signer) {
        self.0.insert(signer.fingerprint, signer);
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Signer> {
        self.0.values()
    }

    fn masters(&self) -> Vec<Fingerprint> {
        self.iter().filter(|signer| signer.signs == Signs::Keys).map(|signer| signer.fingerprint).collect()
    }
}

/// What a signature is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureState {
    /// It is by a pinned key.
    Good,
    /// It is by a pinned key and its time, or that of the key, was over.
    Expired,
    /// A pinned key is named, and the evidence does not have that key.
    Unverified,
    /// It is by a pinned key whose owner has withdrawn it.
    Revoked,
    /// It is over a digest that anybody could forge.
    Weak,
    /// It is by somebody else's key.
    Foreign,
    /// It does not fit the text: one of the two was changed.
    Altered,
    /// There is something in its place that cannot be read.
    Unreadable,
    /// There is none.
    Absent,
}

impl SignatureState {
    /// The word in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Expired => "expired",
            Self::Unverified => "unverified",
            Self::Revoked => "revoked",
            Self::Weak => "weak",
            Self::Foreign => "foreign",
            Self::Altered => "altered",
            Self::Unreadable => "unreadable",
            Self::Absent => "absent",
        }
    }
}

/// A signature and what it is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignatureVerdict {
    /// What it is worth.
    pub state: SignatureState,
    /// The fingerprint of the pinned key, or the key that is claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whose key that is; only of a pinned one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// The digest that was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// When it says that it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<Timestamp>,
    /// The particulars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl SignatureVerdict {
    fn bare(state: SignatureState) -> Self {
        Self { state, key: None, signer: None, hash: None, made: None, detail: None }
    }

    /// Says whether it is by a pinned key and over this text.
    pub fn is_good(&self) -> bool {
        self.state == SignatureState::Good
    }

    /// For a finding: what its expectation rests on.
    pub(super) fn evidence(&self) -> Evidence {
        Evidence::Attribute { name: "signature".into(), value: self.to_string().as_str().into() }
    }
}

impl std::fmt::Display for SignatureVerdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.state.as_str())?;
        let parts = [
            self.key.as_ref().map(|key| format!("key {key}")),
            self.signer.clone(),
            self.hash.as_ref().map(|hash| format!("over {hash}")),
            self.made.map(|made| format!("made {made}")),
            self.detail.clone(),
        ];
        parts.into_iter().flatten().try_for_each(|part| write!(f, "; {part}"))
    }
}

/// What signatures are held against.
pub(super) struct Authorities<'a> {
    pub(super) signers: &'a Signers,
    pub(super) keys: &'a KeyRing,
    /// The latest time that the evidence knows of: what was over by then is over.
    pub(super) latest: Option<Timestamp>,
}

impl Authorities<'_> {
    /// What the signatures of one text are worth: the best of them.
    pub(super) fn judge(&self, signed: &Result<Vec<Signed>, OpenPgpError>) -> SignatureVerdict {
        match signed {
            Ok(signed) => {
                let all = signed.iter().map(|signed| self.judge_one(signed));
                all.min_by_key(|verdict| verdict.state)
                    .unwrap_or_else(|| SignatureVerdict::bare(SignatureState::Absent))
            }
            Err(OpenPgpError::None { .. }) => SignatureVerdict::bare(SignatureState::Absent),
            Err(error) => {
                SignatureVerdict { detail: Some(error.detail()), ..SignatureVerdict::bare(SignatureState::Unreadable) }
            }
        }
    }

    fn judge_one(&self, signed: &Signed) -> SignatureVerdict {
        let issuers = signed.issuers();
        let mut verdict = SignatureVerdict {
            state: SignatureState::Foreign,
            key: (!issuers.is_empty()).then(|| issuers.join(", ")),
            signer: None,
            hash: Some(signed.hash()),
            made: signed.made(),
            detail: None,
        };
        let mut pinned = |print: &Fingerprint| {
            let pin = self.signers.0.get(print)?;
            verdict.key = Some(print.to_string());
            verdict.signer = Some(pin.name.clone());
            Some(pin)
        };
        (verdict.state, verdict.detail) = match self.keys.check(signed) {
            Check::Good(print) => match pinned(&print) {
                Some(pin) => self.worth(signed, pin),
                None => (SignatureState::Foreign, Some("it is by that key, which is nobody's whom we know".to_owned())),
            },
            Check::Bad(print) => {
                pinned(&print);
                (SignatureState::Altered, Some("text and signature do not belong together".to_owned()))
            }
            Check::NoKey => {
                let claimed = self.signers.iter().find(|signer| issuers.contains(&signer.fingerprint.key_id()));
                match claimed.and_then(|signer| pinned(&signer.fingerprint)) {
                    Some(_) => (SignatureState::Unverified, Some("the evidence does not have this key".to_owned())),
                    None => (SignatureState::Foreign, Some("the evidence does not have this key".to_owned())),
                }
            }
        };
        verdict
    }

    /// What a signature by a pinned key is worth.
    fn worth(&self, signed: &Signed, pin: &Signer) -> (SignatureState, Option<String>) {
        if let Some(day) = &pin.revoked {
            return (SignatureState::Revoked, Some(format!("the vendor withdrew the key on {day}")));
        }
        if self.keys.is_revoked(&pin.fingerprint, &self.signers.masters()) {
            return (SignatureState::Revoked, Some("a copy of the key in the evidence is revoked".to_owned()));
        }
        if !(signed.is_strong() || signed.is_sha1() && pin.sha1) {
            return (SignatureState::Weak, None);
        }
        let is_over = |end: Timestamp| self.latest.is_some_and(|latest| end < latest);
        if let Some(end) = signed.expires().filter(|end| is_over(*end)) {
            return (SignatureState::Expired, Some(format!("it ended {end}")));
        }
        let end = self.keys.expires(&pin.fingerprint);
        match end {
            Some(end) if signed.made().is_none_or(|made| end < made) => {
                (SignatureState::Expired, Some(format!("the key had ended {end}")))
            }
            _ => (SignatureState::Good, None),
        }
    }
}
