//! `triage collect`

use super::{open, scan};
use crate::args::{BundleFormat, CollectArgs, FindingFormat};
use crate::exit::{Exit, Failure};
use crate::progress::{Progress, human_bytes};
use crate::session::Session;
use crate::view;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use triage_core::bundle::{BundleFormat as Packing, BundleInfo, BundleSink};
use triage_core::engine::{self, Collection, Reading};
use triage_core::model::{Clock as _, escape};

pub(crate) fn run(args: &CollectArgs, session: &Session) -> Result<Exit, Failure> {
    let format = packing(args);
    let to_stdout = args.output.as_deref() == Some(Path::new("-"));
    if to_stdout && std::io::stdout().is_terminal() {
        return Err(Failure::hinted(
            anyhow::anyhow!("a bundle is not written to a terminal"),
            "redirect it (`triage collect -o - > bundle.tar.zst`) or name a file",
        ));
    }
    let output = args.output.clone().filter(|_| !to_stdout);
    let target = open::target(None, &args.reading, session)?;
    let detectors = if args.scan { Some(open::detectors(&[], true, 30)?) } else { None };
    let options = open::options(&args.reading);
    let info = engine::bundle_info(&target, Session::VERSION, session.clock.now(), options.threads.get());
    let sink = if to_stdout {
        BundleSink::stream(std::io::stdout(), format)
    } else {
        let path = output.unwrap_or_else(|| default_name(&info, format));
        BundleSink::path(path, format)
    };
    let progress = Progress::start(&session.ui, "collecting");
    let reading = Reading { options, progress: &progress, cancel: &|| session.is_interrupted() };
    let collection =
        Collection { target: &target, info, sink, omits_secrets: args.omit_secrets, detectors, clock: &session.clock };
    let collected = engine::collect(collection, reading).map_err(|error| {
        Failure::hinted(error, "free space or name another place with `-o FILE`; nothing stands under the final name, and what was written until then ends in `.partial`")
    })?;
    drop(progress);

    let summary = &collected.summary;
    let gaps = if let Some(scan) = &collected.scan { &scan.gaps } else { &summary.gaps };
    let mut exit = Exit::of(false, !gaps.is_empty() || !target.gaps().is_empty());
    if let Some(found) = collected.scan.clone() {
        let report = scan::report_of(&target, found, session);
        exit = scan::of(&report);
        if to_stdout {
            session.ui.note(&view::findings::table(&report));
        } else {
            scan::show(&report, FindingFormat::Table, session)?;
        }
    } else {
        session.ui.note(view::findings::gaps(gaps).trim_end());
    }
    let sealed = &collected.sealed;
    session.ui.note(&format!(
        "{} objects, {} files, {} read{}",
        summary.objects,
        summary.files,
        human_bytes(summary.bytes),
        if summary.is_interrupted { "; INTERRUPTED, the bundle holds what was read until then" } else { "" },
    ));
    if let Some(path) = &sealed.path {
        session.ui.note(&format!("{} ({})", escape(path.as_os_str().as_encoded_bytes()), human_bytes(sealed.bytes)));
    }
    session.ui.note(&format!("head of the collection log: {}", sealed.chain_head));
    if let Some(sha256) = sealed.sha256 {
        // The hash for the paper form is the last line.
        session.ui.note(&format!("sha256 of the bundle: {sha256}"));
    }
    Ok(if summary.is_interrupted { Exit::Interrupted } else { exit })
}

/// What was asked for, else what the output's name says.
fn packing(args: &CollectArgs) -> Packing {
    match args.format {
        Some(BundleFormat::TarZst) => Packing::TarZst,
        Some(BundleFormat::TarGz) => Packing::TarGz,
        Some(BundleFormat::Zip) => Packing::Zip,
        Some(BundleFormat::Dir) => Packing::Dir,
        None => args.output.as_deref().and_then(Packing::of_name).unwrap_or(Packing::TarZst),
    }
}

/// The name of a bundle that was given none: that of its bag, and for a file what it is.
fn default_name(info: &BundleInfo, format: Packing) -> PathBuf {
    match format {
        Packing::Dir => PathBuf::from(info.name()),
        format => PathBuf::from(format!("{}.{}", info.name(), format.as_str())),
    }
}
