//! YARA rules as a set: compiled file by file, with what is wrong in them listed and not fatal.
//!
//! Rules come as text only; compiled rules are native code and are never loaded. `include` is off, because a rule file
//! of somebody else's must not make this tool read other files. Nothing here touches the disk.

mod outline;
mod stored;

use crate::builtin::BUILTIN_RULES;
use crate::model::{Category, Severity};
use outline::Outline;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use yara_x::{Compiler, IgnoredRuleReason, MetaValue, SourceCode};

/// Modules that public rules import and that are not built in. Rules that need one of them are left out, and said so;
/// the others of the same file are kept.
const ABSENT_MODULES: &[&str] = &[
    "androguard",
    "crx",
    "cuckoo",
    "dex",
    "dotnet",
    "lnk",
    "macho",
    "magic",
    "msi",
    "olecf",
    "pe",
    "time",
    "vba",
    "vt",
    "zip",
];

/// One file of rules, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSource {
    /// What a person calls it; its rules get it as their namespace, so that two files may both name a rule `webshell`.
    pub name: String,
    /// YARA source.
    pub text: String,
}

/// What became of the thing that a [`RuleProblem`] tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// It does not compile; its rule is not in the set.
    Broken,
    /// It is sound, but needs a module that is not built in; its rule is not in the set.
    Ignored,
    /// It is in the set, and something about it is odd or slow.
    Warning,
}

/// Something wrong in a file of rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleProblem {
    /// [`RuleSource::name`] of the file.
    pub source: String,
    /// What became of it.
    pub kind: ProblemKind,
    /// Line in the file, from 1, where the engine names one.
    pub line: Option<u64>,
    /// Column in that line, from 1.
    pub column: Option<u64>,
    /// What is wrong, in one line.
    pub message: String,
    /// The engine's own report: several lines with the place underlined.
    pub report: String,
}

impl fmt::Display for RuleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// What a rule says of itself.
///
/// Our own rules have all of it in `meta`. Of other people's rules: `id` stands only when it is for people (a UUID is not, then the rule's
/// name is the id); `score` as LOKI and THOR write it (0–100) is the confidence, and gives severity high from 80,
/// medium from 60, low from 40, info below; without a score, severity is medium and confidence 50; category is
/// `web_shell` where none of ours is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// The id that findings carry.
    pub id: String,
    /// The rule's identifier in its file.
    pub name: String,
    /// The file it is in, [`RuleSource::name`].
    pub source: String,
    /// What it tells of, in one line.
    pub title: String,
    /// Its kind.
    pub category: Category,
    /// How bad it is if it is true.
    pub severity: Severity,
    /// How sure a match is, 0–100.
    pub confidence: u8,
    /// ATT&CK techniques.
    pub attack: Vec<String>,
    /// Where its knowledge comes from.
    pub references: Vec<String>,
    /// All other metadata, in the order of the file.
    pub other: Vec<(String, String)>,
}

impl RuleInfo {
    pub(super) fn of(rule: &yara_x::Rule<'_, '_>) -> Self {
        let mut info = Self {
            id: rule.identifier().to_owned(),
            name: rule.identifier().to_owned(),
            source: rule.namespace().to_owned(),
            title: rule.identifier().to_owned(),
            category: Category::WebShell,
            severity: Severity::Medium,
            confidence: 50,
            attack: Vec::new(),
            references: Vec::new(),
            other: Vec::new(),
        };
        let mut severity = None;
        let mut confidence = None;
        for (key, value) in rule.metadata() {
            let text = match value {
                MetaValue::Integer(number) => number.to_string(),
                MetaValue::Float(number) => number.to_string(),
                MetaValue::Bool(truth) => truth.to_string(),
                MetaValue::String(text) => text.to_owned(),
                MetaValue::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            };
            match key {
                "id" if !is_uuid(&text) => info.id = text,
                "description" => info.title = text,
                "category" if Category::parse(&text).is_some() => {
                    info.category = Category::parse(&text).unwrap_or(info.category);
                }
                "severity" if Severity::parse(&text).is_some() => severity = Severity::parse(&text),
                "confidence" if percent(&value).is_some() => confidence = percent(&value),
                "score" if percent(&value).is_some() => {
                    let score = percent(&value).unwrap_or(50);
                    info.confidence = score;
                    info.severity = match score {
                        80.. => Severity::High,
                        60.. => Severity::Medium,
                        40.. => Severity::Low,
                        _ => Severity::Info,
                    };
                }
                "attack" => info.attack.extend(text.split(',').map(|technique| technique.trim().to_owned())),
                "reference" => info.references.push(text),
                _ => info.other.push((key.to_owned(), text)),
            }
        }
        info.severity = severity.unwrap_or(info.severity);
        info.confidence = confidence.unwrap_or(info.confidence);
        info
    }
}

