//! What a profile or an artifact would read on one host, and who says so.

use super::definition::{Command, Definition, Notice, Origin, PathRule, ProfileDefinition, Template, Treatment};
use super::profile::places;
use super::{Catalogue, ProfileError};
use crate::model::{EvidencePath, Gap, Pattern, VolatileKind};
use crate::source::Source;
use serde::Serialize;
use std::collections::BTreeSet;

/// The version of the JSON of a listing and of an explanation.
const FORMAT_VERSION: u32 = 1;

/// All that is loaded.
#[derive(Clone, Debug, Serialize)]
pub struct Listing<'c> {
    /// 1.
    pub format_version: u32,
    /// Profiles, by name.
    pub profiles: Vec<&'c ProfileDefinition>,
    /// Artifacts, by name.
    pub artifacts: Vec<&'c Definition>,
    /// Definitions for other systems, which were passed over.
    pub foreign_definitions: usize,
    /// What replaced what.
    pub notices: &'c [Notice],
}

/// A profile or an artifact on one host.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// 1.
    pub format_version: u32,
    /// Its name.
    pub name: String,
    /// Whether it is a profile.
    pub is_profile: bool,
    /// What it is, in a line.
    pub title: String,
    /// What it is, at length.
    pub description: String,
    /// Where it is defined.
    pub origin: Origin,
    /// The profiles that have it, by themselves or through others.
    pub in_profiles: Vec<String>,
    /// The artifacts that it comes to: of an artifact itself, then what it includes.
    pub artifacts: Vec<ExplainedArtifact>,
    /// The homes that `%%users.homedir%%` stands for here.
    pub homes: Vec<String>,
    /// The web roots that `%%webroots%%` stands for here.
    pub web_roots: Vec<String>,
    /// What kept us from finding them.
    pub gaps: Vec<Gap>,
}

/// One artifact on one host.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedArtifact {
    /// Its name.
    pub name: String,
    /// What it is, in a line.
    pub title: String,
    /// What it is, at length.
    pub description: String,
    /// Where to read more.
    pub urls: Vec<String>,
    /// Where it is defined.
    pub origin: Origin,
    /// Whether it holds secrets.
    pub is_sensitive: bool,
    /// Live state that it wants of a running host.
    pub volatile: BTreeSet<VolatileKind>,
    /// Its paths.
    pub paths: Vec<ExplainedPath>,
    /// Commands that are not run.
    pub commands: Vec<Command>,
    /// What of it is not done as it says.
    pub notices: Vec<Notice>,
}

/// One path of a definition on one host.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedPath {
    /// As it is written.
    pub path: String,
    /// What is done with what it names.
    pub treatment: Treatment,
    /// What it comes to here; nothing where no home, web root or account stands for its beginning.
    pub patterns: Vec<String>,
    /// What of it is not meant, here.
    pub except: Vec<String>,
}

