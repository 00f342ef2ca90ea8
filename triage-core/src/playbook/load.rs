//! Reading a playbook's YAML, and finding everything that is wrong with it before it is used.

use super::PlaybookError;
use super::expression::{Expression, Facts, Fault, specimens};
use super::raw::{RawInput, RawPlaybook, RawStep, Versioned};
use super::{ActionKind, Input, Inputs, Phase, Playbook, PlaybookStep, Value};
use crate::model::{Digest, HostIdentity, RawText, YamlFile, YamlLimits, escape, suggestion};
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// The largest playbook, in bytes.
const MAX_BYTES: usize = 256 * 1024;
const LIMITS: YamlLimits = YamlLimits { bytes: MAX_BYTES, nodes: 10_000, documents: 1 };
/// The version that this library reads.
const VERSION: u32 = 1;
const PLACEHOLDERS: [&str; 3] = ["path", "name", "count"];

impl Playbook {
    /// Loads a playbook: reads it, compiles its expressions and checks that it holds together. `name` is what errors call it.
    ///
    /// # Errors
    /// [`PlaybookError::Invalid`] for the first mistake, with its place in the file; [`PlaybookError::TooLarge`].
    pub fn load(name: &str, text: &str) -> Result<Self, PlaybookError> {
        if text.len() > MAX_BYTES {
            let (size_bytes, name) = (text.len(), escape(name.as_bytes()));
            return Err(PlaybookError::TooLarge { name, size_bytes, limit_bytes: MAX_BYTES });
        }
        let file = File(YamlFile::new("playbook", name, text, LIMITS));
        let versioned: Versioned = file.parse()?;
        if versioned.format_version.value != VERSION {
            let detail = format!("format version {} is not known", versioned.format_version.value);
            let hint = Some(format!("this version of triage reads format version {VERSION}"));
            return Err(file.mistake(&versioned.format_version, detail, hint));
        }
        file.check(file.parse()?)
    }
}

/// What expressions are tried on.
struct Trial<'a> {
    facts: Facts<'a>,
    inputs: Inputs,
}

struct File<'a>(YamlFile<'a>);

