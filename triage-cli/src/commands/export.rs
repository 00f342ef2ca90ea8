//! `triage export`

use super::keys;
use crate::args::export::ExportArgs;
use crate::exit::{Exit, Failure};
use crate::progress::human_bytes;
use crate::session::Session;
use anyhow::{Context as _, anyhow};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use triage_core::bundle::{BundleError, BundleSource, Lookup};
use triage_core::model::{EvidencePath, Hasher, Timestamp, escape};
use triage_core::source::{Content, Entry, Identities, Item, Pattern, Selection, Source as _};

pub(crate) fn run(args: &ExportArgs, session: &Session) -> Result<Exit, Failure> {
    let identities = keys::identities(&args.identity, session)?;
    match (&args.file, &args.tree) {
        (Some(file), _) => one(args, file, &identities, session),
        (None, Some(folder)) => tree(args, folder, &identities, session),
        (None, None) => Err(anyhow!("say what to export: `--file PATH` or `--tree DIR`").into()),
    }
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

fn damaged(error: BundleError) -> Failure {
    match &error {
        BundleError::Damaged { .. } => Failure::refused(error, "`triage verify BUNDLE` says what is wrong with it"),
        _ => super::open::explain_bundle(error),
    }
}

fn one(args: &ExportArgs, file: &Path, identities: &Identities, session: &Session) -> Result<Exit, Failure> {
    let path = EvidencePath::new(file.as_os_str().as_bytes())?;
    let lookup = Lookup::open(&args.bundle, identities).map_err(damaged)?;
    let Some(mut found) = lookup.find(&path).map_err(damaged)? else {
        return Err(Failure::hinted(
            anyhow!("the bundle holds no content of `{path}`"),
            "name a file that was collected, by its whole path on the host",
        ));
    };
    let refused = |error: io::Error| {
        Failure::refused(
            anyhow::Error::new(error).context(format!("reading `{path}` from the bundle")),
            "`triage verify BUNDLE` says what is wrong with it",
        )
    };
    if args.output == Path::new("-") {
        let mut out = io::stdout().lock();
        let mut buffer = vec![0; 1 << 18];
        loop {
            let count = found.reader.read(&mut buffer).map_err(refused)?;
            if count == 0 {
                break;
            }
            out.write_all(buffer.get(..count).unwrap_or_default())?;
        }
        out.flush()?;
    } else {
        // It gets its name when it is whole and its digest is right.
        let folder = args.output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut temporary = tempfile::NamedTempFile::new_in(folder)
            .with_context(|| format!("creating a file in `{}`", shown(folder)))?;
        let mut buffer = vec![0; 1 << 18];
        loop {
            let count = found.reader.read(&mut buffer).map_err(refused)?;
            if count == 0 {
                break;
            }
            temporary.write_all(buffer.get(..count).unwrap_or_default())?;
        }
        temporary
            .persist_noclobber(&args.output)
            .map_err(|error| error.error)
            .with_context(|| format!("writing `{}`", shown(&args.output)))?;
    }
    session.ui.note(&format!("{path}: {}, sha256 {}", human_bytes(found.size), found.sha256));
    Ok(Exit::Done)
}

/// What a tree was laid out as, and what of it could not be.
#[derive(Default)]
struct Laid {
    files: usize,
    bytes: u64,
    /// Reasons, and how often.
    left_out: BTreeMap<String, usize>,
    /// Contents that are not what their records say.
    damaged: Vec<String>,
    gaps: usize,
}

fn tree(args: &ExportArgs, folder: &Path, identities: &Identities, session: &Session) -> Result<Exit, Failure> {
    let selection = match &args.under {
        None => Selection::everything(),
        Some(under) => {
            let place = EvidencePath::new(under.as_os_str().as_bytes())?;
            let everything = Pattern::new("/**").context("selecting what lies beneath it")?;
            Selection::new(vec![Pattern::exact(&place), everything.beneath(&place)], Vec::new())
        }
    };
    let source = BundleSource::open_with(&args.bundle, identities).map_err(damaged)?;
    prepare(folder)?;
    let mut laid = Laid::default();
    let mut failed = None;
    source.walk(&selection, &mut |item| {
        let step = match item {
            Item::Entry(entry) => lay(entry, folder, &mut laid),
            Item::Gap(_) => {
                laid.gaps += 1;
                Ok(())
            }
        };
        if let Err(error) = step {
            failed = Some(error);
        }
        if failed.is_some() || session.is_interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(error) = failed {
        return Err(Failure::hinted(error, "free space or name another folder; what was written so far is there"));
    }
    for path in laid.damaged.iter().take(20) {
        session.ui.warning(&format!("{path}: not what its record says, and not written"));
    }
    let left_out: Vec<String> = laid.left_out.iter().map(|(why, count)| format!("{count} {why}")).collect();
    if !left_out.is_empty() {
        session.ui.note(&format!("Not laid out: {}. Their records are in the bundle.", left_out.join(", ")));
    }
    session.ui.note(&format!(
        "{} files, {} in `{}`; owners, modes and extended attributes are in the records only.",
        laid.files,
        human_bytes(laid.bytes),
        shown(folder)
    ));
    Ok(if session.is_interrupted() {
        Exit::Interrupted
    } else if !laid.damaged.is_empty() {
        Exit::Refused
    } else if left_out.is_empty() && laid.gaps == 0 {
        Exit::Done
    } else {
        Exit::Gaps
    })
}

/// The folder is ours alone: where others could write, a name could be put in the way.
fn prepare(folder: &Path) -> Result<(), Failure> {
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::hinted(
            anyhow!("`{}` is not empty", shown(folder)),
            "name a folder that is new or empty: what lies there is not mixed with evidence",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(make(folder).with_context(|| format!("creating `{}`", shown(folder)))?)
        }
        Err(error) => Err(anyhow::Error::new(error).context(format!("looking at `{}`", shown(folder))).into()),
    }
}

fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Lays one object out. An error is of the place it goes to, and ends the export.
fn lay(entry: Entry, folder: &Path, laid: &mut Laid) -> anyhow::Result<()> {
    let mut leave_out = |why: String| *laid.left_out.entry(why).or_default() += 1;
    // Components of an evidence path hold no separator and are neither `.` nor `..`.
    let place: PathBuf =
        entry.path.components().fold(folder.to_owned(), |place, part| place.join(OsStr::from_bytes(part)));
    let kind = entry.meta.kind.as_str();
    let Some(open) = entry.content else {
        if kind == "directory" {
            let _ = make(&place);
        } else if kind == "file" {
            leave_out("files whose content was not collected".to_owned());
        } else {
            leave_out(format!("of type {kind}"));
        }
        return Ok(());
    };
    let Ok(opened) = open() else {
        laid.damaged.push(entry.path.to_string());
        return Ok(());
    };
    let parent = place.parent().unwrap_or(folder);
    let created = make(parent).and_then(|()| create(&place));
    let mut file = match created {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            return Err(anyhow::Error::new(error).context(format!("creating `{}`", shown(&place))));
        }
        // A file that was a folder meanwhile, a name or a path that this file system does not take.
        Err(_) => {
            leave_out("files whose place is taken or cannot be made here".to_owned());
            return Ok(());
        }
    };
    let expected = opened.reader.expected();
    match copy(opened.reader, &mut file, &place)? {
        Some((sha256, bytes)) if expected.is_none_or(|expected| expected == sha256) => {
            laid.files += 1;
            laid.bytes += bytes;
            set_time(&file, entry.meta.mtime);
        }
        _ => {
            laid.damaged.push(entry.path.to_string());
            drop(file);
            remove(&place)?;
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_types, reason = "exported files are the command line's own output")]
fn create(place: &Path) -> io::Result<File> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(place)
}

#[expect(
    clippy::disallowed_methods,
    reason = "what was written a moment ago and turned out to be damaged is taken back"
)]
fn remove(place: &Path) -> anyhow::Result<()> {
    fs::remove_file(place).with_context(|| format!("removing `{}`", shown(place)))
}

/// Copies a content and hashes it. `None` where the bundle does not give it.
fn copy(
    mut reader: Box<dyn Content>,
    file: &mut File,
    place: &Path,
) -> anyhow::Result<Option<(triage_core::model::Digest, u64)>> {
    let (mut hasher, mut bytes, mut buffer) = (Hasher::new(), 0, vec![0; 1 << 18]);
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => return Ok(Some((hasher.finish(), bytes))),
            Ok(count) => count,
            Err(_) => return Ok(None),
        };
        let piece = buffer.get(..count).unwrap_or_default();
        hasher.update(piece);
        bytes += piece.len() as u64;
        file.write_all(piece).with_context(|| format!("writing `{}`", shown(place)))?;
    }
}

/// Only a convenience: the record has the exact time.
fn set_time(file: &File, time: Option<Timestamp>) {
    let Some(time) = time else { return };
    let offset = Duration::from_secs(time.seconds().unsigned_abs());
    let at = if time.seconds() < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(offset)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(offset)
    };
    if let Some(at) = at {
        let _ = file.set_modified(at);
    }
}
