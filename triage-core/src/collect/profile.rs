//! Profiles: what the chosen definitions come to on one host.

use super::Catalogue;
use super::definition::{Definition, DefinitionError, Effect, Notice, Places, Template, Treatment};
use crate::model::{EvidencePath, Gap, GapReason, VolatileKind, escape};
use crate::parse::{self, web_config::Flavour};
use crate::source::{Pattern, Selection, Source, SourceError, is_system_folder, read_resolved, resolve};
use std::collections::BTreeSet;
use std::io::Read as _;
use std::ops::{ControlFlow, Range};
use thiserror::Error;

/// The largest file, in bytes, that is read to find out where web roots and homes are.
const CONFIG_LIMIT: u64 = 4 << 20;

/// The most patterns that a profile may come to on one host: a hostile `passwd` may have a million homes.
const MAX_PATTERNS: usize = 200_000;

/// The most limitations of definitions that are told as gaps.
const MAX_NOTICES: usize = 1_000;

/// Everything that was chosen: a profile, several, or single artifacts.
#[derive(Clone, Debug)]
pub struct Profile {
    name: String,
    definitions: Vec<Definition>,
    notices: Vec<Notice>,
}

/// What a profile comes to on one host.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// What is met.
    pub selection: Selection,
    /// What of it is not opened.
    pub listed_only: Selection,
    /// What of it is read and hashed, and not kept.
    pub hashed_only: Selection,
    /// What of it is secret.
    pub sensitive: Selection,
    /// The live state that is wanted, where the host is running.
    pub volatile: BTreeSet<VolatileKind>,
    /// The same by artifact, in the order of the profile.
    pub artifacts: Vec<ArtifactScope>,
    /// What kept us from finding out all that should be met.
    pub gaps: Vec<Gap>,
}

/// What one artifact comes to on one host.
#[derive(Clone, Debug)]
pub struct ArtifactScope {
    /// Its name.
    pub name: String,
    /// What it selects, whatever is done with it.
    pub selection: Selection,
    /// Its patterns, as a range of [`Selection::included`] of the whole scope.
    pub patterns: Range<usize>,
}

