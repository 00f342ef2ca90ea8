//! What a person loads from elsewhere: plans, playbooks, definitions, indicators, rules, keys.

use triage_core::bundle::{Recipients, Signer, VerifyingKey};
use triage_core::collect::definition;
use triage_core::detect::{self, Advisories, ForeignDetector, RuleSet, RuleSource};
use triage_core::model::{EvidencePath, Pattern};
use triage_core::plan::Plan;
use triage_core::playbook::Playbook;
use triage_core::source::Identities;

/// A plan is what it is after it was written and read.
pub(super) fn plan(data: &[u8]) {
    if let Ok(plan) = Plan::from_json(data) {
        let again = Plan::from_json(&serde_json::to_vec(&plan).expect("a plan becomes text"));
        assert_eq!(again.expect("and is read again").steps.len(), plan.steps.len());
    }
}

pub(super) fn playbook(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Playbook::load("x.yaml", text).map_err(|error| error.to_string());
    }
}

/// What is read holds for every version or for none, and asking does no harm.
pub(super) fn advisories(data: &[u8]) {
    match Advisories::read("x.yaml", data) {
        Ok(read) => {
            for known in read.all() {
                let _ = read.of(&known.module, "17.0.3").count();
            }
        }
        Err(error) => drop(error.to_string()),
    }
}

/// Ours, those of `ForensicArtifacts` and UAC's; which one is told by the text.
pub(super) fn definition(data: &[u8]) {
    let _ = definition::read("x.yaml", data, false).map_err(|error| error.to_string());
}

/// STIX, MISP, LOKI's lists, CSV, plain lists.
pub(super) fn indicator(data: &[u8]) {
    for name in ["hash-iocs.txt", "filename-iocs.txt", "c2-iocs.txt", "x.csv", "x.json"] {
        if let Ok(found) = detect::import(name, data) {
            let _ = ForeignDetector::new(found.indicators);
        }
    }
}

/// What compiling takes grows with the rules; a source longer than this proves nothing more.
const LONGEST_RULE: usize = 4096;

pub(super) fn yara_rule(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && text.len() <= LONGEST_RULE
    {
        let _ = RuleSet::compile(&[RuleSource { name: "x.yar".to_owned(), text: text.to_owned() }]);
    }
}

/// A pattern on the first line, a path on each other.
pub(super) fn pattern(data: &[u8]) {
    let mut lines = data.split(|&byte| byte == b'\n');
    let Some(Ok(pattern)) = lines.next().and_then(|line| std::str::from_utf8(line).ok()).map(Pattern::new) else {
        return;
    };
    for path in lines.take(50).filter_map(|line| EvidencePath::new(line).ok()) {
        let matches = pattern.matches(&path);
        let parent = path.parent().unwrap_or_else(EvidencePath::root);
        assert!(!matches || path.is_root() || pattern.reaches_into(&parent), "{} {path}", pattern.as_str());
    }
}

/// Keys of minisign and age.
pub(super) fn key(data: &[u8]) {
    let _ = Identities::default().add(data, None);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = (Signer::wants_password(text), Signer::read(text, None), VerifyingKey::read(text));
        let mut recipients = Recipients::default();
        let _ = recipients.add(text);
    }
}
