//! Known good: what authorities say of a file's content, and what that does to a finding.
//!
//! An [`Authority`] knows files by their place and digest: a package database, the signed list of a `FreePBX` module, published
//! checksums, a bundle of the host from better days. Several are asked, and one that vouches for a content is enough. A detector offers
//! what it has learnt by [`Detector::authorities`](super::Detector::authorities); nothing else has to be told of a new authority.
//!
//! No finding is ever dropped for it. An authority may lie on the host that is examined, and then whoever has root there has the authority
//! too; so a finding about known content keeps its severity and at least half of its confidence, and says what was done to it.

use crate::model::{Digest, Evidence, EvidencePath, Finding, RawText, Severity, Subject};

/// What is known of a file's content. MD5 stands only beside another digest or in an authority's own words: it can be forged, and is what
/// `dpkg` has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256 of the whole content.
    pub sha256: Option<Digest>,
    /// MD5 of the whole content; an authority that has it by other ways may do without.
    pub md5: Option<[u8; 16]>,
}

/// What an authority says of a file. The order is that of weight: the best of several counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It knows nothing of this place.
    Unowned,
    /// It knows the place and cannot tell: no digest on either side, or one of another kind.
    Unknown,
    /// The content is not what it should be at this place.
    VendorModified,
    /// The content is what the vendor shipped at this place.
    VendorPristine,
}

impl Standing {
    /// The word in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VendorPristine => "vendor_pristine",
            Self::VendorModified => "vendor_modified",
            Self::Unowned => "unowned",
            Self::Unknown => "unknown",
        }
    }
}

/// An authority's word on one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Who says it and of what: `dpkg (bash 5.2.15-2+b2)`, `module.sig (core)`.
    pub authority: String,
    /// What it says.
    pub standing: Standing,
    /// How the content differs from the original, as a unified diff; where the original is at hand and both are text.
    pub difference: Option<RawText>,
}

impl Judgement {
    /// A word without a difference.
    pub fn new(authority: impl Into<String>, standing: Standing) -> Self {
        Self { authority: authority.into(), standing, difference: None }
    }
}

/// Knows which content belongs at which place.
pub trait Authority: Send + Sync {
    /// Judges the file at `path`, whose content has these digests.
    ///
    /// It is asked after the last object of a sweep was seen, so that it knows all that the evidence can tell it.
    fn judge(&self, path: &EvidencePath, digests: &Digests) -> Judgement;
}

/// Several authorities as one.
#[derive(Default)]
pub struct KnownGood<'a> {
    authorities: Vec<Box<dyn Authority + 'a>>,
}

impl<'a> KnownGood<'a> {
    /// These authorities.
    pub fn new(authorities: Vec<Box<dyn Authority + 'a>>) -> Self {
        Self { authorities }
    }

    /// The word of weight: of an authority that vouches for the content, else of one that objects, else of one that knows the place. None
    /// where there is no authority at all.
    pub fn judge(&self, path: &EvidencePath, digests: &Digests) -> Option<Judgement> {
        let words = self.authorities.iter().map(|authority| authority.judge(path, digests));
        // Of equal ones the first.
        words.reduce(|best, other| if other.standing > best.standing { other } else { best })
    }

    /// Weighs findings about the content of files by what the authorities say of them. What it did is in each finding's evidence.
    pub(super) fn weigh(&self, findings: &mut [Finding]) {
        if self.authorities.is_empty() {
            return;
        }
        for finding in findings {
            let Subject::File { path, sha256: Some(sha256) } = &finding.subject else { continue };
            if finding.rule.0.starts_with("TR-BASELINE-") {
                self.excuse(finding);
                continue;
            }
            if is_about_identity(&finding.rule.0) {
                continue;
            }
            let Some(word) = self.judge(path, &Digests { sha256: Some(*sha256), md5: None }) else { continue };
            let before = finding.confidence;
            let after = match word.standing {
                Standing::VendorPristine => before.div_ceil(2),
                // That somebody changed it makes a sign of evil in it likelier.
                Standing::VendorModified if finding.severity >= Severity::High => {
                    before.max(before.saturating_add(10).min(95))
                }
                _ => continue,
            };
            finding.confidence = after;
            let value = format!("{} by {}; confidence {before} -> {after}", word.standing.as_str(), word.authority);
            finding.evidence.push(Evidence::Attribute { name: "known_good".into(), value: value.as_str().into() });
            finding
                .evidence
                .extend(word.difference.map(|value| Evidence::Attribute { name: "difference".into(), value }));
        }
    }