/// What is wrong with a profile.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// There is no profile of that name.
    #[error("there is no profile `{name}`")]
    Unknown {
        /// The name, escaped.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// There is no artifact of that name.
    #[error("there is no artifact `{name}`")]
    UnknownArtifact {
        /// The name, escaped.
        name: String,
        /// What was probably meant.
        hint: Option<String>,
    },
    /// A definition is wrong.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// Evidence that the profile depends on cannot be read at all.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl Profile {
    /// The names of the built-in profiles.
    pub const NAMES: [&'static str; 5] = ["linux", "web", "freepbx", "full", "volatile"];

    pub(super) fn new(name: String, definitions: Vec<Definition>, notices: Vec<Notice>) -> Self {
        Self { name, definitions, notices }
    }

    /// The built-in profile of that name, or several of them with `,` between, with all that they include.
    ///
    /// # Errors
    /// [`ProfileError::Unknown`] when there is none.
    pub fn builtin(names: &str) -> Result<Self, ProfileError> {
        let names: Vec<String> = names.split(',').map(|name| name.trim().to_owned()).collect();
        Catalogue::builtin()?.select(&names, &[])
    }

    /// The built-in profile that fits a host: `freepbx` where there is a telephone system, else `web`.
    ///
    /// # Errors
    /// When the source cannot be looked at.
    pub fn fitting(source: &dyn Source) -> Result<Self, ProfileError> {
        Catalogue::builtin()?.fitting(source)
    }

    /// Its name; of several, with `+` between.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The artifacts, in order.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// What of its definitions is not done as they say.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Finds out what the profile comes to on this host: homes from its `passwd`, web roots from its web server's configuration.
    ///
    /// # Errors
    /// When the source as a whole cannot be read.
    pub fn resolve(&self, source: &dyn Source) -> Result<Scope, ProfileError> {
        let mut gaps = Vec::new();
        let places = places(source, &mut gaps);
        let mut scope = Scope { gaps, ..Scope::default() };
        let mut by_treatment: [Vec<Pattern>; 3] = Default::default();
        let mut sensitive = Vec::new();
        let mut count = 0;
        for definition in &self.definitions {
            scope.volatile.extend(&definition.volatile);
            let mut selection = Selection::default();
            let first = scope.selection.included().len();
            for rule in &definition.rules {
                let expand = |templates: &[Template]| -> Vec<Pattern> {
                    templates.iter().flat_map(|template| template.expand(&places)).collect()
                };
                let (mut include, except) = (expand(&rule.paths), expand(&rule.except));
                let room = MAX_PATTERNS.saturating_sub(count);
                if include.len() > room {
                    let detail =
                        format!("artifact `{}` comes to more than {MAX_PATTERNS} patterns here", definition.name);
                    scope.gaps.push(Gap::new(EvidencePath::root(), GapReason::LimitReached, detail));
                    include.truncate(room);
                }
                count += include.len();
                if definition.is_sensitive {
                    sensitive.extend(include.iter().cloned());
                }
                let [listed, hashed, collected] = &mut by_treatment;
                match rule.treatment {
                    Treatment::List => listed.extend(include.iter().cloned()),
                    Treatment::Hash => hashed.extend(include.iter().cloned()),
                    Treatment::Collect => collected.extend(include.iter().cloned()),
                }
                selection.add(include.clone(), except.clone());
                scope.selection.add(include, except);
            }
            let patterns = first..scope.selection.included().len();
            scope.artifacts.push(ArtifactScope { name: definition.name.clone(), selection, patterns });
        }
        // What a definition asks for and this program does not do is missing from the evidence.
        for notice in self.notices.iter().filter(|notice| notice.effect == Effect::Less).take(MAX_NOTICES) {
            let detail = format!("{}, line {}: {}", notice.file, notice.line, notice.text);
            scope.gaps.push(Gap::new(EvidencePath::root(), GapReason::Unsupported, detail));
        }
        let [listed, hashed, collected] = by_treatment;
        // What one artifact lists and another collects is collected.
        let kept: Vec<Pattern> = hashed.iter().chain(&collected).cloned().collect();
        scope.listed_only = if listed.is_empty() { Selection::default() } else { Selection::new(listed, kept) };
        scope.hashed_only = if hashed.is_empty() { Selection::default() } else { Selection::new(hashed, collected) };
        scope.sensitive = Selection::new(sensitive, Vec::new());
        Ok(scope)
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

/// What definitions have to know of the host.
pub(super) fn places(source: &dyn Source, gaps: &mut Vec<Gap>) -> Places {
    let homes = with_real_paths(source, homes(source, gaps));
    let sshd = super::sshd::files(source, &homes);
    Places { homes, web_roots: with_real_paths(source, web_roots(source, gaps)), users: users(source, gaps), sshd }
}

/// The names of accounts that can be a part of a path; others are told as a gap.
fn users(source: &dyn Source, gaps: &mut Vec<Gap>) -> BTreeSet<String> {
    let mut users = BTreeSet::new();
    let Ok(path) = EvidencePath::new("/etc/passwd") else { return users };
    // That it cannot be read is told with the homes.
    let Ok(Some(bytes)) = source.read(&path, CONFIG_LIMIT) else { return users };
    for account in parse::passwd::parse(&path, &bytes, &parse::Limits::default()).value {
        let name = account.name.as_bytes();
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.@$+".contains(byte);
        if !name.is_empty() && name.iter().all(is_plain) && !matches!(name, b"." | b"..") {
            users.insert(String::from_utf8_lossy(name).into_owned());
        } else if !name.is_empty() {
            let detail = format!("paths with the name of the account `{}` are not looked for", escape(name));
            gaps.push(Gap::new(path.clone(), GapReason::Unsupported, detail));
        }
    }
    users
}

/// The folders and, where one is a link or behind one, also the place where it really is.
fn with_real_paths(source: &dyn Source, folders: BTreeSet<EvidencePath>) -> BTreeSet<EvidencePath> {
    let real = folders.iter().filter_map(|folder| resolve(source, folder).ok()).filter(|found| !found.links.is_empty());
    let real: Vec<EvidencePath> = real.map(|found| found.path).filter(|path| !is_system_folder(path)).collect();
    folders.into_iter().chain(real).collect()
}

/// The home folders of all accounts, and the usual ones also where `passwd` does not name them (any more).
fn homes(source: &dyn Source, gaps: &mut Vec<Gap>) -> BTreeSet<EvidencePath> {
    let mut homes: BTreeSet<EvidencePath> =
        ["/root", "/home/asterisk"].iter().filter_map(|home| EvidencePath::new(home).ok()).collect();
    for file in ["/etc/passwd", "/etc/passwd-"] {
        let Ok(path) = EvidencePath::new(file) else { continue };
        match read_resolved(source, &path, CONFIG_LIMIT) {
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
    // Naming one of these would select the host.
    roots.retain(|root: &EvidencePath| !is_system_folder(root));
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_on_the_shelf_can_be_read() {
        for name in Profile::NAMES {
            let profile = Profile::builtin(name).unwrap();
            assert!(!profile.definitions.is_empty());
        }
        let error = Profile::builtin("windows").unwrap_err();
        assert_eq!(error.to_string(), "there is no profile `windows`");
    }

    #[test]
    fn freepbx_includes_web_and_web_includes_linux() {
        let names: Vec<_> = Profile::builtin("freepbx").unwrap().definitions.into_iter().map(|a| a.name).collect();
        for name in ["cron", "web_roots", "asterisk_config"] {
            assert!(names.iter().any(|n| n == name), "{name}");
        }
    }
}
