//! What a file of rules is made of, by YARA's own parser: where each rule stands, and which names its condition uses.

use std::collections::BTreeSet;
use std::ops::Range;
use yara_x_parser::Parser;
use yara_x_parser::cst::{CSTStream, Event, SyntaxKind};

/// One rule in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RuleText {
    /// Its identifier.
    pub(super) name: String,
    /// Where it stands, in bytes.
    pub(super) span: Range<usize>,
    /// Says that it weighs on every rule of the file.
    pub(super) is_global: bool,
    /// Says that it makes no finding itself.
    pub(super) is_private: bool,
    /// Identifiers in its condition: other rules, externals, modules.
    pub(super) uses: BTreeSet<String>,
}

/// The parts of a file of rules.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    /// Where the `import` lines stand.
    pub(super) imports: Vec<Range<usize>>,
    /// The rules, in the order of the file.
    pub(super) rules: Vec<RuleText>,
}

impl Outline {
    /// Reads a file of rules. What does not parse is left out; compiling says what is wrong with it.
    pub(super) fn of(text: &str) -> Self {
        let mut outline = Self::default();
        let mut rule: Option<RuleText> = None;
        let mut is_condition = false;
        let mut is_modifier = false;
        for event in CSTStream::from(Parser::new(text.as_bytes())) {
            match event {
                Event::Begin { kind: SyntaxKind::RULE_DECL, span } => {
                    rule = Some(RuleText {
                        name: String::new(),
                        span: span.range(),
                        is_global: false,
                        is_private: false,
                        uses: BTreeSet::new(),
                    });
                }
                Event::Begin { kind: SyntaxKind::IMPORT_STMT, span } => outline.imports.push(span.range()),
                Event::Begin { kind: SyntaxKind::RULE_MODS, .. } => is_modifier = true,
                Event::End { kind: SyntaxKind::RULE_MODS, .. } => is_modifier = false,
                Event::Begin { kind: SyntaxKind::CONDITION_BLK, .. } => is_condition = true,
                Event::End { kind: SyntaxKind::CONDITION_BLK, .. } => is_condition = false,
                Event::End { kind: SyntaxKind::RULE_DECL, .. } => outline.rules.extend(rule.take()),
                Event::Token { kind, span } => {
                    let Some(rule) = &mut rule else { continue };
                    let word = || text.get(span.range()).unwrap_or_default().to_owned();
                    match kind {
                        SyntaxKind::PRIVATE_KW if is_modifier => rule.is_private = true,
                        SyntaxKind::GLOBAL_KW if is_modifier => rule.is_global = true,
                        SyntaxKind::IDENT if is_condition => {
                            rule.uses.insert(word());
                        }
                        SyntaxKind::IDENT if rule.name.is_empty() => rule.name = word(),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        outline
    }

    /// The text of a file that has this rule and what it needs, and no other rule.
    pub(super) fn alone(&self, rule: &RuleText, text: &str) -> String {
        let mut needed: BTreeSet<&str> = BTreeSet::from([rule.name.as_str()]);
        needed.extend(self.rules.iter().filter(|other| other.is_global).map(|other| other.name.as_str()));
        // A rule can only use rules that stand before it, so one way back through the file finds them all.
        for other in self.rules.iter().rev() {
            if needed.contains(other.name.as_str()) {
                needed.extend(other.uses.iter().map(String::as_str));
            }
        }
        let rules = self.rules.iter().filter(|other| needed.contains(other.name.as_str())).map(|other| &other.span);
        let parts: Vec<&str> = self.imports.iter().chain(rules).filter_map(|span| text.get(span.clone())).collect();
        parts.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        import "math" // rule none { condition: filename }
        global rule small { condition: filesize < 1MB }
        private rule php { meta: extension = "x" strings: $a = "filepath" condition: $a }
        rule unrelated { condition: owner == "root" }
        rule last { condition: php and math.entropy(0, filesize) > 5 and filename == "a" }
    "#;

    #[test]
    fn only_what_a_condition_names_counts_as_used() {
        let outline = Outline::of(FILE);
        let uses: Vec<(&str, Vec<&str>)> = outline
            .rules
            .iter()
            .map(|rule| (rule.name.as_str(), rule.uses.iter().map(String::as_str).collect()))
            .collect();
        assert_eq!(
            uses,
            [
                ("small", vec![]),
                ("php", vec![]),
                ("unrelated", vec!["owner"]),
                ("last", vec!["entropy", "filename", "math", "php"])
            ]
        );
        assert_eq!(
            outline.rules.iter().map(|rule| (rule.is_global, rule.is_private)).collect::<Vec<_>>(),
            [(true, false), (false, true), (false, false), (false, false)]
        );
    }

    #[test]
    fn a_rule_alone_takes_along_what_it_needs() {
        let outline = Outline::of(FILE);
        let alone = outline.alone(outline.rules.last().unwrap(), FILE);
        let names: Vec<_> = Outline::of(&alone).rules.into_iter().map(|rule| rule.name).collect();
        assert_eq!(names, ["small", "php", "last"]);
        assert!(alone.starts_with("import \"math\""));
    }

    #[test]
    fn text_that_is_no_rule_has_no_parts() {
        assert_eq!(Outline::of("\u{0}{{{ rule"), Outline::default());
    }
}
