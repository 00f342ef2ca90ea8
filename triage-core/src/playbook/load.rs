//! Reading a playbook's YAML, and finding everything that is wrong with it before it is used.

use super::PlaybookError;
use super::expression::{Expression, Facts, Fault, specimens};
use super::{ActionKind, Affects, Phase, Playbook, PlaybookStep, Risk};
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

/// Only the version, whatever else the file has: a later version may have fields that this one does not know.
#[derive(Deserialize)]
struct Versioned {
    format_version: Spanned<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlaybook {
    #[serde(rename = "format_version")]
    _format_version: u32,
    name: Spanned<String>,
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    references: Vec<String>,
    steps: Vec<RawStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    id: Spanned<String>,
    title: Spanned<String>,
    phase: Phase,
    for_each: Spanned<String>,
    #[serde(default)]
    when: Option<Spanned<String>>,
    action: ActionKind,
    #[serde(default)]
    requires: Vec<Spanned<String>>,
    risk: Risk,
    #[serde(default)]
    affects: Vec<Affects>,
}

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
        let facts = Facts::new(&specimens(), &nobody());
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
        let steps = raw.steps.into_iter().map(|step| self.step(step, &facts)).collect::<Result<_, _>>()?;
        Ok(Playbook {
            name: raw.name.value,
            title: raw.title,
            description: raw.description,
            references: raw.references,
            steps,
        })
    }

    fn step(&self, raw: RawStep, facts: &Facts) -> Result<PlaybookStep, PlaybookError> {
        self.check_title(&raw.title)?;
        let for_each = self.compile(&raw.for_each)?;
        // Tried on one finding of each kind, so that what can only fail is found now and not on the day.
        let selected = for_each.select(facts).map_err(|fault| self.fault(&raw.for_each, fault))?;
        let specimens = specimens();
        let misfit = selected.iter().filter_map(|&index| specimens.get(index)).find(|f| !raw.action.takes(&f.subject));
        if let Some(finding) = misfit {
            let detail = format!(
                "this selects {} subjects, which `{}` cannot take",
                finding.subject.kind(),
                raw.action.as_str()
            );
            let hint = Some(format!(
                "select by `f.subject.type`; `{}` takes {} subjects",
                raw.action.as_str(),
                raw.action.subjects()
            ));
            return Err(self.mistake(&raw.for_each, detail, hint));
        }
        let when = match &raw.when {
            Some(text) => {
                let when = self.compile(text)?;
                when.holds(facts).map_err(|fault| self.fault(text, fault))?;
                Some(when)
            }
            None => None,
        };
        Ok(PlaybookStep {
            id: raw.id.value,
            title: raw.title.value,
            phase: raw.phase,
            action: raw.action,
            requires: raw.requires.into_iter().map(|id| id.value).collect(),
            risk: raw.risk,
            affects: raw.affects,
            for_each,
            when,
        })
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

    fn compile(&self, text: &Spanned<String>) -> Result<Expression, PlaybookError> {
        Expression::compile(&text.value).map_err(|fault| self.fault(text, fault))
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
        }
        PlaybookError::Invalid(self.0.mistake_in(place, format!("in this expression: {}", fault.detail), fault.hint))
    }

    fn mistake<T>(&self, scalar: &Spanned<T>, detail: impl Into<String>, hint: Option<String>) -> PlaybookError {
        PlaybookError::Invalid(self.0.mistake(scalar, detail, hint))
    }
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::NO_ANCHORS;
    use crate::playbook::{builtin, builtin_names};

    const GOOD: &str = r#"format_version: 1
name: test/one
title: A test
steps:
  - id: shells
    title: Quarantine {path}
    phase: remove
    for_each: findings.filter(f, f.category == "web_shell" && f.subject.type == "file")
    action: quarantine_file
    risk: low
    affects: [web]
  - id: accounts
    title: Lock {name}
    phase: rotate
    for_each: "findings.filter(f, f.subject.type == 'account')"
    when: size(findings) > 0
    action: lock_account
    requires: [shells]
    risk: medium