/// 0–100 of a number; what lies outside is cut to that.
fn percent(value: &MetaValue<'_>) -> Option<u8> {
    match value {
        MetaValue::Integer(number) => u8::try_from((*number).clamp(0, 100)).ok(),
        _ => None,
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// Compiled rules. Cheap to clone.
#[derive(Clone)]
pub struct RuleSet {
    rules: Arc<yara_x::Rules>,
    infos: Arc<[RuleInfo]>,
    place_matters: bool,
}

/// The externals that LOKI and THOR define. They tell nearly every file from every other.
const EXTERNALS: [&str; 5] = ["filename", "filepath", "extension", "filetype", "owner"];

/// Externals of ours, numbers: what one pass over the content tells, see [`super::yara::shape`].
const SHAPES: [&str; 2] = ["triage_blob", "triage_calls"];

/// The external of ours: what kind of place a file lies at, in a few words, see [`super::yara::place`].
const PLACE: &str = "triage_place";

impl RuleSet {
    /// Compiles every file by itself: what is broken in one does not cost the others, nor the sound rules of the same file.
    ///
    /// Rules may use the externals that LOKI and THOR define: `filename` (last component), `filepath` (the folder that holds it),
    /// `extension` (lower case, with its dot, or empty), `filetype` (`ELF`, `EXE`, `ZIP`, `GZIP`, `GIF`, `JPEG`, `PNG`, `PDF` by the first bytes, else
    /// empty), `owner` (`root`, else the numeric user id). `triage_place` is of our own: what kind of place the file lies at, as words with a blank on both
    /// sides (` log `, ` conf `, ` htaccess `, ` ini `, ` startup `, ` account `, ` php `), `triage_blob` and `triage_calls` are numbers that one pass over the content
    /// gives: the length of the longest run of letters, digits, `_`, `+` and `/` behind a quotation mark, and how many functions are called that a variable names. Rules that ask for no more than that let equal contents be looked at once.
    pub fn compile(sources: &[RuleSource]) -> (Self, Vec<RuleProblem>) {
        let mut compiler = Compiler::new();
        compiler.relaxed_re_syntax(true).enable_includes(false).errors_max_width(120);
        for module in ABSENT_MODULES {
            compiler.ignore_module(*module);
        }
        for name in EXTERNALS.into_iter().chain([PLACE]) {
            // Fails only for a name that is no identifier or is taken; a rule that then misses it is listed as broken.
            let _ = compiler.define_global(name, "");
        }
        for name in SHAPES {
            let _ = compiler.define_global(name, 0_i64);
        }
        let mut problems = Vec::new();
        for source in sources {
            let (errors, warnings, ignored) =
                (compiler.errors().len(), compiler.warnings().len(), compiler.ignored_rules().len());
            // The result is only the first error; all of them are read below.
            let _ = compiler
                .new_namespace(&source.name)
                .add_source(SourceCode::from(source.text.as_str()).with_origin(&source.name));
            problems.extend(
                compiler
                    .errors()
                    .iter()
                    .skip(errors)
                    .map(|error| RuleProblem::reported(&source.name, ProblemKind::Broken, error.title(), error)),
            );
            problems.extend(
                compiler
                    .warnings()
                    .iter()
                    .skip(warnings)
                    .map(|warning| RuleProblem::reported(&source.name, ProblemKind::Warning, warning.title(), warning)),
            );
            problems.extend(compiler.ignored_rules().skip(ignored).filter_map(|(rule, reason)| {
                let message = match reason {
                    IgnoredRuleReason::IgnoredModule(module) => {
                        format!("rule `{rule}` is left out: it needs the module `{module}`, which is not built in")
                    }
                    IgnoredRuleReason::IgnoredRule(other) => {
                        format!("rule `{rule}` is left out: it needs the rule `{other}`, which is left out")
                    }
                    // Already listed with its place.
                    IgnoredRuleReason::CompileError(_) => return None,
                };
                Some(RuleProblem {
                    source: source.name.clone(),
                    kind: ProblemKind::Ignored,
                    line: None,
                    column: None,
                    report: message.clone(),
                    message,
                })
            }));
        }
        let rules = compiler.build();
        let infos = infos(&rules);
        let place_matters = sources
            .iter()
            .flat_map(|source| Outline::of(&source.text).rules)
            .any(|rule| EXTERNALS.iter().any(|&name| rule.uses.contains(name)));
        (Self { rules: Arc::new(rules), infos, place_matters }, problems)
    }

    /// The rules that come with the library.
    pub fn builtin() -> Self {
        // Our own pack compiles without a word; a test holds it to that.
        Self::compile(&Self::builtin_sources()).0
    }

    /// The text of the rules that come with the library, to be compiled together with others.
    pub fn builtin_sources() -> Vec<RuleSource> {
        BUILTIN_RULES
            .iter()
            .filter(|(name, _)| name.starts_with("yara/"))
            .map(|(name, text)| RuleSource { name: (*name).to_owned(), text: (*text).to_owned() })
            .collect()
    }

    /// How many rules can make a finding.
    pub fn len(&self) -> usize {
        self.infos.len()
    }

    /// Says whether no rule can make a finding.
    pub fn is_empty(&self) -> bool {
        self.infos.is_empty()
    }

    /// What each rule says of itself, in the order of the files; private rules make no findings and are not listed.
    pub fn infos(&self) -> &[RuleInfo] {
        &self.infos
    }

    /// The files of single rules that `sources` come to, each with what its rule needs, for measuring what a rule costs.
    pub(super) fn one_by_one(sources: &[RuleSource]) -> Vec<(RuleSource, String)> {
        let mut singles = Vec::new();
        for source in sources {
            let outline = Outline::of(&source.text);
            for rule in outline.rules.iter().filter(|rule| !rule.is_private) {
                let text = outline.alone(rule, &source.text);
                singles.push((RuleSource { name: source.name.clone(), text }, rule.name.clone()));
            }
        }
        singles
    }

    /// Says whether a rule asks for more of the file's place than [`super::yara::place`], so that equal contents at two places may be judged differently.
    pub(super) fn place_matters(&self) -> bool {
        self.place_matters
    }

    pub(super) fn compiled(&self) -> &Arc<yara_x::Rules> {
        &self.rules
    }
}

fn infos(rules: &yara_x::Rules) -> Arc<[RuleInfo]> {
    rules.iter().filter(|rule| !rule.is_private()).map(|rule| RuleInfo::of(&rule)).collect()
}

impl fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleSet").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl RuleProblem {
    /// The engine gives line and column of an error only in its serialised form.
    fn reported(source: &str, kind: ProblemKind, title: &str, report: &(impl serde::Serialize + ToString)) -> Self {
        let fields = serde_json::to_value(report).unwrap_or_default();
        let number = |name| fields.get(name).and_then(serde_json::Value::as_u64);
        Self {
            source: source.to_owned(),
            kind,
            line: number("line"),
            column: number("column"),
            message: title.to_owned(),
            report: report.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    fn source(name: &str, text: &str) -> RuleSource {
        RuleSource { name: name.into(), text: text.into() }
    }

    #[test]
    fn a_broken_file_costs_no_other_rule() {
        let (rules, problems) = RuleSet::compile(&[
            source("first.yar", "rule a { condition: true }"),
            source("broken.yar", "rule b { condition: true }\n\nrule c {\n  condition: tru\n}\n"),
            source("last.yar", "rule a { condition: true }"),
        ]);
        let names: Vec<_> = rules.infos().iter().map(|info| (info.source.as_str(), info.name.as_str())).collect();
        assert_eq!(names, [("first.yar", "a"), ("broken.yar", "b"), ("last.yar", "a")]);
        let broken: Vec<_> = problems.iter().filter(|problem| problem.kind == ProblemKind::Broken).collect();
        let [problem] = &broken[..] else { panic!("{problems:?}") };
        assert_eq!(problem.to_string(), "broken.yar:4:14: unknown identifier `tru`");
        assert!(problem.report.contains("^^^"), "{}", problem.report);
    }

    #[test]
    fn a_rule_that_needs_an_absent_module_is_left_out_and_said_so() {
        let (rules, problems) = RuleSet::compile(&[source(
            "windows.yar",
            "import \"pe\"\nrule needs { condition: pe.is_pe }\nrule after { condition: needs }\nrule other { condition: true }",
        )]);
        assert_eq!(rules.infos().iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["other"]);
        let left_out: Vec<_> = problems
            .iter()
            .filter(|problem| problem.kind == ProblemKind::Ignored)
            .map(|problem| &problem.message)
            .collect();
        assert_eq!(left_out.len(), 2, "{problems:?}");
        assert!(left_out[0].contains("`pe`") && left_out[1].contains("`needs`"), "{left_out:?}");
    }

    #[test]
    fn an_include_reads_no_file() {
        let (rules, problems) =
            RuleSet::compile(&[source("a.yar", "include \"/etc/passwd\"\nrule a { condition: true }")]);
        assert_eq!(problems.iter().filter(|problem| problem.kind == ProblemKind::Broken).count(), 1);
        assert!(problems[0].message.contains("include"), "{problems:?}");
        assert_eq!(rules.len(), 1);
    }

    #[test]
    fn our_own_rules_judge_equal_contents_alike() {
        assert!(!RuleSet::builtin().place_matters());
        let (rules, _) = RuleSet::compile(&[source("a.yar", "rule a { condition: filename == \"x\" }")]);
        assert!(rules.place_matters());
    }

    #[test]
    fn text_that_is_no_rule_gives_an_empty_set() {
        let (rules, problems) = RuleSet::compile(&[source("noise", "\u{0}\u{1}{{{{ not yara")]);
        assert!(rules.is_empty());
        assert!(!problems.is_empty());
    }

    #[test]
    fn weights_outside_their_range_are_cut_to_it() {
        let (rules, _) = RuleSet::compile(&[source(
            "a.yar",
            r#"rule a { meta: score = 9000 severity = "dreadful" category = "nonsense" condition: true }
               rule b { meta: confidence = -5 condition: true }"#,
        )]);
        let weights: Vec<_> =
            rules.infos().iter().map(|info| (info.severity, info.confidence, info.category)).collect();
        assert_eq!(weights, [(Severity::High, 100, Category::WebShell), (Severity::Medium, 0, Category::WebShell)]);
    }
}