impl Catalogue {
    /// All that is loaded.
    pub fn listing(&self) -> Listing<'_> {
        Listing {
            format_version: FORMAT_VERSION,
            profiles: self.profiles().collect(),
            artifacts: self.artifacts().collect(),
            foreign_definitions: self.foreign(),
            notices: self.notices(),
        }
    }

    /// What a profile or an artifact of this name would read.
    ///
    /// # Errors
    /// As [`Catalogue::select`].
    pub fn explain(&self, name: &str, source: &dyn Source) -> Result<Explanation, ProfileError> {
        let profile = self.profile(name);
        let names = [name.to_owned()];
        let chosen = if profile.is_some() { self.select(&names, &[])? } else { self.select(&[], &names)? };
        let (title, description, origin) = match (profile, self.artifact(name)) {
            (Some(profile), _) => (&profile.title, &profile.description, &profile.origin),
            (None, Some(artifact)) => (&artifact.title, &artifact.description, &artifact.origin),
            (None, None) => {
                return Err(ProfileError::UnknownArtifact { name: crate::model::escape(name.as_bytes()), hint: None });
            }
        };
        let has = |other: &ProfileDefinition| {
            let all = if profile.is_some() {
                self.reaches_profile(&other.name, name)
            } else {
                let found = self.select(std::slice::from_ref(&other.name), &[]);
                let own = chosen.definitions().first().map(|own| own.name.as_str());
                found.is_ok_and(|found| found.definitions().iter().any(|one| Some(one.name.as_str()) == own))
            };
            all && other.name != name
        };
        let in_profiles = self.profiles().filter(|other| has(other)).map(|other| other.name.clone()).collect();
        let mut gaps = Vec::new();
        let places = places(source, &mut gaps);
        let texts = |templates: &[Template]| -> Vec<String> {
            let patterns: Vec<Pattern> = templates.iter().flat_map(|template| template.expand(&places)).collect();
            patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect()
        };
        let explained = |rule: &PathRule| -> Vec<ExplainedPath> {
            let except = texts(&rule.except);
            rule.paths
                .iter()
                .map(|path| ExplainedPath {
                    path: path.as_str().to_owned(),
                    treatment: rule.treatment,
                    patterns: texts(std::slice::from_ref(path)),
                    except: except.clone(),
                })
                .collect()
        };
        let artifacts = chosen
            .definitions()
            .iter()
            .map(|definition| ExplainedArtifact {
                name: definition.name.clone(),
                title: definition.title.clone(),
                description: definition.description.clone(),
                urls: definition.urls.clone(),
                origin: definition.origin.clone(),
                is_sensitive: definition.is_sensitive,
                volatile: definition.volatile.clone(),
                paths: definition.rules.iter().flat_map(explained).collect(),
                commands: definition.commands.clone(),
                notices: definition.notices.clone(),
            })
            .collect();
        let shown = |paths: &BTreeSet<EvidencePath>| paths.iter().map(ToString::to_string).collect();
        Ok(Explanation {
            format_version: FORMAT_VERSION,
            name: name.to_owned(),
            is_profile: profile.is_some(),
            title: title.clone(),
            description: description.clone(),
            origin: origin.clone(),
            in_profiles,
            artifacts,
            homes: shown(&places.homes),
            web_roots: shown(&places.web_roots),
            gaps,
        })
    }

    fn reaches_profile(&self, from: &str, to: &str) -> bool {
        let mut waiting = vec![from];
        let mut done = BTreeSet::new();
        while let Some(next) = waiting.pop() {
            if !done.insert(next) {
                continue;
            }
            let Some(profile) = self.profile(next) else { continue };
            if profile.includes.iter().any(|include| include.name == to) {
                return true;
            }
            waiting.extend(profile.includes.iter().map(|include| include.name.as_str()));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::fake::FakeRoot;

    fn host() -> FakeRoot {
        FakeRoot::new()
            .file("/etc/passwd", b"root:x:0:0::/root:/bin/bash\nbob:x:1000:1000::/home/bob:/bin/bash\n")
            .file("/etc/nginx/nginx.conf", b"server { root /srv/shop; }\n")
    }

    #[test]
    fn an_artifact_is_explained_with_what_it_comes_to_here() {
        let catalogue = Catalogue::builtin().unwrap();
        let histories = catalogue.explain("histories", &host()).unwrap();
        assert!(!histories.is_profile && histories.in_profiles == ["freepbx", "full", "linux", "web"]);
        let [artifact] = histories.artifacts.as_slice() else { panic!() };
        assert!(artifact.is_sensitive && artifact.origin.file == "rules/artifacts/linux.yaml");
        let first = artifact.paths.first().unwrap();
        assert_eq!(first.path, "%%users.homedir%%/.*_history*");
        assert!(first.patterns.contains(&"/home/bob/.*_history*".to_owned()), "{:?}", first.patterns);
        assert!(histories.homes.contains(&"/home/bob".to_owned()));

        let roots = catalogue.explain("web_roots", &host()).unwrap();
        assert_eq!(roots.web_roots, ["/srv/shop"]);
        assert_eq!(roots.artifacts[0].paths[0].patterns, ["/srv/shop/**"]);
    }

    #[test]
    fn a_profile_is_explained_with_its_artifacts() {
        let catalogue = Catalogue::builtin().unwrap();
        let web = catalogue.explain("web", &host()).unwrap();
        assert!(web.is_profile && web.in_profiles == ["freepbx", "full"]);
        assert!(web.artifacts.iter().any(|artifact| artifact.name == "cron"));
        let json = serde_json::to_value(catalogue.listing()).unwrap();
        assert_eq!(json["format_version"], 1);
        let cron = json["artifacts"].as_array().unwrap().iter().find(|one| one["name"] == "cron").unwrap();
        assert_eq!(cron["rules"][0]["treatment"], "collect");
        assert_eq!(cron["rules"][0]["paths"][0], "/etc/crontab");
        assert!(catalogue.explain("nothing_like_it", &host()).is_err());
    }
}
