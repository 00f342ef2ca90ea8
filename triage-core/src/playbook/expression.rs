//! Expressions: CEL over findings and facts of the host.
//!
//! What an expression sees of a name is escaped text, good for a comparison; what it gives back are handles, the numbers of
//! findings, so that no action is ever built from text that an expression made.
//!
//! The interpreter has no limit of its own. Expressions cannot loop but over lists, so the work is bounded before the start: by
//! the length of the expression, how deep its loops are nested, and how often it goes through the findings.

mod check;
mod facts;

pub use facts::Facts;
pub(super) use facts::{rank, specimens};

use super::Inputs;
use super::predicate::Predicate;
use crate::model::escape;
use cel::common::ast::Expr;
use cel::objects::{Key, Map, Value};
use cel::{Context, ExecutionError, Program};
use check::Check;
use facts::input_value;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

/// The longest expression, in bytes.
const MAX_BYTES: usize = 4096;
/// The most times that the body of an expression's loops may run.
const MAX_ROUNDS: u64 = 10_000_000;
/// How many findings an expression gets at once that takes them one by one.
const PART: usize = 32;
/// What a list that is neither the findings nor written out is reckoned as.
const SHORT_LIST: u64 = 16;

/// A compiled expression.
pub(super) struct Expression {
    text: String,
    program: Program,
    loops: Loops,
    /// The inputs that it needs.
    inputs: BTreeSet<String>,
    /// The same, where it is a plain selection.
    predicate: Option<Box<Predicate>>,
}

/// What is wrong with an expression, and where in it, if that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Byte offset in the expression.
    pub(super) at: Option<usize>,
    pub(super) detail: String,
    pub(super) hint: Option<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Loops {
    nesting: usize,
    over_findings: u32,
    longest_list: u64,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.text)
    }
}

impl Expression {
    /// Compiles an expression and holds its names and words against what there is: `inputs` are those of the playbook, `locals` what else
    /// has a name.
    pub(super) fn compile(text: &str, inputs: &[&str], locals: &[&str]) -> Result<Self, Fault> {
        if text.len() > MAX_BYTES {
            return Err(fault(
                None,
                format!("the expression has {} bytes, and at most {MAX_BYTES} are read", text.len()),
            ));
        }
        let program = Program::compile(text).map_err(|errors| {
            let Some(first) = errors.errors.first() else { return fault(None, "it is not an expression") };
            fault(offset_of(text, first.pos), first.msg.lines().next().unwrap_or_default().to_owned())
        })?;
        let locals = locals.iter().map(|&name| name.to_owned()).collect();
        let mut check =
            Check { program: &program, known_inputs: inputs, inputs: BTreeSet::new(), locals, loops: Loops::default() };
        check.visit(program.expression(), 0)?;
        let (loops, inputs) = (check.loops, check.inputs);
        let predicate = Predicate::of(program.expression()).map(Box::new);
        Ok(Self { text: text.to_owned(), program, loops, inputs, predicate })
    }

    /// The findings that it selects: their indices, ascending, each once.
    pub(super) fn select(&self, facts: &Facts<'_>, inputs: &Inputs) -> Result<Vec<usize>, Fault> {
        let mut indices = Vec::new();
        // With no finding it is run all the same: what is wrong with it has to show.
        if facts.count == 0 || !self.takes_findings_one_by_one() {
            collect(&self.run(facts, inputs, None)?, facts.count, &mut indices)?;
        } else {
            self.bounded(facts.count)?;
            let mut open = Vec::new();
            for (index, row) in facts.rows.iter().enumerate() {
                match self.predicate.as_ref().and_then(|predicate| predicate.holds(row)) {
                    Some(true) => indices.push(index),
                    Some(false) => {}
                    None => open.push(index),
                }
            }
            for part in open.chunks(PART) {
                let part: Vec<Value> = part.iter().filter_map(|&index| facts.values().get(index).cloned()).collect();
                let mut scope = Self::scope(facts, inputs);
                scope.add_variable_from_value("findings", Value::List(Arc::new(part)));
                let found = self.program.execute(&scope).map_err(|error| fault(None, first_line(&error)))?;
                collect(&found, facts.count, &mut indices)?;
            }
        }
        indices.sort_unstable();
        indices.dedup();
        Ok(indices)
    }

