//! `triage artifacts`, and what `triage collect` does instead of collecting

use super::open;
use crate::args::{ArtifactsCommand, CollectArgs, Format};
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::view;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io::Read as _};
use triage_core::collect::definition::{DefinitionError, MAX_BYTES};
use triage_core::collect::{self, Budget, Catalogue};
use triage_core::engine::Target;
use triage_core::model::escape;
use triage_core::source::{DirectorySource, SourceKind};

pub(crate) fn run(command: &ArtifactsCommand, session: &Session) -> Result<Exit, Failure> {
    match command {
        ArtifactsCommand::List { definitions, format } => list(&catalogue(definitions, session)?, *format, session),
        ArtifactsCommand::Show { name, root, definitions, format } => {
            show(&catalogue(definitions, session)?, name, root, *format, session)
        }
        ArtifactsCommand::Check { paths } => check(paths, session),
    }
}

/// Prints what there is.
pub(super) fn list(catalogue: &Catalogue, format: Format, session: &Session) -> Result<Exit, Failure> {
    let listing = catalogue.listing();
    session.ui.data(&match format {
        Format::Human => view::artifacts::list(&listing),
        Format::Json => view::artifacts::json(&listing)?,
    })?;
    if listing.foreign_definitions > 0 {
        session.ui.note(&format!("{} definitions for other systems were passed over.", listing.foreign_definitions));
    }
    Ok(Exit::Done)
}

/// Prints what one of them reads on a host.
pub(super) fn show(
    catalogue: &Catalogue,
    name: &str,
    root: &Path,
    format: Format,
    session: &Session,
) -> Result<Exit, Failure> {
    let kind = if root == Path::new("/") { SourceKind::Live } else { SourceKind::Root };
    let source = DirectorySource::open(root, kind)?;
    let explanation = catalogue.explain(name, &source).map_err(open::explain_profile)?;
    session.ui.data(&match format {
        Format::Human => view::artifacts::explanation(&explanation),
        Format::Json => view::artifacts::json(&explanation)?,
    })?;
    Ok(Exit::of(false, !explanation.gaps.is_empty()))
}

/// Prints how much a collection would be.
pub(super) fn estimate(args: &CollectArgs, target: &Target, session: &Session) -> Result<Exit, Failure> {
    let budget = Budget { max_file_size: args.reading.max_file_size.0, omits_secrets: args.omit_secrets };
    let cancel = || session.is_interrupted();
    let estimate = collect::estimate(target.source.as_ref(), &target.scope, budget, &cancel)?;
    session.ui.data(&if args.look.json {
        view::artifacts::json(&estimate)?
    } else {
        view::artifacts::estimate(&estimate, budget)
    })?;
    Ok(if estimate.is_interrupted {
        Exit::Interrupted
    } else {
        let left_out = estimate.left_out.too_large.files + estimate.left_out.secret.files;
        Exit::of(false, estimate.gap_count > 0 || left_out > 0)
    })
}

/// The built-in definitions and those of the user; what takes the place of what is told.
pub(super) fn catalogue(paths: &[PathBuf], session: &Session) -> Result<Catalogue, Failure> {
    let mut catalogue = Catalogue::builtin()?;
    for path in paths {
        for file in files(path, true)? {
            let name = escape(file.as_os_str().as_encoded_bytes());
            catalogue
                .add(&name, &bytes(&file)?)
                .map_err(|error| Failure::hinted(error, "`triage artifacts check PATH` lists all that is wrong"))?;
        }
    }
    for notice in catalogue.notices() {
        session.ui.warning(&format!("`{}` of {}, line {}: {}", notice.name, notice.file, notice.line, notice.text));
    }
    Ok(catalogue)
}

fn check(paths: &[PathBuf], session: &Session) -> Result<Exit, Failure> {
    let mut catalogue = Catalogue::builtin()?;
    let (mut text, mut broken, mut artifacts, mut profiles, mut foreign) = (String::new(), 0, 0, 0, 0);
    let mut checked = Vec::new();
    for path in paths {
        for file in files(path, true)? {
            let name = escape(file.as_os_str().as_encoded_bytes());
            match catalogue.add(&name, &bytes(&file)?) {
                Ok(added) => {
                    artifacts += added.artifacts;
                    profiles += added.profiles;
                    foreign += added.foreign;
                }
                Err(error) => {
                    broken += 1;
                    let _ = writeln!(text, "{error}\n");
                }
            }
            checked.push(name);
        }
    }
    for problem in catalogue.problems() {
        broken += usize::from(problem.is_error);
        let _ = writeln!(text, "{}{}\n", if problem.is_error { "" } else { "note: " }, problem.mistake);
    }
    let of_definitions = catalogue.artifacts().flat_map(|definition| &definition.notices);
    let mut notices = 0;
    for notice in catalogue.notices().iter().chain(of_definitions).filter(|notice| checked.contains(&notice.file)) {
        notices += 1;
        let _ = writeln!(text, "note: {}", view::artifacts::notice(notice));
    }
    session.ui.data(&text)?;
    session.ui.note(&format!(
        "{}, {}; {foreign} for other systems passed over; {broken} broken, {notices} not done as they say.",
        view::findings::count(artifacts, "artifact"),
        view::findings::count(profiles, "profile"),
    ));
    Ok(if broken > 0 { Exit::Error } else { Exit::Done })
}

/// The files that a path of the user's stands for: itself, or all YAML files beneath it.
fn files(path: &Path, is_named: bool) -> Result<Vec<PathBuf>, Failure> {
    let fail = |error: std::io::Error| {
        let name = escape(path.as_os_str().as_encoded_bytes());
        Failure::hinted(
            anyhow::Error::new(error).context(format!("reading definitions from `{name}`")),
            "name a YAML file or a folder of them",
        )
    };
    // A folder may hold links that lead round; only what the user named is followed.
    let found = if is_named { fs::metadata(path) } else { fs::symlink_metadata(path) }.map_err(fail)?;
    if found.is_dir() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(path).map_err(fail)?.filter_map(Result::ok).map(|entry| entry.path()).collect();
        entries.sort();
        let mut all = Vec::new();
        for entry in entries {
            all.extend(files(&entry, false)?);
        }
        return Ok(all);
    }
    let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    Ok(if is_named || (is_yaml && found.is_file()) { vec![path.to_owned()] } else { Vec::new() })
}

/// A file, but no more of it than a definition may have.
fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = escape(path.as_os_str().as_encoded_bytes());
    let context = || format!("reading definitions from `{name}`");
    let file = fs::File::open(path).map_err(|error| anyhow::Error::new(error).context(context()))?;
    let size = file.metadata().map_or(0, |found| found.len());
    if size > MAX_BYTES as u64 {
        let size_bytes = usize::try_from(size).unwrap_or(usize::MAX);
        return Err(DefinitionError::TooLarge { name, size_bytes, limit_bytes: MAX_BYTES }.into());
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| anyhow::Error::new(error).context(context()))?;
    Ok(bytes)
}
