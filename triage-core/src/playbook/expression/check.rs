//! The walk over a compiled expression that finds misspelt names and words before anything runs, and counts its loops.

use super::{Fault, Loops, fault};
use crate::model::{escape, suggestion};
use cel::Program;
use cel::common::ast::operators;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue};
use std::collections::BTreeSet;

/// The deepest nesting of loops (`filter`, `map`, `exists`, …).
const MAX_LOOPS: usize = 2;

const VARIABLES: [&str; 3] = ["findings", "host", "inputs"];
const FUNCTIONS: [&str; 6] = ["severity", "size", "contains", "startsWith", "endsWith", "has"];
/// Every field that a finding, its subject or the host has.
const FIELDS: [&str; 21] = [
    "index",
    "id",
    "rule",
    "title",
    "category",
    "severity",
    "severity_rank",
    "confidence",
    "subject",
    "attack",
    "type",
    "path",
    "name",
    "line",
    "text",
    "sha256",
    "pid",
    "command_line",
    "database",
    "table",
    "key",
];
const HOST_FIELDS: [&str; 2] = ["hostname", "marks"];

pub(super) const CATEGORIES: [&str; 9] = [
    "web_shell",
    "persistence",
    "account",
    "tampering",
    "exploitation",
    "toll_fraud",
    "vulnerable",
    "exposure",
    "hardening",
];
const SEVERITIES: [&str; 5] = ["info", "low", "medium", "high", "critical"];
const TYPES: [&str; 8] = ["file", "account", "cron_entry", "line", "module", "process", "database_row", "kernel"];

/// The walk over a compiled expression that finds misspelt names before anything runs.
pub(super) struct Check<'a> {
    pub(super) program: &'a Program,
    pub(super) known_inputs: &'a [&'a str],
    pub(super) inputs: BTreeSet<String>,
    /// Names that loops have bound.
    pub(super) locals: Vec<String>,
    pub(super) loops: Loops,
}

