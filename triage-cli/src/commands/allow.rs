//! Allow-lists: which are read, and what is told of them.
//!
//! An allow-list takes findings out of the verdict. So it comes from the user's hand: a file that is named, or one in the current folder that nobody else can
//! have written and that is no part of what is looked at, because whoever had root there could have written it.

use crate::args::{AllowArgs, ReadingArgs};
use crate::exit::{Exit, Failure};
use crate::session::Session;
use std::fmt::Write as _;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use triage_core::detect::AllowList;
use triage_core::engine::{Scan, Target};
use triage_core::model::{Clock as _, Permit, escape};
use triage_core::source::SourceKind;

/// The list of the current folder.
const DEFAULT: &str = "triage.allow.yaml";
/// More than any list has; what is larger is refused by its size.
const READ: u64 = 1 << 20;

/// The allow-list for a scan of `target`, which was opened as `path`. What holds no more is told.
pub(super) fn list(
    args: &AllowArgs,
    path: Option<&Path>,
    target: &Target,
    reading: &ReadingArgs,
    session: &Session,
) -> Result<AllowList, Failure> {
    let mut list = AllowList::default();
    for file in &args.allow {
        let opened = File::open(file).map_err(|error| fail(error, file))?;
        if let Ok(found) = opened.metadata()
            && found.mode() & 0o022 != 0
        {
            session.ui.warning(&format!("allow-list `{}` can be written by others", shown(file)));
        }
        list.join(read(opened, file, session)?);
    }
    if args.allow.is_empty() {
        list = of_this_folder(evidence(path, target, reading), session)?;
    }
    for Permit { entry, until, reason, .. } in list.expired() {
        session.ui.warning(&format!(
            "{entry}: held until {until} and allows nothing any more ({})",
            escape(reason.as_bytes())
        ));
    }
    if !list.is_empty() {
        session.ui.detail(&format!("entries of allow-lists that hold: {}", list.len()));
    }
    Ok(list)
}

/// Tells which entries were of no use.
pub(super) fn tell_unused(scan: &Scan, session: &Session) {
    for Permit { entry, reason, .. } in &scan.unused {
        session.ui.detail(&format!("{entry}: allowed nothing ({})", escape(reason.as_bytes())));
    }
}

/// Checks lists, and says what each entry is worth today.
pub(super) fn check(paths: &[PathBuf], session: &Session) -> Result<Exit, Failure> {
    let (mut text, mut broken, mut holding, mut expired) = (String::new(), 0, 0, 0);
    for path in paths {
        let opened = File::open(path).map_err(|error| fail(error, path))?;
        match AllowList::read(&shown(path), &content(opened, path)?, session.clock.now()) {
            Ok(list) => {
                holding += list.len();
                expired += list.expired().len();
                for Permit { entry, until, .. } in list.expired() {
                    let _ = writeln!(text, "note: {entry}: held until {until} and allows nothing any more");
                }
            }
            Err(error) => {
                broken += 1;
                let _ = writeln!(text, "{error}\n");
            }
        }
    }
    session.ui.data(&text)?;
    session.ui.note(&format!("Allow-lists: {holding} entries hold, {expired} have expired, {broken} files broken."));
    Ok(if broken > 0 { Exit::Error } else { Exit::Done })
}

/// Says whether a file to be checked is an allow-list.
pub(super) fn is_list(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") && !path.is_dir()
}

/// The folder that the evidence is read from, as far as it is one.
fn evidence<'a>(path: Option<&'a Path>, target: &Target, reading: &'a ReadingArgs) -> &'a Path {
    match target.source.kind() {
        SourceKind::Live => Path::new("/"),
        // A part of the host that `--root` names, which by default is the running one.
        SourceKind::Subtree => &reading.root,
        _ => path.unwrap_or(&reading.root),
    }
}

fn of_this_folder(evidence: &Path, session: &Session) -> Result<AllowList, Failure> {
    let file = Path::new(DEFAULT);
    let Ok(found) = fs::symlink_metadata(file) else { return Ok(AllowList::default()) };
    let here = fs::canonicalize(".").and_then(|here| Ok((fs::metadata(&here)?, here)));
    let (folder, here) = here.map_err(|error| fail(error, file))?;
    let is_evidence = fs::canonicalize(evidence).is_ok_and(|evidence| here.starts_with(evidence));
    let why = if is_evidence {
        "it lies in what is looked at"
    } else if !found.is_file() {
        "it is no regular file"
    } else if !(is_ours_alone(&found) && is_ours_alone(&folder)) {
        "others can write it, or its folder"
    } else {
        let opened = File::open(file).map_err(|error| fail(error, file))?;
        return read(opened, file, session);
    };
    session.ui.warning(&format!("{DEFAULT} in this folder is not used: {why}; if it is yours, name it with `--allow`"));
    Ok(AllowList::default())
}

/// Says whether nobody but us and root can change it.
fn is_ours_alone(found: &Metadata) -> bool {
    let me = rustix::process::geteuid().as_raw();
    (found.uid() == me || found.uid() == 0) && found.mode() & 0o022 == 0
}

fn read(opened: File, path: &Path, session: &Session) -> Result<AllowList, Failure> {
    AllowList::read(&shown(path), &content(opened, path)?, session.clock.now()).map_err(|error| {
        Failure::hinted(error, "`triage rules check FILE` checks a list; the format is in docs/formats/allow.md")
    })
}

fn content(opened: File, path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    opened.take(READ).read_to_end(&mut bytes).map_err(|error| fail(error, path))?;
    Ok(bytes)
}

fn fail(error: io::Error, path: &Path) -> Failure {
    let error = anyhow::Error::new(error).context(format!("reading allow-list `{}`", shown(path)));
    Failure::hinted(error, "name a YAML file, as docs/formats/allow.md describes it")
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}