impl File<'_> {
    fn parse<T: for<'de> Deserialize<'de>>(&self) -> Result<T, PlaybookError> {
        self.0.document().map_err(PlaybookError::Invalid)
    }

    fn check(&self, raw: RawPlaybook) -> Result<Playbook, PlaybookError> {
        if !is_name(&raw.name.value, true) {
            let hint = Some("lower-case letters, digits and `-`, with one `/` after the family".to_owned());
            return Err(self.mistake(&raw.name, "this cannot be the name of a playbook", hint));
        }
        let mut inputs = BTreeMap::new();
        for (name, input) in raw.inputs {
            let RawInput { kind, description, default } = input.value;
            if !is_input_name(&name) {
                let hint = Some("lower-case letters, digits and `_`".to_owned());
                let detail = format!("`{}` cannot be the name of an input", escape(name.as_bytes()));
                return Err(PlaybookError::Invalid(self.0.mistake_in(self.0.place(input.referenced), detail, hint)));
            }
            let default = match &default {
                Some(text) => Some(
                    kind.parse(&text.value)
                        .map_err(|detail| self.mistake(text, format!("the default: {detail}"), None))?,
                ),
                None => None,
            };
            inputs.insert(name, Input { kind, description, default });
        }
        let specimen = inputs.iter().map(|(name, input)| (name.clone(), input.kind.specimen())).collect();
        let specimens = specimens();
        let trial = Trial { facts: Facts::new(&specimens, &nobody()), inputs: Inputs(specimen) };
        let mut known: BTreeMap<&str, (Phase, usize)> = BTreeMap::new();
        for (order, step) in raw.steps.iter().enumerate() {
            if !is_name(&step.id.value, false) {
                let hint = Some("lower-case letters, digits and `-`".to_owned());
                return Err(self.mistake(&step.id, "this cannot be the id of a step", hint));
            }
            if known.insert(&step.id.value, (step.phase, order)).is_some() {
                return Err(self.mistake(&step.id, "another step has this id", None));
            }
        }
        for (order, step) in raw.steps.iter().enumerate() {
            for required in &step.requires {
                match known.get(required.value.as_str()) {
                    None => {
                        let ids: Vec<&str> = known.keys().copied().collect();
                        let detail = format!("there is no step `{}`", escape(required.value.as_bytes()));
                        return Err(self.mistake(required, detail, suggestion(&required.value, &ids)));
                    }
                    Some(&at) if at >= (step.phase, order) => {
                        let detail = format!("step `{}` runs after this one", escape(required.value.as_bytes()));
                        let hint = Some("steps run by phase, and within a phase as they are written".to_owned());
                        return Err(self.mistake(required, detail, hint));
                    }
                    Some(_) => {}
                }
            }
        }
        let steps = raw.steps.into_iter().map(|step| self.step(step, &trial)).collect::<Result<_, _>>()?;
        Ok(Playbook {
            name: raw.name.value,
            title: raw.title,
            description: raw.description,
            references: raw.references,
            inputs,
            steps,
        })
    }

    fn step(&self, raw: RawStep, trial: &Trial<'_>) -> Result<PlaybookStep, PlaybookError> {
        self.check_title(&raw.title)?;
        let action = raw.action.value;
        let for_each = self.compile(&raw.for_each, trial, &[])?;
        // Tried on one finding of each kind, so that what can only fail is found now and not on the day.
        let selected =
            for_each.select(&trial.facts, &trial.inputs).map_err(|fault| self.fault(&raw.for_each, fault))?;
        let specimens = specimens();
        let misfit = selected.iter().filter_map(|&index| specimens.get(index)).find(|f| !action.takes(&f.subject));
        if let Some(finding) = misfit {
            let detail =
                format!("this selects {} subjects, which `{}` cannot take", finding.subject.kind(), action.as_str());
            let hint =
                Some(format!("select by `f.subject.type`; `{}` takes {} subjects", action.as_str(), action.subjects()));
            return Err(self.mistake(&raw.for_each, detail, hint));
        }
        let when = match &raw.when {
            Some(text) => {
                let when = self.compile(text, trial, &[])?;
                when.holds(&trial.facts, &trial.inputs).map_err(|fault| self.fault(text, fault))?;
                Some(when)
            }
            None => None,
        };
        let mut with = BTreeMap::new();
        for (name, text) in raw.with.given() {
            if !action.values().contains(&name) {
                let detail = format!("`{}` takes no `{name}`", action.as_str());
                let hint = match action.values() {
                    [] => "it takes no values".to_owned(),
                    values => format!("it takes {}", values.join(", ")),
                };
                return Err(self.mistake(text, detail, Some(hint)));
            }
            with.insert(name, self.value(name, text, trial, &selected)?);
        }
        let given: Vec<&str> = with.keys().copied().collect();
        if let Some(missing) = action.missing(&given) {
            let detail = format!("`{}` needs {missing} in `with`", action.as_str());
            return Err(self.mistake(&raw.action, detail, None));
        }
        let is_irreversible = raw.irreversible.as_ref().is_some_and(|said| said.value);
        match &raw.irreversible {
            Some(said) if said.value && action.is_reversible(&given) => {
                let hint = Some("leave `irreversible` out".to_owned());
                return Err(self.mistake(said, format!("`{}` can be undone", action.as_str()), hint));
            }
            _ if !is_irreversible && !action.is_reversible(&given) => {
                let hint = match action {
                    ActionKind::RunCommand => "name the command that does with `undo`, or say `irreversible: true`",
                    _ => "say `irreversible: true`",
                };
                let hint = Some(hint.to_owned());
                return Err(self.mistake(&raw.action, "nothing brings back what this does", hint));
            }
            _ => {}
        }
        Ok(PlaybookStep {
            id: raw.id.value,
            title: raw.title.value,
            phase: raw.phase,
            action,
            requires: raw.requires.into_iter().map(|id| id.value).collect(),
            risk: raw.risk,
            affects: raw.affects,
            is_irreversible,
            for_each,
            when,
            with,
        })
    }

    /// A value of a step; what it gives is held against what the action can read.
    fn value(
        &self,
        name: &str,
        text: &Spanned<String>,
        trial: &Trial<'_>,
        selected: &[usize],
    ) -> Result<Value, PlaybookError> {
        let inside = text.value.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let Some(inside) = inside else {
            if text.value.contains("${") {
                let hint = Some("put the text into the expression: `${'a' + f.subject.name}`".to_owned());
                return Err(self.mistake(text, "an expression is the whole value or none of it", hint));
            }
            check_value(name, &text.value).map_err(|(detail, hint)| self.mistake(text, detail, hint))?;
            return Ok(Value::Text(text.value.clone()));
        };
        let inputs: Vec<&str> = trial.inputs.0.keys().map(String::as_str).collect();
        let in_place = |fault: Fault| {
            let offset = text.value.find("${").unwrap_or_default() + 2;
            self.fault(text, Fault { at: fault.at.map(|at| at + offset), ..fault })
        };
        let expression = Expression::compile(inside, &inputs, &["f"]).map_err(in_place)?;
        for &index in selected.iter().take(1) {
            expression.text(&trial.facts, &trial.inputs, index).map_err(in_place)?;
        }
        Ok(Value::Expression(expression))
    }

    fn check_title(&self, title: &Spanned<String>) -> Result<(), PlaybookError> {
        let mut rest = title.value.as_str();
        while let Some((_, tail)) = rest.split_once('{') {
            let Some((word, tail)) = tail.split_once('}') else {
                return Err(self.mistake(title, "a `{` is never closed", None));
            };
            if !PLACEHOLDERS.contains(&word) {
                let detail = format!("there is no `{{{}}}` to put in", escape(word.as_bytes()));
                return Err(self.mistake(title, detail, suggestion(word, &PLACEHOLDERS)));
            }
            rest = tail;
        }
        Ok(())
    }

    fn compile(&self, text: &Spanned<String>, trial: &Trial<'_>, locals: &[&str]) -> Result<Expression, PlaybookError> {
        let inputs: Vec<&str> = trial.inputs.0.keys().map(String::as_str).collect();
        Expression::compile(&text.value, &inputs, locals).map_err(|fault| self.fault(text, fault))
    }

    /// A fault in an expression, at its place in the file where the file has the expression as it is, else at the scalar.
    fn fault(&self, scalar: &Spanned<String>, fault: Fault) -> PlaybookError {
        let mut place = self.0.place(scalar.referenced);
        let line = self.0.line(place.line);
        let skip = usize::try_from(place.column).unwrap_or(1).saturating_sub(1);
        let rest: String = line.unwrap_or_default().chars().skip(skip).collect();
        let quote = usize::from(rest.starts_with(['"', '\'']));
        let is_verbatim = rest.chars().skip(quote).collect::<String>().starts_with(&scalar.value);
        if let Some(head) = fault.at.filter(|_| is_verbatim).and_then(|at| scalar.value.get(..at)) {
            place = self.0.word(place.line, place.column + (quote + head.chars().count()) as u64);
        } else if let Some((line, column)) = fault.at.and_then(|at| self.folded(&scalar.value, at, place.line, skip)) {
            place = self.0.word(line, column);
        }
        PlaybookError::Invalid(self.0.mistake_in(place, format!("in this expression: {}", fault.detail), fault.hint))
    }

    /// Line and column of a byte of an expression that the file has over several lines: blanks apart, the same characters stand there in the
    /// same order. None where they do not.
    fn folded(&self, text: &str, at: usize, mut line: u64, mut skip: usize) -> Option<(u64, u64)> {
        let before = text.get(..at)?.chars().filter(|c| !c.is_whitespace()).count();
        let mut wanted = text.chars().filter(|c| !c.is_whitespace());
        let mut seen = 0;
        loop {
            for (column, found) in self.0.line(line)?.chars().enumerate().skip(skip).filter(|(_, c)| !c.is_whitespace())
            {
                if wanted.next() != Some(found) {
                    return None;
                }
                if seen == before {
                    return Some((line, column as u64 + 1));
                }
                seen += 1;
            }
            (line, skip) = (line + 1, 0);
        }
    }

    fn mistake<T>(&self, scalar: &Spanned<T>, detail: impl Into<String>, hint: Option<String>) -> PlaybookError {
        PlaybookError::Invalid(self.0.mistake(scalar, detail, hint))
    }
}