impl Check<'_> {
    pub(super) fn visit(&mut self, node: &IdedExpr, nesting: usize) -> Result<(), Fault> {
        match &node.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => self.ident(node.id, name)?,
            Expr::Select(select) => {
                let known: &[&str] = match &select.operand.expr {
                    Expr::Ident(name) if name == "host" => &HOST_FIELDS,
                    Expr::Ident(name) if name == "inputs" => self.known_inputs,
                    _ => &FIELDS,
                };
                let is_input = matches!(&select.operand.expr, Expr::Ident(name) if name == "inputs");
                if is_input {
                    self.inputs.insert(select.field.clone());
                }
                if !known.contains(&select.field.as_str()) {
                    let what = if is_input { "input" } else { "field" };
                    let detail = format!("there is no {what} `{}`", escape(select.field.as_bytes()));
                    return Err(self.unknown(node.id, detail, &select.field, known));
                }
                self.visit(&select.operand, nesting)?;
            }
            Expr::Call(call) => {
                let is_operator = !call.func_name.starts_with(|c: char| c.is_ascii_alphabetic());
                if !is_operator && !FUNCTIONS.contains(&call.func_name.as_str()) {
                    let detail = format!("there is no function `{}`", escape(call.func_name.as_bytes()));
                    let mut fault = self.unknown(node.id, detail, &call.func_name, &FUNCTIONS);
                    // The parser puts a call where its parenthesis opens.
                    let head = fault.at.and_then(|at| self.program.source_info().source.get(..at)).unwrap_or_default();
                    if head.ends_with(&call.func_name) {
                        fault.at = fault.at.map(|at| at - call.func_name.len());
                    }
                    return Err(fault);
                }
                self.words(&call.func_name, &call.args)?;
                for part in call.target.as_deref().into_iter().chain(&call.args) {
                    self.visit(part, nesting)?;
                }
            }
            Expr::List(list) => {
                self.loops.longest_list = self.loops.longest_list.max(list.elements.len() as u64);
                for element in &list.elements {
                    self.visit(element, nesting)?;
                }
            }
            Expr::Map(map) => self.entries(map.entries.iter().map(|entry| &entry.expr), nesting)?,
            Expr::Struct(object) => self.entries(object.entries.iter().map(|entry| &entry.expr), nesting)?,
            Expr::Comprehension(each) => {
                let nesting = nesting + 1;
                if nesting > MAX_LOOPS {
                    let detail = format!("loops are nested more than {MAX_LOOPS} deep");
                    return Err(fault(self.offset(node.id), detail));
                }
                self.loops.nesting = self.loops.nesting.max(nesting);
                self.visit(&each.iter_range, nesting - 1)?;
                let bound = self.locals.len();
                self.locals.extend([each.iter_var.clone(), each.accu_var.clone()]);
                self.locals.extend(each.iter_var2.clone());
                for part in [&each.accu_init, &each.loop_cond, &each.loop_step, &each.result] {
                    self.visit(part, nesting)?;
                }
                self.locals.truncate(bound);
            }
        }
        Ok(())
    }

    fn entries<'e>(&mut self, entries: impl Iterator<Item = &'e EntryExpr>, nesting: usize) -> Result<(), Fault> {
        for entry in entries {
            match entry {
                EntryExpr::StructField(field) => self.visit(&field.value, nesting)?,
                EntryExpr::MapEntry(entry) => {
                    self.visit(&entry.key, nesting)?;
                    self.visit(&entry.value, nesting)?;
                }
            }
        }
        Ok(())
    }

    fn ident(&mut self, id: u64, name: &str) -> Result<(), Fault> {
        if self.locals.iter().any(|local| local == name) {
            return Ok(());
        }
        if name == "findings" {
            self.loops.over_findings += 1;
        }
        if VARIABLES.contains(&name) {
            return Ok(());
        }
        let known: Vec<&str> =
            self.locals.iter().map(String::as_str).filter(|l| !l.starts_with('@')).chain(VARIABLES).collect();
        Err(self.unknown(id, format!("there is no `{}`", escape(name.as_bytes())), name, &known))
    }

    /// Holds words that are compared with a category, severity or type against the words that there are.
    fn words(&self, function: &str, args: &[IdedExpr]) -> Result<(), Fault> {
        let (field, words): (&str, Vec<&IdedExpr>) = match (function, args) {
            ("severity", [word]) => ("severity", vec![word]),
            (operators::EQUALS | operators::NOT_EQUALS, [a, b]) => match (field_of(a), field_of(b)) {
                (Some(field), _) => (field, vec![b]),
                (_, Some(field)) => (field, vec![a]),
                _ => return Ok(()),
            },
            (operators::IN, [a, list]) => match (field_of(a), &list.expr) {
                (Some(field), Expr::List(list)) => (field, list.elements.iter().collect()),
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        let known: &[&str] = match field {
            "category" => &CATEGORIES,
            "severity" => &SEVERITIES,
            "type" => &TYPES,
            _ => return Ok(()),
        };
        for node in words {
            if let Expr::Literal(LiteralValue::String(word)) = &node.expr {
                let word = word.inner();
                if !known.contains(&word) {
                    let detail = format!("there is no {field} `{}`", escape(word.as_bytes()));
                    return Err(self.unknown(node.id, detail, word, known));
                }
            }
        }
        Ok(())
    }

    fn unknown(&self, id: u64, detail: String, word: &str, known: &[&str]) -> Fault {
        Fault { at: self.offset(id), detail, hint: suggestion(word, known) }
    }

    fn offset(&self, id: u64) -> Option<usize> {
        self.program.source_info().offset_for(id).and_then(|(start, _)| usize::try_from(start).ok())
    }
}

fn field_of(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Select(select) if !select.test => Some(&select.field),
        _ => None,
    }
}
