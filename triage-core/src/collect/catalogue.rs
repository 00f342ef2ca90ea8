//! All definitions that are loaded, by name, and what is chosen of them.

use super::definition::{
    self, Contents, Definition, DefinitionError, Effect, Format, Notice, ProfileDefinition, Reference,
};
use super::{Profile, ProfileError};
use crate::model::{EvidencePath, Mistake, escape, suggestion};
use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};

/// The most definitions that are kept.
const MAX_DEFINITIONS: usize = 20_000;

/// Definitions and profiles: those that came with this program and those of its user.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    definitions: BTreeMap<String, Definition>,
    aliases: BTreeMap<String, String>,
    profiles: BTreeMap<String, ProfileDefinition>,
    foreign: BTreeSet<String>,
    notices: Vec<Notice>,
}

/// What a file added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Artifacts.
    pub artifacts: usize,
    /// Profiles.
    pub profiles: usize,
    /// Definitions for other systems than Linux, which are not kept.
    pub foreign: usize,
}

/// A name that leads nowhere, or back to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What and where.
    pub mistake: Mistake,
    /// Whether what needs it is unusable; else it is used without.
    pub is_error: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Node<'c> {
    Profile(&'c str),
    Artifact(&'c str),
}

impl Catalogue {
    /// What came with this program.
    ///
    /// # Errors
    /// None that a test has not ruled out.
    pub fn builtin() -> Result<Self, DefinitionError> {
        let mut catalogue = Self::default();
        for (file, text) in crate::builtin::BUILTIN_RULES {
            if file.starts_with("profiles/") || file.starts_with("artifacts/") {
                catalogue.load(&format!("rules/{file}"), text.as_bytes(), true)?;
            }
        }
        Ok(catalogue)
    }

    /// Adds a file of definitions, of whichever format. What has the name of a definition that is there already takes its place, with a notice.
    ///
    /// # Errors
    /// [`DefinitionError`], for the first mistake in it; then nothing of it is added.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<Added, DefinitionError> {
        self.load(name, bytes, false)
    }

    fn load(&mut self, name: &str, bytes: &[u8], is_builtin: bool) -> Result<Added, DefinitionError> {
        let Contents { definitions, profiles, foreign } = definition::read(name, bytes, is_builtin)?;
        if self.definitions.len() + definitions.len() > MAX_DEFINITIONS {
            return Err(DefinitionError::TooMany { name: escape(name.as_bytes()), limit: MAX_DEFINITIONS });
        }
        let added = Added { artifacts: definitions.len(), profiles: profiles.len(), foreign: foreign.len() };
        for definition in definitions {
            let name = definition.name.clone();
            for alias in &definition.aliases {
                self.aliases.entry(alias.clone()).or_insert_with(|| name.clone());
            }
            let (file, line) = (definition.origin.file.clone(), definition.origin.line);
            if let Some(old) = self.definitions.insert(name.clone(), definition) {
                let text =
                    format!("it takes the place of the artifact in {}, line {}", old.origin.file, old.origin.line);
                self.notices.push(Notice { name, file, line, effect: Effect::Replaces, text });
            }
        }
        for profile in profiles {
            let name = profile.name.clone();
            let (file, line) = (profile.origin.file.clone(), profile.origin.line);
            if let Some(old) = self.profiles.insert(name.clone(), profile) {
                let text =
                    format!("it takes the place of the profile in {}, line {}", old.origin.file, old.origin.line);
                self.notices.push(Notice { name, file, line, effect: Effect::Replaces, text });
            }
        }
        self.foreign.extend(foreign);
        Ok(added)
    }

    /// All artifacts, by name.
    pub fn artifacts(&self) -> impl Iterator<Item = &Definition> {
        self.definitions.values()
    }

    /// All profiles, by name.
    pub fn profiles(&self) -> impl Iterator<Item = &ProfileDefinition> {
        self.profiles.values()
    }

    /// Definitions for other systems that were passed over.
    pub fn foreign(&self) -> usize {
        self.foreign.len()
    }

    /// What replaced what.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The artifact of this name or alias.
    pub fn artifact(&self, name: &str) -> Option<&Definition> {
        self.definitions.get(name).or_else(|| self.definitions.get(self.aliases.get(name)?))
    }

    /// The profile of this name.
    pub fn profile(&self, name: &str) -> Option<&ProfileDefinition> {
        self.profiles.get(name)
    }

    /// Everything that profiles and artifacts of these names come to.
    ///
    /// # Errors
    /// [`ProfileError::Unknown`] and [`ProfileError::UnknownArtifact`] for a name that is not there, [`ProfileError::Definition`] for a definition
    /// that names what is not there or leads back to itself.
    pub fn select(&self, profiles: &[String], artifacts: &[String]) -> Result<Profile, ProfileError> {
        let mut start = Vec::new();
        for name in profiles {
            let Some((name, _)) = self.profiles.get_key_value(name) else {
                return Err(ProfileError::Unknown {
                    name: escape(name.as_bytes()),
                    known: self.profiles.keys().cloned().collect(),
                });
            };
            start.push(Node::Profile(name));
        }
        for name in artifacts {
            let Some(found) = self.artifact(name) else {
                let known: Vec<&str> = self.definitions.keys().map(String::as_str).collect();
                return Err(ProfileError::UnknownArtifact {
                    hint: crate::model::suggestion(name, &known).filter(|_| known.len() < 40 || near(name, &known)),
                    name: escape(name.as_bytes()),
                });
            };
            start.push(Node::Artifact(&found.name));
        }
        let mut problems = Vec::new();
        let reached = self.reach(start, &mut problems);
        let mut notices: Vec<Notice> = Vec::new();
        for problem in problems {
            if problem.is_error {
                return Err(ProfileError::Definition(DefinitionError::Invalid(Box::new(problem.mistake))));
            }
            let Mistake { name: file, line, detail: text, .. } = problem.mistake;
            notices.push(Notice { name: String::new(), file, line, effect: Effect::Less, text });
        }
        let definitions: Vec<Definition> = reached
            .into_iter()
            .filter_map(|node| match node {
                Node::Artifact(name) => self.definitions.get(name).cloned(),
                Node::Profile(_) => None,
            })
            .collect();
        notices.extend(definitions.iter().flat_map(|definition| definition.notices.iter().cloned()));
        let name = profiles.iter().chain(artifacts).map(String::as_str).collect::<Vec<_>>().join("+");
        Ok(Profile::new(name, definitions, notices))
    }

    /// The profile that fits a host: `freepbx` where there is a telephone system, else `web`.
    ///
    /// # Errors
    /// As [`Catalogue::select`].
    pub fn fitting(&self, source: &dyn Source) -> Result<Profile, ProfileError> {
        const MARKS: [&str; 5] = [
            "/etc/freepbx.conf",
            "/etc/amportal.conf",
            "/etc/issabel.conf",
            "/etc/elastix.conf",
            "/var/www/html/admin/modules/framework",
        ];
        let is_there = |mark: &&str| {
            EvidencePath::new(mark).is_ok_and(|path| source.metadata(&path).is_ok_and(|found| found.is_some()))
        };
        let name = if MARKS.iter().any(is_there) { "freepbx" } else { "web" };
        self.select(&[name.to_owned()], &[])
    }

    /// Every name that leads nowhere or back to itself.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let profiles = self.profiles.keys().map(|name| Node::Profile(name));
        self.reach(profiles.chain(self.definitions.keys().map(|name| Node::Artifact(name))).collect(), &mut problems);
        problems
    }

    /// All that the nodes lead to, themselves included, each once, in the order in which they are met.
    fn reach<'c>(&'c self, start: Vec<Node<'c>>, problems: &mut Vec<Problem>) -> Vec<Node<'c>> {
        let mut order = Vec::new();
        let mut met = BTreeSet::new();
        // A stack of its own: a chain of definitions may be longer than the thread's stack is deep.
        for first in start {
            if !met.insert(first) {
                continue;
            }
            order.push(first);
            let mut path = vec![(first, self.children(first))];
            let mut on_path = BTreeSet::from([first]);
            while let Some((node, children)) = path.last_mut() {
                let Some((reference, is_profile)) = children.pop() else {
                    on_path.remove(node);
                    path.pop();
                    continue;
                };
                let Some(child) = self.node(reference, is_profile, problems) else { continue };
                if on_path.contains(&child) {
                    let names: Vec<&str> =
                        path.iter().map(|(node, _)| node.name()).skip_while(|n| *n != child.name()).collect();
                    let mut mistake = (*reference.mistake).clone();
                    mistake.detail = format!("`{}` leads back to itself: {} -> {0}", child.name(), shortened(&names));
                    mistake.hint = None;
                    problems.push(Problem { mistake, is_error: true });
                } else if met.insert(child) {
                    order.push(child);
                    on_path.insert(child);
                    path.push((child, self.children(child)));
                }
            }
        }
        order
    }

    /// What a node names, the last first.
    fn children(&self, node: Node<'_>) -> Vec<(&Reference, bool)> {
        match node {
            Node::Profile(name) => self.profiles.get(name).map_or_else(Vec::new, |profile| {
                let artifacts = profile.artifacts.iter().map(|reference| (reference, false));
                profile.includes.iter().map(|reference| (reference, true)).chain(artifacts).rev().collect()
            }),
            Node::Artifact(name) => self.definitions.get(name).map_or_else(Vec::new, |definition| {
                definition.members.iter().map(|reference| (reference, false)).rev().collect()
            }),
        }
    }

    fn node<'c>(&'c self, reference: &Reference, is_profile: bool, problems: &mut Vec<Problem>) -> Option<Node<'c>> {
        let found = if is_profile {
            self.profiles.get_key_value(&reference.name).map(|(name, _)| Node::Profile(name))
        } else {
            self.artifact(&reference.name).map(|found| Node::Artifact(&found.name))
        };
        // What is for another system is not missed here.
        if found.is_none() && (is_profile || !self.foreign.contains(&reference.name)) {
            let known: Vec<&str> = if is_profile {
                self.profiles.keys().map(String::as_str).collect()
            } else {
                self.definitions.keys().map(String::as_str).collect()
            };
            let mut mistake = (*reference.mistake).clone();
            mistake.hint = if near(&reference.name, &known) { suggestion(&reference.name, &known) } else { None };
            problems.push(Problem { mistake, is_error: reference.format == Format::Triage });
        }
        found
    }
}

impl<'c> Node<'c> {
    fn name(self) -> &'c str {
        match self {
            Self::Profile(name) | Self::Artifact(name) => name,
        }
    }
}

/// Says whether one of them is probably meant; a list of hundreds is no hint.
fn near(name: &str, known: &[&str]) -> bool {
    suggestion(name, known).is_some_and(|hint| hint.starts_with("did you mean"))
}

fn shortened(names: &[&str]) -> String {
    match names {
        [first, .., last] if names.len() > 8 => format!("{first} -> … -> {last}"),
        names => names.join(" -> "),
    }
}
