//! Profiles: which parts of a host are evidence, as data.

use crate::model::{EvidencePath, Gap, GapReason, escape};
use crate::parse::{self, web_config::Flavour};
use crate::source::{Pattern, PatternError, Selection, Source, SourceError};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::ops::ControlFlow;
use thiserror::Error;

/// The largest file, in bytes, that is read to find out where web roots and homes are.
const CONFIG_LIMIT: u64 = 4 << 20;

/// The folders that a web server's configuration may name and that are no web root: naming them would select the host.
const NEVER_A_WEB_ROOT: [&str; 18] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/share",
    "/var",
];

/// A profile file under `rules/profiles/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    format_version: u32,
    name: String,
    #[allow(dead_code, reason = "shown by `collect --list`, which reads the definitions as they are")]
    title: String,
    #[serde(default)]
    includes: Vec<String>,
    artifacts: Vec<ArtifactFile>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArtifactFile {
    name: String,
    #[allow(dead_code, reason = "for the reader of the file")]
    title: String,
    #[serde(default)]
    is_sensitive: bool,
    #[serde(default)]
    is_listed_only: bool,
    paths: Vec<String>,
}

/// A profile with everything that it includes.
#[derive(Clone, Debug)]
pub struct Profile {
    name: String,
    artifacts: Vec<ArtifactFile>,
}

/// What a profile comes to on one host.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// What is met.
    pub selection: Selection,
    /// What of it is not opened.
    pub listed_only: Selection,
    /// What of it is secret.
    pub sensitive: Selection,
    /// What kept us from finding out all that should be met.
    pub gaps: Vec<Gap>,
}

/// What is wrong with a profile.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// No built-in profile has that name.
    #[error("there is no profile `{name}`")]
    Unknown {
        /// The name, escaped.
        name: String,
        /// Those that there are.
        known: Vec<&'static str>,
    },
    /// The file is not a profile. The text says where, with the line and a caret.
    #[error("profile `{name}` cannot be read:\n{detail}")]
    Syntax {
        /// The profile's name or file.
        name: String,
        /// What is wrong and where.
        detail: String,
    },
    /// A path pattern is wrong.
    #[error("profile `{name}`, artifact `{artifact}`")]
    Pattern {
        /// The profile.
        name: String,
        /// The artifact.
        artifact: String,
        /// What is wrong with it.
        #[source]
        source: PatternError,
    },
    /// Evidence that the profile depends on cannot be read at all.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl Profile {
    /// The names of the built-in profiles.
    pub const NAMES: [&'static str; 3] = ["linux", "web", "freepbx"];

    /// The built-in profile of that name, with all that it includes.
    ///
    /// # Errors
    /// [`ProfileError::Unknown`] when there is none.
    pub fn builtin(name: &str) -> Result<Self, ProfileError> {
        let mut profile = Self { name: name.to_owned(), artifacts: Vec::new() };
        let mut waiting = vec![name.to_owned()];
        let mut done = BTreeSet::new();
        while let Some(next) = waiting.pop() {
            if !done.insert(next.clone()) {
                continue;
            }
            let text = builtin_text(&next)
                .ok_or_else(|| ProfileError::Unknown { name: escape(next.as_bytes()), known: Self::NAMES.to_vec() })?;
            let file = read(&next, text)?;
            waiting.extend(file.includes);
            profile.artifacts.extend(file.artifacts);
        }
        Ok(profile)
    }

    /// The profile that fits a host: `freepbx` where there is a telephone system, else `web`.
    ///
    /// # Errors
    /// When the source cannot be looked at.
    pub fn fitting(source: &dyn Source) -> Result<Self, ProfileError> {
        const MARKS: [&str; 5] = [
            "/etc/freepbx.conf",
            "/etc/amportal.conf",
            "/etc/issabel.conf",
            "/etc/elastix.conf",
            "/var/www/html/admin/modules/framework",
        ];
        for mark in MARKS {
            if EvidencePath::new(mark).is_ok_and(|path| source.metadata(&path).is_ok_and(|found| found.is_some())) {
                return Self::builtin("freepbx");
            }
        }
        Self::builtin("web")
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Finds out what the profile comes to on this host: homes from its `passwd`, web roots from its web server's configuration.
    ///
    /// # Errors
    /// [`ProfileError::Pattern`] for a wrong pattern.
    pub fn resolve(&self, source: &dyn Source) -> Result<Scope, ProfileError> {
        let mut gaps = Vec::new();
        let homes = homes(source, &mut gaps);
        let roots = web_roots(source, &mut gaps);
        let (mut all, mut sensitive, mut listed) = (Vec::new(), Vec::new(), Vec::new());
        for artifact in &self.artifacts {
            for text in &artifact.paths {
                let wrong =
                    |source| ProfileError::Pattern { name: self.name.clone(), artifact: artifact.name.clone(), source };
                let patterns = if let Some(rest) = text.strip_prefix("%%users.homedir%%") {
                    let tail = Pattern::new(rest).map_err(wrong)?;
                    homes.iter().map(|home| tail.beneath(home)).collect()
                } else if let Some(rest) = text.strip_prefix("%%webroots%%") {
                    let tail = Pattern::new(rest).map_err(wrong)?;
                    roots.iter().map(|root| tail.beneath(root)).collect()
                } else {
                    vec![Pattern::new(text).map_err(wrong)?]
                };
                if artifact.is_sensitive {
                    sensitive.extend(patterns.iter().cloned());
                }
                if artifact.is_listed_only {
                    listed.extend(patterns.iter().cloned());
                }
                all.extend(patterns);
            }
        }
        Ok(Scope {
            selection: Selection::new(all, Vec::new()),
            listed_only: Selection::new(listed, Vec::new()),
            sensitive: Selection::new(sensitive, Vec::new()),
            gaps,
        })
    }
}

impl Scope {
    /// Everything, nothing of it known to be secret: for a subtree or somebody else's archive.
    pub fn everything() -> Self {
        Self { selection: Selection::everything(), ..Self::default() }
    }

    /// A folder and all beneath it.
    pub fn tree(path: &EvidencePath) -> Self {
        Self { selection: Selection::new(vec![Pattern::tree(path)], Vec::new()), ..Self::default() }
    }
}

fn builtin_text(name: &str) -> Option<&'static str> {
    let wanted = format!("profiles/{name}.yaml");
    crate::builtin::BUILTIN_RULES.iter().find(|(file, _)| *file == wanted).map(|(_, text)| *text)
}

