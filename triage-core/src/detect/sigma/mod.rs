//! Sigma rules for logs: web servers, logins, cron, Asterisk and `FreePBX`.
//!
//! Rules are data, compiled once; what a rule needs and we do not have is a problem of that rule and is said, never passed over. A rule is asked
//! only of lines in which one of its words stands: all words of all rules are looked for in one pass over a line. Nothing here reads a file.
//!
//! What is understood of the language, and why the evaluator is ours, is in `docs/formats/sigma.md`.

mod condition;
mod event;
mod glob;
mod load;
mod search;
mod source;

pub(super) use event::{Event, Field};
pub(super) use source::Reads;

use super::{ProblemKind, RuleInfo, RuleProblem, RuleSource};
use crate::builtin::BUILTIN_RULES;
use crate::parse::log_kind::LogKind;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use condition::Expr;
use search::Search;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// The most rules of a set.
const RULES: usize = 20_000;

/// One compiled rule.
pub(super) struct Rule {
    pub(super) info: RuleInfo,
    /// What it reads.
    reads: Reads,
    searches: Vec<Search>,
    condition: Expr,
    /// Says that it asks for the status of an answer itself.
    asks_status: bool,
}

impl Rule {
    /// Says whether it asks for the status itself, so that what was refused is already told from what was not.
    pub(super) fn asks_status(&self) -> bool {
        self.asks_status
    }

    fn matches(&self, event: &Event<'_>) -> bool {
        self.reads.takes(event)
            && self.condition.holds(&|number| self.searches.get(number).is_some_and(|search| search.holds(event)))
    }
}

/// The rules of one kind of log, with the words that tell which of them to ask.
struct Group {
    rules: Vec<u16>,
    words: Option<AhoCorasick>,
    /// The rules of each word.
    asks: Vec<Vec<u16>>,
    /// Rules without a word.
    always: Vec<u16>,
}

/// Compiled Sigma rules. Cheap to clone.
#[derive(Clone, Default)]
pub struct SigmaSet {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    rules: Vec<Rule>,
    infos: Vec<RuleInfo>,
    groups: BTreeMap<LogKind, Group>,
}

static BUILTIN: LazyLock<SigmaSet> = LazyLock::new(|| SigmaSet::compile(&SigmaSet::builtin_sources()).0);

impl SigmaSet {
    /// Says whether a file of rules is one of Sigma's, by its name.
    pub fn is_sigma(source: &RuleSource) -> bool {
        let ending = source.name.rsplit('.').next().unwrap_or_default();
        ending.eq_ignore_ascii_case("yml") || ending.eq_ignore_ascii_case("yaml")
    }

    /// Compiles every rule by itself: what is broken in one does not cost the others.
    ///
    /// A file may hold several documents. Correlations and filters, which are documents of their own, and whatever else is not
    /// understood, are problems of the kind [`ProblemKind::Ignored`].
    pub fn compile(sources: &[RuleSource]) -> (Self, Vec<RuleProblem>) {
        let (mut rules, mut problems) = (Vec::new(), Vec::new());
        for source in sources {
            load::load(source, &mut rules, &mut problems);
        }
        let most = rules.len().saturating_sub(RULES);
        if most > 0 {
            rules.truncate(RULES);
            let source = sources.first().map(|source| source.name.clone()).unwrap_or_default();
            problems.push(load::problem(&source, ProblemKind::Ignored, None, format!("{most} rules over {RULES}")));
        }
        let mut groups = BTreeMap::new();
        for kind in source::KINDS {
            let group = Group::of(kind, &rules, &mut problems);
            groups.extend(group.map(|group| (kind, group)));
        }
        let infos = rules.iter().map(|rule| rule.info.clone()).collect();
        (Self { inner: Arc::new(Inner { rules, infos, groups }) }, problems)
    }

    /// The rules that come with the library.
    pub fn builtin() -> Self {
        // Our own rules compile without a word; a test holds them to that.
        BUILTIN.clone()
    }

    /// The text of the rules that come with the library.
    pub fn builtin_sources() -> Vec<RuleSource> {
        BUILTIN_RULES
            .iter()
            .filter(|(name, _)| name.starts_with("sigma/"))
            .map(|(name, text)| RuleSource { name: (*name).to_owned(), text: (*text).to_owned() })
            .collect()
    }

    /// A set without a rule.
    pub fn none() -> Self {
        Self { inner: Arc::default() }
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.inner.rules.len()
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.inner.rules.is_empty()
    }

    /// What each rule says of itself, in the order of the files.
    pub fn infos(&self) -> &[RuleInfo] {
        &self.inner.infos
    }

    pub(super) fn rule(&self, number: u16) -> Option<&Rule> {
        self.inner.rules.get(usize::from(number))
    }

    /// The rules that are to be asked of a line of this kind, of which `texts` are all that can be matched.
    pub(super) fn candidates(&self, kind: LogKind, texts: &[&[u8]], out: &mut Vec<u16>) {
        out.clear();
        let Some(group) = self.inner.groups.get(&kind) else { return };
        if let Some(words) = &group.words {
            for text in texts {
                for found in words.find_overlapping_iter(text) {
                    out.extend(group.asks.get(found.pattern().as_usize()).into_iter().flatten());
                }
            }
        }
        out.extend_from_slice(&group.always);
        if out.len() > 1 {
            out.sort_unstable();
            out.dedup();
        }
    }

    /// Says whether a rule is true of a line.
    pub(super) fn matches(&self, rule: u16, event: &Event<'_>) -> bool {
        self.rule(rule).is_some_and(|rule| rule.matches(event))
    }

    /// The rules that have no word by which the lines to ask them of are found.
    #[cfg(test)]
    fn slow(&self) -> Vec<&str> {
        let slow = self.inner.groups.values().flat_map(|group| &group.always);
        slow.filter_map(|number| self.rule(*number)).map(|rule| rule.info.id.as_str()).collect()
    }
}

impl Group {
    fn of(kind: LogKind, rules: &[Rule], problems: &mut Vec<RuleProblem>) -> Option<Self> {
        let mut group = Self { rules: Vec::new(), words: None, asks: Vec::new(), always: Vec::new() };
        let mut by_word: BTreeMap<Vec<u8>, Vec<u16>> = BTreeMap::new();
        for (rule, number) in rules.iter().zip(0_u16..) {
            if !rule.reads.kinds.contains(&kind) {
                continue;
            }
            group.rules.push(number);
            match rule.condition.words(&rule.searches) {
                Some(words) => words.into_iter().for_each(|word| by_word.entry(word).or_default().push(number)),
                None => group.always.push(number),
            }
        }
        if group.rules.is_empty() {
            return None;
        }
        let words: Vec<&Vec<u8>> = by_word.keys().collect();
        // A table of all states is fast, and large; so it is for some hundred words only.
        let form = if words.len() <= 2000 { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let built = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(form))
            .build(&words);
        match built {
            Ok(built) => group.words = Some(built),
            Err(error) => {
                // Slower, and as true.
                group.always.clone_from(&group.rules);
                let message = format!("the words of all rules cannot be looked for at once: {error}");
                problems.push(load::problem("", ProblemKind::Warning, None, message));
            }
        }
        group.asks = by_word.into_values().collect();
        Some(group)
    }
}

impl fmt::Debug for SigmaSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigmaSet").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