/// Says what is wrong with a value that stands in the file as it is, and what to do about it.
fn check_value(name: &str, text: &str) -> Result<(), (String, Option<String>)> {
    let shown = escape(text.as_bytes());
    match name {
        "mode" if u32::from_str_radix(text, 8).is_ok_and(|bits| bits <= 0o7777) => Ok(()),
        "mode" => Err((format!("`{shown}` is no mode"), Some("octal digits: `0644`".to_owned()))),
        "uid" | "gid" if text.parse::<u32>().is_ok() => Ok(()),
        "uid" | "gid" => Err((format!("`{shown}` is no number of an owner or group"), None)),
        "set" | "clear" => {
            const FLAGS: [&str; 2] = ["immutable", "append_only"];
            match text.split(',').map(str::trim).find(|word| !FLAGS.contains(word)) {
                Some(word) => {
                    Err((format!("there is no flag `{}`", escape(word.as_bytes())), suggestion(word, &FLAGS)))
                }
                None => Ok(()),
            }
        }
        "remove_matching" | "replace_matching" => regex::bytes::Regex::new(text).map(|_| ()).map_err(|error| {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            (format!("the regular expression cannot be read: {}", escape(last.as_bytes())), None)
        }),
        "shell" if !text.starts_with('/') => Err((
            format!("`{shown}` is no login shell"),
            Some("its path from the root: `/usr/sbin/nologin`".to_owned()),
        )),
        "verb" => {
            const VERBS: [&str; 6] = ["stop", "start", "restart", "reload", "enable", "disable"];
            if VERBS.contains(&text) {
                return Ok(());
            }
            Err((format!("nothing called `{shown}` is asked of a service"), suggestion(text, &VERBS)))
        }
        "command" | "undo" if !text.trim_start().trim_start_matches('\'').starts_with('/') => Err((
            format!("`{shown}` does not begin with a program from the root"),
            Some("its whole path: `/usr/sbin/fwconsole reload`".to_owned()),
        )),
        "limit" if !text.parse().is_ok_and(|seconds: u64| (1..=3600).contains(&seconds)) => {
            Err((format!("`{shown}` is no time limit"), Some("a number of seconds from 1 to 3600".to_owned())))
        }
        _ => Ok(()),
    }
}

fn is_input_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Names stand in file names, commands and journals: they are short and plain.
fn is_name(text: &str, with_family: bool) -> bool {
    let mut parts = text.split('/');
    let is_part = |part: &str| {
        !part.is_empty()
            && part.len() <= 64
            && !part.starts_with('-')
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let count = parts.clone().count();
    count <= if with_family { 2 } else { 1 } && parts.all(is_part)
}

/// A host that a playbook is tried on when it is loaded.
fn nobody() -> HostIdentity {
    HostIdentity { digest: Digest::of(b""), marks: Vec::new(), hostname: RawText::from("specimen") }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
