//! The format of `ForensicArtifacts` (docs/sources/Format-specification.md of its repository), as far as it is about Linux.

use super::yaml::{File, title_of};
use super::{Command, Contents, Definition, DefinitionError, Effect, PathRule, Template, TemplateError, Treatment};
use crate::model::{VolatileKind, escape, suggestion};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;
use std::collections::BTreeSet;

const TYPES: [&str; 9] =
    ["ARTIFACT", "ARTIFACT_GROUP", "COMMAND", "DIRECTORY", "FILE", "PATH", "REGISTRY_KEY", "REGISTRY_VALUE", "WMI"];
const LINUX: &str = "Linux";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDefinition {
    name: Spanned<String>,
    #[serde(default)]
    aliases: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    doc: String,
    sources: Vec<RawSource>,
    #[serde(default)]
    supported_os: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    urls: Option<Vec<String>>,
    // These say for whom a definition is, and are of no effect here.
    #[serde(default, rename = "labels")]
    _labels: IgnoredAny,
    #[serde(default, rename = "provides")]
    _provides: IgnoredAny,
    #[serde(default)]
    conditions: Option<Spanned<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSource {
    #[serde(rename = "type")]
    kind: Spanned<String>,
    #[serde(default)]
    attributes: RawAttributes,
    #[serde(default)]
    supported_os: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    conditions: Option<Spanned<IgnoredAny>>,
    #[serde(default, rename = "provides")]
    _provides: IgnoredAny,
    #[serde(default, rename = "returned_types")]
    _returned_types: IgnoredAny,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAttributes {
    #[serde(default)]
    paths: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    separator: Option<Spanned<String>>,
    #[serde(default)]
    names: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    cmd: Option<Spanned<String>>,
    #[serde(default)]
    args: Option<Vec<String>>,
    #[serde(default, rename = "keys")]
    _keys: IgnoredAny,
    #[serde(default, rename = "key_value_pairs")]
    _key_value_pairs: IgnoredAny,
    #[serde(default, rename = "query")]
    _query: IgnoredAny,
    #[serde(default, rename = "base_object")]
    _base_object: IgnoredAny,
}

pub(super) fn read(file: &File<'_>) -> Result<Contents, DefinitionError> {
    let mut contents = Contents::default();
    let mut names = BTreeSet::new();
    let (text, shifts) = readable(file.text);
    let file = &file.shifted(shifts);
    for raw in file.documents::<RawDefinition>(&text)? {
        file.check_name(&raw.name)?;
        if !names.insert(raw.name.value.clone()) {
            return Err(file.mistake(&raw.name, "another artifact of this file has this name", None));
        }
        let name = raw.name.value.clone();
        match definition(file, raw)? {
            Some(definition) => contents.definitions.push(definition),
            None => contents.foreign.push(name),
        }
    }
    Ok(contents)
}

/// The text with a blank behind the colon of `{paths:['/x']}`, which the community's tools read and YAML does not; and where they are.
fn readable(text: &str) -> (String, Vec<(u64, u64)>) {
    let mut out = String::with_capacity(text.len());
    let mut shifts = Vec::new();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let (mut before, mut word, mut column) = (' ', false, 0);
        // Whether this is the key of a flow mapping, and whether it is in quotes.
        let (mut is_key, mut is_quoted) = (false, false);
        for letter in line.chars() {
            column += 1;
            if before == ':' && word && is_key && !is_quoted && matches!(letter, '[' | '{' | '\'' | '"') {
                out.push(' ');
                shifts.push((number, column));
                column += 1;
            }
            match letter {
                '{' | ',' => is_key = true,
                ' ' => {}
                ':' => word = before.is_ascii_alphanumeric(),
                letter if letter.is_ascii_lowercase() || letter == '_' => {}
                _ => is_key = false,
            }
            is_quoted ^= letter == '\'';
            out.push(letter);
            before = letter;
        }
    }
    (out, shifts)
}

/// The definition, so far as it is for Linux; none where nothing of it is.
fn definition(file: &File<'_>, raw: RawDefinition) -> Result<Option<Definition>, DefinitionError> {
    let mut made = Definition {
        aliases: Vec::new(),
        title: title_of(&raw.doc),
        description: raw.doc.trim_end().to_owned(),
        urls: raw.urls.unwrap_or_default(),
        origin: file.origin(&raw.name),
        is_sensitive: false,
        rules: Vec::new(),
        volatile: BTreeSet::new(),
        members: Vec::new(),
        commands: Vec::new(),
        notices: Vec::new(),
        name: raw.name.value.clone(),
    };
    for alias in raw.aliases.into_iter().flatten() {
        file.check_name(&alias)?;
        made.aliases.push(alias.value);
    }
    if let Some(conditions) = &raw.conditions {
        made.notices.push(file.notice(&made.name, conditions, Effect::More, "its conditions are not looked at"));
    }
    let of_all = is_for_linux(file, raw.supported_os.as_deref())?;
    let mut is_ours = false;
    for source in raw.sources {
        if let Some(kind) = TYPES.iter().find(|kind| **kind == source.kind.value) {
            // A list of its own goes before that of the definition.
            if is_for_linux(file, source.supported_os.as_deref())?.or(of_all).unwrap_or(true) {
                is_ours |= add_source(file, kind, source, &mut made)?;
            }
        } else {
            let detail = format!("there is no type `{}`", escape(source.kind.value.as_bytes()));
            return Err(file.mistake(&source.kind, detail, suggestion(&source.kind.value, &TYPES)));
        }
    }
    Ok(is_ours.then_some(made))
}

/// What a list of systems says of Linux; none where there is no list.
fn is_for_linux(file: &File<'_>, systems: Option<&[Spanned<String>]>) -> Result<Option<bool>, DefinitionError> {
    let Some(systems) = systems else { return Ok(None) };
    if let Some(wrong) = systems.iter().find(|name| name.value != LINUX && name.value.eq_ignore_ascii_case(LINUX)) {
        let hint = Some(format!("did you mean `{LINUX}`?"));
        return Err(file.mistake(wrong, "there is no system of this name", hint));
    }
    Ok(if systems.is_empty() { None } else { Some(systems.iter().any(|name| name.value == LINUX)) })
}

/// Adds a source; says whether it is one that a Linux host can have.
fn add_source(file: &File<'_>, kind: &str, source: RawSource, made: &mut Definition) -> Result<bool, DefinitionError> {
    let RawSource { kind: at, attributes, conditions, .. } = source;
    let missing = |field: &str| file.mistake(&at, format!("a source of type `{kind}` has `{field}`"), None);
    if let Some(conditions) = &conditions {
        made.notices.push(file.notice(&made.name, conditions, Effect::More, "its conditions are not looked at"));
    }
    match kind {
        "FILE" => {
            let paths = attributes.paths.ok_or_else(|| missing("paths"))?;
            file.check_count(&at, paths.len())?;
            add_paths(file, &paths, attributes.separator.as_ref(), &[""], Treatment::Collect, made)?;
        }
        // The contents of a folder: what lies directly in it.
        "PATH" | "DIRECTORY" => {
            let paths = attributes.paths.ok_or_else(|| missing("paths"))?;
            file.check_count(&at, paths.len())?;
            add_paths(file, &paths, attributes.separator.as_ref(), &["", "/*"], Treatment::List, made)?;
        }
        "COMMAND" => {
            let cmd = attributes.cmd.ok_or_else(|| missing("cmd"))?;
            let args = attributes.args.unwrap_or_default();
            let text = std::iter::once(cmd.value.as_str()).chain(args.iter().map(String::as_str)).collect::<Vec<_>>();
            let text = text.join(" ");
            let served_by = VolatileKind::served_for(&cmd.value);
            if served_by.is_none() {
                let text = format!("the command `{}` is not run", escape(text.as_bytes()));
                made.notices.push(file.notice(&made.name, &cmd, Effect::Less, text));
            }
            made.volatile.extend(served_by);
            made.commands.push(Command { text, served_by });
        }
        "ARTIFACT_GROUP" | "ARTIFACT" => {
            let names = attributes.names.ok_or_else(|| missing("names"))?;
            file.check_count(&at, names.len())?;
            made.members.extend(names.iter().map(|name| file.reference("artifact", name)));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn add_paths(
    file: &File<'_>,
    paths: &[Spanned<String>],
    separator: Option<&Spanned<String>>,
    tails: &[&str],
    treatment: Treatment,
    made: &mut Definition,
) -> Result<(), DefinitionError> {
    if let Some(separator) = separator.filter(|separator| separator.value != "/") {
        return Err(file.mistake(separator, "paths of a Linux host are separated by `/`", None));
    }
    let mut templates = Vec::new();
    for path in paths {
        for tail in tails {
            match Template::new(&format!("{}{tail}", path.value)) {
                Ok(template) => templates.push(template),
                Err(error @ TemplateError::Variable(_)) => {
                    let text = format!("`{}` is not read: {error}", escape(path.value.as_bytes()));
                    made.notices.push(file.notice(&made.name, path, Effect::Less, text));
                    break;
                }
                Err(error) => return Err(file.mistake(path, error.to_string(), None)),
            }
        }
    }
    if !templates.is_empty() {
        made.rules.push(PathRule { paths: templates, except: Vec::new(), treatment });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_is_put_in_only_behind_the_key_of_a_flow_mapping() {
        let (text, shifts) = readable("a: {paths:['/x'], b:[c]}\n- {x: '{a:[b]}'}\nurl: http://x/:[\n");
        assert_eq!(text, "a: {paths: ['/x'], b: [c]}\n- {x: '{a:[b]}'}\nurl: http://x/:[\n");
        assert_eq!(shifts, [(1, 11), (1, 22)]);
    }
}