"#;

    fn refused(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        Playbook::load("test.yaml", &GOOD.replacen(from, to, 1)).unwrap_err().to_string()
    }

    #[test]
    fn a_good_playbook_loads() {
        let playbook = Playbook::load("test.yaml", GOOD).unwrap();
        assert_eq!(playbook.name, "test/one");
        assert_eq!(playbook.steps.iter().map(|step| step.phase).collect::<Vec<_>>(), [Phase::Remove, Phase::Rotate]);
    }

    #[test]
    fn every_built_in_playbook_loads_and_has_its_own_name() {
        for name in builtin_names() {
            match builtin(name).unwrap() {
                Ok(playbook) => assert_eq!(playbook.name, name),
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn a_misspelt_field_is_shown_with_line_column_caret_and_what_was_meant() {
        assert_eq!(
            refused("    for_each: findings", "    foreach: findings"),
            "playbook `test.yaml`, line 8, column 5: there is no field `foreach`\n  |\n\
             8 |     foreach: findings.filter(f, f.category == \"web_shell\" && f.subject.type == \"file\")\n  |     ^^^^^^^\n  \
             = did you mean `for_each`?"
        );
    }

    #[test]
    fn a_misspelt_word_is_shown_too() {
        let text = refused("action: lock_account", "action: lock_acount");
        assert!(text.starts_with("playbook `test.yaml`, line 17, column 13: `lock_acount` is none"), "{text}");
        assert!(text.ends_with("= did you mean `lock_account`?"), "{text}");
    }

    #[test]
    fn a_mistake_in_an_expression_has_its_place_in_the_file() {
        let text = refused("f.category == \"web_shell\"", "f.categry == \"web_shell\"");
        assert!(
            text.starts_with(
                "playbook `test.yaml`, line 8, column 35: in this expression: there is no field `categry`"
            ),
            "{text}"
        );
        assert!(text.ends_with("= did you mean `category`?"), "{text}");
        let text = refused("\"findings.filter(f, f.subject.type == 'account')\"", "\"findings.filter(f, \"");
        assert!(text.starts_with("playbook `test.yaml`, line 15, column "), "{text}");
        let text = refused("when: size(findings) > 0", "when: size(findings)");
        assert!(text.contains("line 16, column 11: in this expression: it is neither true nor false"), "{text}");
        let text = refused("f.category == \"web_shell\" &&", "f.confidence > \"high\" &&");
        assert!(text.contains("line 8, column 15: in this expression"), "{text}");
    }

    #[test]
    fn an_action_that_cannot_take_the_subject_is_refused() {
        let text = refused("&& f.subject.type == \"file\"", "");
        assert!(text.contains("this selects account subjects, which `quarantine_file` cannot take"), "{text}");
    }

    #[test]
    fn steps_that_are_not_there_or_run_later_cannot_be_required() {
        let text = refused("requires: [shells]", "requires: [shels]");
        assert!(text.contains("line 18, column 16: there is no step `shels`") && text.ends_with("`shells`?"), "{text}");
        assert!(refused("requires: [shells]", "requires: [accounts]").contains("runs after this one"));
        assert!(refused("id: accounts", "id: shells").contains("another step has this id"));
    }

    #[test]
    fn what_a_reviewer_could_overlook_is_not_read() {
        assert!(refused("title: A test", "title: &a A test").contains(NO_ANCHORS));
        assert!(refused("title: A test", "title: *a").contains(NO_ANCHORS));
        assert!(refused("    risk: low\n", "    <<: {risk: low}\n").contains(NO_ANCHORS));
        let text = refused("    risk: low\n", "    risk: low\n    risk: high\n");
        assert!(text.contains("line 11, column 5: the field `risk` stands here twice"), "{text}");
        let two = format!("{GOOD}---\n{GOOD}");
        assert!(Playbook::load("x", &two).is_err());
    }

    #[test]
    fn unknown_versions_and_placeholders_and_names_are_refused() {
        let text = refused("format_version: 1", "format_version: 2\nfrom_the_future: yes");
        assert!(text.starts_with("playbook `test.yaml`, line 1, column 17: format version 2 is not known"), "{text}");
        assert!(refused("{path}", "{pth}").contains("did you mean `path`?"));
        assert!(refused("{path}", "{path").contains("never closed"));
        assert!(refused("test/one", "Test One").contains("name of a playbook"));
        assert!(refused("    risk: low\n", "").contains("the field `risk` is missing"));
    }

    #[test]
    fn hostile_files_are_refused_and_nothing_hangs() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        let many = "- a\n".repeat(60_000);
        let tabs = "\t".repeat(1000);
        for text in [
            "",
            "\0",
            "a: b: c",
            "- - -",
            "%YAML 9",
            "\u{feff}",
            "!!binary x",
            &deep,
            &many,
            &tabs,
            &"x".repeat(300_000),
        ] {
            assert!(Playbook::load("x", text).is_err());
        }
    }
}