    /// Says whether it goes through the findings once, from the outside, and takes or leaves each by itself, so that it may as well be given them in
    /// parts. The interpreter copies the list that it has so far for each finding that it adds.
    fn takes_findings_one_by_one(&self) -> bool {
        let Expr::Comprehension(each) = &self.program.expression().expr else { return false };
        let is_over_findings = matches!(&each.iter_range.expr, Expr::Ident(name) if name == "findings");
        let makes_a_list = matches!(&each.accu_init.expr, Expr::List(list) if list.elements.is_empty());
        let gives_it = matches!(&each.result.expr, Expr::Ident(name) if *name == each.accu_var);
        is_over_findings && makes_a_list && gives_it && self.loops.over_findings == 1
    }

    /// Says whether it holds.
    pub(super) fn holds(&self, facts: &Facts<'_>, inputs: &Inputs) -> Result<bool, Fault> {
        match self.run(facts, inputs, None)? {
            Value::Bool(holds) => Ok(holds),
            _ => Err(fault(None, "it is neither true nor false")),
        }
    }

    /// The text that it gives for one finding, which it sees as `f`.
    pub(super) fn text(&self, facts: &Facts<'_>, inputs: &Inputs, index: usize) -> Result<String, Fault> {
        match self.run(facts, inputs, facts.values().get(index).cloned())? {
            Value::String(text) => Ok(text.to_string()),
            Value::Int(number) => Ok(number.to_string()),
            Value::UInt(number) => Ok(number.to_string()),
            Value::Bool(holds) => Ok(holds.to_string()),
            _ => Err(fault(None, "it gives neither text nor a number")),
        }
    }

    /// The inputs that it needs.
    pub(super) fn inputs(&self) -> &BTreeSet<String> {
        &self.inputs
    }

    /// Refuses what would go through so many findings too often.
    fn bounded(&self, count: usize) -> Result<(), Fault> {
        let rounds = (count as u64).max(1).saturating_pow(self.loops.over_findings);
        let inner = if self.loops.nesting > 1 { self.loops.longest_list.max(SHORT_LIST) } else { 1 };
        if rounds.saturating_mul(inner) > MAX_ROUNDS {
            return Err(fault(None, format!("it would go through {count} findings too often")));
        }
        Ok(())
    }

    fn scope<'f>(facts: &'f Facts, inputs: &Inputs) -> Context<'f, 'static> {
        let mut scope = facts.context().new_inner_scope();
        let values: HashMap<Key, Value> =
            inputs.0.iter().map(|(name, value)| (Key::from(name.as_str()), input_value(value))).collect();
        scope.add_variable_from_value("inputs", Value::Map(Map { map: Arc::new(values) }));
        scope
    }

    fn run(&self, facts: &Facts<'_>, inputs: &Inputs, finding: Option<Value>) -> Result<Value, Fault> {
        self.bounded(facts.count)?;
        let mut scope = Self::scope(facts, inputs);
        if let Some(finding) = finding {
            scope.add_variable_from_value("f", finding);
        }
        self.program.execute(&scope).map_err(|error| fault(None, first_line(&error)))
    }
}

