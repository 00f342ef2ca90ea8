//! Where good copies of altered files come from, and who says whether a configuration is sound.

use super::{apply, open};
use crate::args::{ByteSize, ReadingArgs};
use crate::exit::Failure;
use crate::session::Session;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use triage_core::bundle;
use triage_core::engine::material::{self, MaterialError};
use triage_core::model::{EvidencePath, escape};
use triage_core::rollback::Originals;
use triage_core::source::{Source, SourceKind};

/// All that `--from` names as one source; none where it names nothing.
pub(super) fn sources(
    from: &[String],
    host: &dyn Source,
    session: &Session,
) -> Result<Option<Box<dyn Source>>, Failure> {
    let sources = from.iter().map(|from| source(from, host, session)).collect::<Result<Vec<_>, _>>()?;
    Ok(material::several(sources))
}

/// A package file, a module's archive, a bundle that verifies, a tree or archive of which somebody vouches for each file, or the originals of a
/// run. `host` is the host that is put in order.
pub(super) fn source(from: &str, host: &dyn Source, session: &Session) -> Result<Box<dyn Source>, Failure> {
    let path = Path::new(from);
    if !path.exists() {
        let runs = apply::open_runs(session)?;
        let id = runs.find(from).map_err(|error| {
            Failure::hinted(
                error,
                "name a bundle, a package file, a module's archive or a root that exists, or a run that `triage runs` lists",
            )
        })?;
        return Ok(Box::new(Originals::new(runs.run(&id)?)));
    }
    let refused = |error: MaterialError| {
        Failure::refused(error, "take the file from the vendor's own server, of the version that is installed here")
    };
    if let Some(source) = material::open(path, host).map_err(refused)? {
        return Ok(source);
    }
    // Its own root, so that the files of another host have the paths that they have there.
    let root = if path.is_dir() { path } else { Path::new("/") };
    let target = open::target(Some(path), &reading(root), session)?;
    if target.source.kind() != SourceKind::Bundle {
        return Ok(material::vouched(target.source, host)?);
    }
    let verification = bundle::verify(path, &mut |_| {}, &|| session.is_interrupted())?;
    if !verification.is_intact() {
        let what = verification
            .failures
            .first()
            .map_or_else(|| "it is cut short".to_owned(), |failure| format!("{}: {}", failure.what, failure.why));
        return Err(Failure::refused(
            anyhow::anyhow!("bundle `{}` does not verify: {what}", escape(from.as_bytes())),
            "`triage verify` tells all that is wrong with it",
        ));
    }
    Ok(match verification.bundle_sha256.or(verification.chain_head) {
        Some(digest) => material::identified(target.source, digest),
        None => target.source,
    })
}

/// The same for what a playbook names: what is wrong with it becomes part of the plan.
pub(super) fn named<'a>(
    host: &'a dyn Source,
    session: &'a Session,
) -> impl Fn(&str) -> Result<Box<dyn Source>, String> + 'a {
    move |from: &str| {
        source(from, host, session).map_err(|failure| {
            let causes: Vec<String> = failure.error.chain().map(ToString::to_string).collect();
            causes.join(": ")
        })
    }
}

/// How a host is read that is about to be changed, or copied from.
pub(super) fn reading(root: &Path) -> ReadingArgs {
    ReadingArgs {
        root: root.to_owned(),
        partition: None,
        expect_sha256: None,
        profile: Vec::new(),
        max_file_size: ByteSize(u64::MAX),
        threads: None,
        no_volatile: false,
        nice: None,
        network_mounts: false,
    }
}

/// Asks the running host's own sshd whether it would start with a configuration. On the root of another host there is nobody to ask:
/// no program of an image is run.
pub(super) fn examine(root: &Path) -> impl Fn(&EvidencePath, &[u8]) -> Result<(), String> {
    let is_live = root == Path::new("/");
    move |path: &EvidencePath, content: &[u8]| {
        if !is_live || path.as_bytes() != b"/etc/ssh/sshd_config" {
            return Ok(());
        }
        let Some(sshd) = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].iter().find(|path| Path::new(path).exists()) else {
            return Ok(());
        };
        ask_sshd(sshd, content)
    }
}

fn ask_sshd(sshd: &str, content: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("sshd could not be asked whether it takes the configuration: {error}");
    let mut copy = tempfile::NamedTempFile::new().map_err(failed)?;
    copy.write_all(content).and_then(|()| copy.flush()).map_err(failed)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the one program that knows whether a configuration of sshd is sound"
    )]
    let answer = std::process::Command::new(sshd)
        .arg("-t")
        .arg("-f")
        .arg(copy.path())
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(failed)?;
    if answer.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&answer.stderr);
    let line = text.lines().next().unwrap_or_default();
    Err(format!("sshd would not start with it: {}", escape(line.as_bytes())))
}
