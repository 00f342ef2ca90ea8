//! Compiled rules as bytes, so that a second run need not compile them again.
//!
//! Compiled rules become native code when they are loaded. So the bytes must come from a place that only we can write; who reads them from a file
//! vouches for that. A digest here keeps out what is damaged or made from other rules or by another version, never what is malicious.

use super::{RuleProblem, RuleSet, RuleSource};
use crate::model::{Digest, Hasher};
use std::sync::Arc;

/// What the bytes begin with; the number goes up when their layout changes.
const MAGIC: &[u8] = b"triage compiled rules 1\n";

impl RuleSet {
    /// The name under which what these sources compile to can be kept: a digest over their names and texts, and over the versions of this library and of the engine.
    pub fn key(sources: &[RuleSource]) -> Digest {
        let mut hasher = Hasher::new();
        let mut put = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        put(MAGIC);
        put(env!("CARGO_PKG_VERSION").as_bytes());
        put(yara_x::VERSION.as_bytes());
        for source in sources {
            put(source.name.as_bytes());
            put(source.text.as_bytes());
        }
        hasher.finish()
    }

    /// The compiled rules of `sources`, and what was wrong with them, as bytes for [`RuleSet::from_trusted_bytes`]. None when the engine cannot.
    pub fn to_bytes(&self, key: Digest, problems: &[RuleProblem]) -> Option<Vec<u8>> {
        let problems = serde_json::to_vec(problems).ok()?;
        let mut body = (problems.len() as u64).to_le_bytes().to_vec();
        body.push(u8::from(self.place_matters));
        body.extend_from_slice(&problems);
        self.rules.serialize_into(&mut body).ok()?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(Digest::of(&body).as_bytes());
        bytes.append(&mut body);
        Some(bytes)
    }

    /// Compiled rules from bytes that [`RuleSet::to_bytes`] made with the same key. None for any others: then they are to be compiled.
    ///
    /// The bytes become native code. Whoever calls this vouches that nobody else could write them.
    pub fn from_trusted_bytes(bytes: &[u8], key: Digest) -> Option<(Self, Vec<RuleProblem>)> {
        let rest = bytes.strip_prefix(MAGIC)?.strip_prefix(key.as_bytes())?;
        let (digest, body) = rest.split_at_checked(32)?;
        if Digest::of(body).as_bytes() != digest {
            return None;
        }
        let (length, body) = body.split_first_chunk::<8>()?;
        let (&place_matters, body) = body.split_first()?;
        let (problems, body) = body.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let problems = serde_json::from_slice(problems).ok()?;
        let rules = yara_x::Rules::deserialize(body).ok()?;
        let infos = super::infos(&rules);
        Some((Self { rules: Arc::new(rules), infos, place_matters: place_matters != 0 }, problems))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Vec<RuleSource> {
        vec![RuleSource { name: "a.yar".into(), text: text.into() }]
    }

    #[test]
    fn stored_rules_are_the_compiled_ones() {
        let sources =
            sources("import \"pe\"\nrule x { condition: pe.is_pe }\nrule a { strings: $a = \"needle\" condition: $a }");
        let (rules, problems) = RuleSet::compile(&sources);
        let key = RuleSet::key(&sources);
        let bytes = rules.to_bytes(key, &problems).unwrap();
        let (again, told) = RuleSet::from_trusted_bytes(&bytes, key).unwrap();
        assert_eq!(again.infos(), rules.infos());
        assert_eq!(told, problems);
        assert!(!told.is_empty());
    }

    #[test]
    fn bytes_of_other_rules_or_damaged_ones_are_not_taken() {
        let sources = sources("rule a { condition: true }");
        let key = RuleSet::key(&sources);
        let bytes = RuleSet::compile(&sources).0.to_bytes(key, &[]).unwrap();
        assert!(RuleSet::from_trusted_bytes(&bytes, Digest::of(b"other")).is_none());
        for at in (0..bytes.len()).step_by(97) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(RuleSet::from_trusted_bytes(&damaged, key).is_none(), "byte {at}");
            assert!(RuleSet::from_trusted_bytes(&bytes[..at], key).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn the_key_tells_names_and_texts_apart() {
        let source = |name: &str, text: &str| RuleSource { name: name.into(), text: text.into() };
        assert_ne!(RuleSet::key(&[source("a", "bc")]), RuleSet::key(&[source("ab", "c")]));
        assert_ne!(RuleSet::key(&[source("a", "b"), source("c", "")]), RuleSet::key(&[source("a", "b")]));
    }
}
