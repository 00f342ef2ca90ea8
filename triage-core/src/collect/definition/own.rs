//! Our own format: artifacts and profiles, `format_version: 1`.

use super::yaml::File;
use super::{Contents, Definition, DefinitionError, PathRule, ProfileDefinition, Treatment};
use crate::model::VolatileKind;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;
use std::collections::BTreeSet;
use std::fmt;

/// The version that this library reads.
const VERSION: u32 = 1;

/// Only the version, whatever else the file has: a later version may have fields that this one does not know.
#[derive(Deserialize)]
struct Versioned {
    format_version: Spanned<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(rename = "format_version")]
    _format_version: u32,
    #[serde(default)]
    name: Option<Spanned<String>>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    includes: Vec<Spanned<String>>,
    #[serde(default)]
    artifacts: Vec<Spanned<RawItem>>,
}

/// In a profile either the name of an artifact or the artifact itself.
enum RawItem {
    Name(String),
    Artifact(Box<RawArtifact>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawArtifact {
    name: Spanned<String>,
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    urls: Vec<String>,
    #[serde(default)]
    aliases: Vec<Spanned<String>>,
    #[serde(default)]
    is_sensitive: bool,
    #[serde(default)]
    is_listed_only: bool,
    #[serde(default)]
    is_hashed_only: bool,
    #[serde(default)]
    paths: Vec<Spanned<String>>,
    #[serde(default)]
    except: Vec<Spanned<String>>,
    #[serde(default)]
    volatile: Vec<VolatileKind>,
    #[serde(default)]
    includes: Vec<Spanned<String>>,
}

impl<'de> Deserialize<'de> for RawItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RawItem;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an artifact or an artifact")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<RawItem, E> {
                Ok(RawItem::Name(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawItem, A::Error> {
                RawArtifact::deserialize(de::value::MapAccessDeserializer::new(map))
                    .map(|artifact| RawItem::Artifact(Box::new(artifact)))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

pub(super) fn read(file: &File<'_>) -> Result<Contents, DefinitionError> {
    let mut contents = Contents::default();
    for versioned in file.documents::<Versioned>(file.text)? {
        if versioned.format_version.value != VERSION {
            let detail = format!("format version {} is not known", versioned.format_version.value);
            let hint = Some(format!("this version of triage reads format version {VERSION}"));
            return Err(file.mistake(&versioned.format_version, detail, hint));
        }
    }
    for raw in file.documents::<RawFile>(file.text)? {
        document(file, raw, &mut contents)?;
    }
    let mut names = BTreeSet::new();
    for definition in &contents.definitions {
        names.insert(definition.name.as_str());
    }
    debug_assert_eq!(names.len(), contents.definitions.len());
    Ok(contents)
}

fn document(file: &File<'_>, raw: RawFile, contents: &mut Contents) -> Result<(), DefinitionError> {
    let mut artifacts = Vec::new();
    for item in raw.artifacts {
        let at = item.referenced;
        match item.value {
            RawItem::Name(name) => {
                let name = Spanned::new(name, at, at);
                if raw.name.is_none() {
                    let hint = Some(
                        "a file of artifacts defines them; a profile, which has a `name`, may name them".to_owned(),
                    );
                    return Err(file.mistake(&name, "an artifact is expected here", hint));
                }
                artifacts.push(file.reference("artifact", &name));
            }
            RawItem::Artifact(raw) => {
                if contents.definitions.iter().any(|other| other.name == raw.name.value) {
                    return Err(file.mistake(&raw.name, "another artifact of this file has this name", None));
                }
                artifacts.push(file.reference("artifact", &raw.name));
                contents.definitions.push(definition(file, *raw)?);
            }
        }
    }
    let Some(name) = raw.name else {
        if let Some(first) = raw.includes.first() {
            let hint = Some("give the profile a `name`".to_owned());
            return Err(file.mistake(first, "only a profile includes profiles", hint));
        }
        return Ok(());
    };
    file.check_name(&name)?;
    if name.value.contains(['+', '/']) {
        return Err(file.mistake(&name, "the name of a profile has no `+` and no `/`", None));
    }
    if contents.profiles.iter().any(|other| other.name == name.value) {
        return Err(file.mistake(&name, "another profile of this file has this name", None));
    }
    contents.profiles.push(ProfileDefinition {
        title: raw.title.unwrap_or_default(),
        description: raw.description,
        includes: raw.includes.iter().map(|name| file.reference("profile", name)).collect(),
        artifacts,
        origin: file.origin(&name),
        name: name.value,
    });
    Ok(())
}

fn definition(file: &File<'_>, raw: RawArtifact) -> Result<Definition, DefinitionError> {
    file.check_name(&raw.name)?;
    raw.aliases.iter().try_for_each(|alias| file.check_name(alias))?;
    file.check_count(&raw.name, raw.paths.len() + raw.except.len())?;
    if raw.paths.is_empty() && raw.volatile.is_empty() && raw.includes.is_empty() {
        let hint = Some("an artifact has `paths`, `volatile` state, or `includes` other artifacts".to_owned());
        return Err(file.mistake(&raw.name, "this artifact names nothing", hint));
    }
    let treatment = match (raw.is_listed_only, raw.is_hashed_only) {
        (true, true) => {
            return Err(file.mistake(&raw.name, "an artifact is listed only or hashed only, not both", None));
        }
        (true, false) => Treatment::List,
        (false, true) => Treatment::Hash,
        (false, false) => Treatment::Collect,
    };
    let paths = raw.paths.iter().map(|path| file.template(path)).collect::<Result<Vec<_>, _>>()?;
    let except = raw.except.iter().map(|path| file.template(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(Definition {
        aliases: raw.aliases.into_iter().map(|alias| alias.value).collect(),
        title: raw.title,
        description: raw.description,
        urls: raw.urls,
        origin: file.origin(&raw.name),
        is_sensitive: raw.is_sensitive,
        rules: if paths.is_empty() { Vec::new() } else { vec![PathRule { paths, except, treatment }] },
        volatile: raw.volatile.into_iter().collect(),
        members: raw.includes.iter().map(|name| file.reference("artifact", name)).collect(),
        commands: Vec::new(),
        notices: Vec::new(),
        name: raw.name.value,
    })
}