    /// A file that is not as in a baseline and is what its vendor ships was updated.
    fn excuse(&self, finding: &mut Finding) {
        let Subject::File { path, sha256: Some(sha256) } = &finding.subject else { return };
        let Some(word) = self.judge(path, &Digests { sha256: Some(*sha256), md5: None }) else { return };
        if word.standing == Standing::VendorPristine {
            let value = format!("vendor_pristine by {}; severity {} -> info", word.authority, finding.severity);
            finding.severity = Severity::Info;
            finding.evidence.push(Evidence::Attribute { name: "known_good".into(), value: value.as_str().into() });
        }
    }
}

/// Findings that are about the identity of a content already: known hashes, and the authorities' own.
fn is_about_identity(rule: &str) -> bool {
    ["TR-PACKAGE-", "TR-MODSIG-", "TR-IOC-", "TR-WORDPRESS-"].iter().any(|prefix| rule.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Category;

    struct Says(Standing);

    impl Authority for Says {
        fn judge(&self, _: &EvidencePath, _: &Digests) -> Judgement {
            Judgement::new(format!("{:?}", self.0), self.0)
        }
    }

    fn finding(rule: &str, severity: Severity) -> Finding {
        let path = EvidencePath::new("/var/www/html/x.php").unwrap();
        let subject = Subject::File { path, sha256: Some(Digest::of(b"x")) };
        Finding::new(rule, "x", (Category::WebShell, severity, 80), subject, Vec::new())
    }

    fn weighed(standings: &[Standing], rule: &str, severity: Severity) -> Finding {
        let known =
            KnownGood::new(standings.iter().map(|&standing| Box::new(Says(standing)) as Box<dyn Authority>).collect());
        let mut findings = [finding(rule, severity)];
        known.weigh(&mut findings);
        let [finding] = findings;
        finding
    }

    #[test]
    fn one_that_vouches_outweighs_one_that_objects() {
        let found = weighed(&[Standing::VendorModified, Standing::VendorPristine], "TR-WEBSHELL-0001", Severity::High);
        assert_eq!((found.severity, found.confidence), (Severity::High, 40));
        let Evidence::Attribute { value, .. } = &found.evidence[0] else { panic!() };
        assert_eq!(value.to_string(), "vendor_pristine by VendorPristine; confidence 80 -> 40");
    }

    #[test]
    fn an_altered_file_is_surer_and_an_unowned_one_is_as_it_was() {
        assert_eq!(weighed(&[Standing::VendorModified], "TR-X-0001", Severity::High).confidence, 90);
        let found = weighed(&[Standing::Unowned, Standing::Unknown], "TR-X-0001", Severity::High);
        assert_eq!((found.confidence, found.evidence.len()), (80, 0));
    }

    #[test]
    fn what_differs_from_a_baseline_and_is_its_vendors_was_updated() {
        let found =
            weighed(&[Standing::VendorModified, Standing::VendorPristine], "TR-BASELINE-0001", Severity::Medium);
        assert_eq!((found.severity, found.confidence, found.evidence.len()), (Severity::Info, 80, 1));
        let found = weighed(&[Standing::VendorModified], "TR-BASELINE-0001", Severity::Medium);
        assert_eq!((found.severity, found.evidence.len()), (Severity::Medium, 0));
    }

    #[test]
    fn a_known_hash_is_not_weighed() {
        assert_eq!(weighed(&[Standing::VendorPristine], "TR-IOC-0001", Severity::High).confidence, 80);
    }
}