fn read(name: &str, text: &str) -> Result<ProfileFile, ProfileError> {
    let syntax = |detail: String| ProfileError::Syntax { name: name.to_owned(), detail };
    let file: ProfileFile = serde_saphyr::from_str(text).map_err(|error| syntax(error.to_string()))?;
    if file.format_version != 1 {
        return Err(syntax(format!("format_version is {}, this version reads 1", file.format_version)));
    }
    if file.name != name {
        return Err(syntax(format!("it calls itself `{}`", file.name)));
    }
    Ok(file)
}

/// The home folders of all accounts, and the usual ones also where `passwd` does not name them (any more).
fn homes(source: &dyn Source, gaps: &mut Vec<Gap>) -> BTreeSet<EvidencePath> {
    let mut homes: BTreeSet<EvidencePath> =
        ["/root", "/home/asterisk"].iter().filter_map(|home| EvidencePath::new(home).ok()).collect();
    for file in ["/etc/passwd", "/etc/passwd-"] {
        let Ok(path) = EvidencePath::new(file) else { continue };
        match source.read(&path, CONFIG_LIMIT) {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                let accounts = parse::passwd::parse(&path, &bytes, &parse::Limits::default());
                // `/` and `/nonexistent` are homes of accounts that have none.
                homes.extend(accounts.value.into_iter().filter_map(|account| {
                    EvidencePath::new(account.home.as_bytes()).ok().filter(|home| !home.is_root())
                }));
            }
            Err(error) => gaps.push(Gap::new(path, GapReason::ReadFailed, error.to_string())),
        }
    }
    // Homes of accounts that were removed stay behind, and hold keys and histories.
    let children = Selection::new(Pattern::new("/home/*").into_iter().collect(), Vec::new());
    let _ = source.walk(&children, &mut |item| {
        if let crate::source::Item::Entry(entry) = item {
            homes.insert(entry.path);
        }
        ControlFlow::Continue(())
    });
    homes
}

/// The folders that Apache's and nginx's configuration name.
fn web_roots(source: &dyn Source, gaps: &mut Vec<Gap>) -> BTreeSet<EvidencePath> {
    let patterns = ["/etc/apache2/**", "/etc/httpd/**", "/etc/nginx/**"];
    let selection = Selection::new(patterns.iter().filter_map(|text| Pattern::new(text).ok()).collect(), Vec::new());
    let Ok(nginx) = EvidencePath::new("/etc/nginx") else { return BTreeSet::new() };
    let mut roots = BTreeSet::new();
    let walked = source.walk(&selection, &mut |item| {
        let crate::source::Item::Entry(entry) = item else { return ControlFlow::Continue(()) };
        let Some(opener) = entry.content.filter(|_| entry.meta.size <= CONFIG_LIMIT) else {
            return ControlFlow::Continue(());
        };
        // Unreadable files become gaps when the sweep meets them.
        let Ok(file) = opener() else { return ControlFlow::Continue(()) };
        let mut bytes = Vec::new();
        if file.reader.take(CONFIG_LIMIT).read_to_end(&mut bytes).is_ok() {
            let flavour = if entry.path.starts_with(&nginx) { Flavour::Nginx } else { Flavour::Apache };
            let folders = parse::web_config::parse(&entry.path, flavour, &bytes, &parse::Limits::default());
            roots.extend(folders.value.into_iter().map(|folder| folder.path));
        }
        ControlFlow::Continue(())
    });
    if let Err(error) = walked {
        gaps.push(Gap::new(EvidencePath::root(), GapReason::ReadFailed, error.to_string()));
    }
    roots.retain(|root: &EvidencePath| !NEVER_A_WEB_ROOT.iter().any(|never| root.as_bytes() == never.as_bytes()));
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_on_the_shelf_can_be_read() {
        for name in Profile::NAMES {
            let profile = Profile::builtin(name).unwrap();
            assert!(!profile.artifacts.is_empty());
        }
        let error = Profile::builtin("windows").unwrap_err();
        assert_eq!(error.to_string(), "there is no profile `windows`");
    }

    #[test]
    fn freepbx_includes_web_and_web_includes_linux() {
        let names: Vec<_> = Profile::builtin("freepbx").unwrap().artifacts.into_iter().map(|a| a.name).collect();
        for name in ["cron", "web_roots", "asterisk_config"] {
            assert!(names.iter().any(|n| n == name), "{name}");
        }
    }
}