/// Takes the indices out of a list of findings.
fn collect(found: &Value, count: usize, indices: &mut Vec<usize>) -> Result<(), Fault> {
    let Value::List(items) = found else {
        return Err(fault(None, "it does not give a list of findings"));
    };
    for item in items.iter() {
        let index = match item {
            Value::Map(map) => map.map.get(&Key::from("index")),
            _ => None,
        };
        match index {
            Some(&Value::Int(index)) => match usize::try_from(index) {
                Ok(index) if index < count => indices.push(index),
                _ => return Err(fault(None, format!("it gives finding {index}, and there is none"))),
            },
            _ => return Err(fault(None, "it gives something that is not a finding")),
        }
    }
    Ok(())
}

fn fault(at: Option<usize>, detail: impl Into<String>) -> Fault {
    Fault { at, detail: detail.into(), hint: None }
}

fn first_line(error: &ExecutionError) -> String {
    let text = error.to_string();
    let line: String = text.chars().take(300).collect();
    escape(line.as_bytes())
}

/// Line and column, both from 1, as a byte offset.
fn offset_of(text: &str, (line, column): (isize, isize)) -> Option<usize> {
    let line = usize::try_from(line).ok()?.checked_sub(1)?;
    let column = usize::try_from(column).ok()?.checked_sub(1)?;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    Some((start + column).min(text.len()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::{Category, Digest, EvidencePath, Finding, HostIdentity, RawText, Severity, Subject};
    use proptest::prelude::*;

    fn host() -> HostIdentity {
        HostIdentity {
            digest: Digest::of(b"host"),
            marks: vec!["machine-id".to_owned()],
            hostname: RawText::from("pbx"),
        }
    }

    fn file(path: &[u8], severity: Severity, confidence: u8) -> Finding {
        let subject = Subject::File { path: EvidencePath::new(path).unwrap(), sha256: None };
        Finding::new("TR-TEST-0001", "t", (Category::WebShell, severity, confidence), subject, Vec::new())
    }

    fn select(text: &str, findings: &[Finding]) -> Result<Vec<usize>, Fault> {
        Expression::compile(text, &[], &[])?.select(&Facts::new(findings, &host()), &Inputs::default())
    }

    #[test]
    fn a_selection_gives_handles() {
        let findings = [
            file(b"/a\nb", Severity::High, 80),
            file(b"/c", Severity::Low, 99),
            file(b"/d\xff", Severity::Critical, 74),
        ];
        let text = r#"findings.filter(f, f.severity_rank >= severity("high") && f.confidence >= 75 && f.subject.type == "file")"#;
        assert_eq!(select(text, &findings), Ok(vec![0]));
        assert_eq!(select("findings", &findings), Ok(vec![0, 1, 2]));
        assert_eq!(select(r#"findings.filter(f, f.subject.path == "/d\\xff")"#, &findings), Ok(vec![2]));
        assert_eq!(select("[findings[2], findings[0], findings[2]]", &findings), Ok(vec![0, 2]));
    }

    #[test]
    fn text_from_an_expression_is_no_handle() {
        let findings = [file(b"/a", Severity::High, 80)];
        for text in [
            "findings.map(f, f.subject.path)",
            r#"["/etc/passwd"]"#,
            "[0]",
            "1",
            r#"[{"index": 7}]"#,
            r#"[{"index": -1}]"#,
        ] {
            assert!(select(text, &findings).is_err(), "{text}");
        }
    }

    #[test]
    fn misspelt_names_and_words_are_found_before_anything_runs() {
        for (text, at, hint) in [
            ("findigns.filter(f, true)", 0, "`findings`"),
            ("findings.filter(f, f.categry == 'web_shell')", 19, "`category`"),
            ("findings.filter(f, f.category == 'webshell')", 33, "`web_shell`"),
            ("findings.filter(f, f.category in ['account', 'persistance'])", 45, "`persistence`"),
            ("findings.filter(f, f.subject.type == 'cronentry')", 37, "`cron_entry`"),
            ("findings.filter(f, f.severity_rank >= severity('hihg'))", 47, "`high`"),
            ("findings.filter(f, f.title.startWith('x'))", 27, "`startsWith`"),
            ("host.hostnam == 'x'", 0, "`hostname`"),
        ] {
            let fault = Expression::compile(text, &[], &[]).unwrap_err();
            assert!(fault.hint.as_deref().unwrap_or_default().contains(hint), "{text}: {fault:?}");
            let found = fault.at.unwrap();
            assert!(found >= at && found <= at + 11, "{text}: {fault:?}");
        }
    }

    #[test]
    fn broken_expressions_say_where() {
        let fault = Expression::compile("findings.filter(f, f.confidence >= )", &[], &[]).unwrap_err();
        assert!(fault.at.is_some(), "{fault:?}");
        for text in [
            "",
            "(",
            "'",
            "findings.filter(f",
            "\u{0}",
            "findings.filter(f, f.title == \"\u{202e}\"",
            &"(".repeat(4000),
        ] {
            assert!(Expression::compile(text, &[], &[]).is_err(), "{text}");
        }
        assert!(Expression::compile(&"1+".repeat(3000), &[], &[]).is_err());
    }

    /// What is answered without the interpreter is what the interpreter answers, errors included.
    #[test]
    fn plain_selections_come_to_what_the_interpreter_says() {
        let findings = specimens();
        let mut texts: Vec<String> = crate::playbook::builtin_names()
            .filter_map(crate::playbook::builtin_text)
            .flat_map(|text| text.split("for_each: ").skip(1))
            .map(|rest| {
                let rest = rest.trim_start_matches(">-").trim_start();
                let end = rest.find("\n    action:").unwrap_or(rest.len());
                rest.get(..end).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert!(texts.len() >= 10, "{texts:?}");
        for plain in [
            "true",
            "!(f.confidence < 50)",
            "f.subject.name == 'specimen' && f.subject.type == 'account'",
            "f.subject.type == 'account' && f.subject.name == 'specimen'",
            "f.subject.type == 'line' || f.subject.line == 1",
            "f.subject.path.startsWith('/spec') && f.subject.path.endsWith('men') && f.title.contains('cim')",
            "f.severity_rank >= severity('high') && f.severity in ['high', 'critical']",
            "f.confidence in [1, 100] && f.rule != 'x' && f.id > ''",
            "f.subject.sha256 != '' || f.subject.type != 'file'",
            "f.confidence == 'high'",
            "f.attack.size() == 0",
        ] {
            texts.push(format!("findings.filter(f, {plain})"));
        }
        let facts = Facts::new(&findings, &host());
        let mut answered = 0;
        for text in texts {
            let Ok(mut expression) = Expression::compile(&text, &[], &[]) else { panic!("{text}") };
            answered += usize::from(expression.predicate.is_some());
            let ours = expression.select(&facts, &Inputs::default());
            expression.predicate = None;
            assert_eq!(ours, expression.select(&facts, &Inputs::default()), "{text}");
        }
        assert!(answered >= 15, "only {answered} are answered without the interpreter");
    }

    #[test]
    fn work_is_bounded_before_it_starts() {
        let many: Vec<Finding> = (0..4000).map(|n| file(format!("/{n}").as_bytes(), Severity::High, 80)).collect();
        assert!(select("findings.filter(f, findings.exists(g, g.id == f.id))", &many).is_err());
        assert!(Expression::compile("[1].map(a, [1].map(b, [1].map(c, c)))", &[], &[]).is_err());
        assert_eq!(select("findings.filter(f, f.confidence == 80)", &many).unwrap().len(), 4000);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_compiler_panic(text in "([a-z.(){}\\[\\]?:&|!<>=+*/%,'\"\\\\0-9 é\n-]|findings|filter\\(f, |f\\.subject|host|severity\\(){0,24}") {
            if let Ok(expression) = Expression::compile(&text, &[], &[]) {
                let _ = expression.select(&Facts::new(&[file(b"/a", Severity::High, 80)], &host()), &Inputs::default());
            }
        }
    }
}
