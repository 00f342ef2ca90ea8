//! `triage collect`

use super::{allow, artifacts, clean_up, keys, open, scan};
use crate::args::seal::IdentityArgs;
use crate::args::{BudgetArgs, BundleFormat, CollectArgs, FindingFormat, Format};
use crate::exit::{Exit, Failure};
use crate::progress::{Progress, human_bytes};
use crate::session::Session;
use crate::view;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use triage_core::bundle::{BundleError, BundleFormat as Packing, BundleInfo, BundleSink, CaseInfo};
use triage_core::collect::{self, Allowance};
use triage_core::engine::{self, Care, CollectError, Collection, Reading};
use triage_core::model::{Clock as _, Gap, escape};
use triage_core::sweep::{ExtraDigests, Options};

#[expect(clippy::too_many_lines, reason = "what was asked for, in the order in which it is done and told")]
pub(crate) fn run(args: &CollectArgs, session: &Session) -> Result<Exit, Failure> {
    let catalogue = artifacts::catalogue(&args.definitions.definitions, session)?;
    let answer = if args.look.json { Format::Json } else { Format::Human };
    if args.look.choice.list {
        return artifacts::list(&catalogue, answer, session);
    }
    if let Some(name) = &args.look.choice.explain {
        return artifacts::show(&catalogue, name, &args.reading.root, answer, session);
    }
    let identity = IdentityArgs::default();
    let open = || open::chosen(None, &args.reading, &identity, &catalogue, &args.definitions.artifact, session);
    if args.look.choice.estimate {
        return artifacts::estimate(args, &open()?, session);
    }
    let format = packing(args);
    let seal = keys::seal(&args.seal, session)?;
    let is_sealed = !seal.recipients.is_empty();
    let to_stdout = args.output.as_deref() == Some(Path::new("-"));
    if to_stdout && std::io::stdout().is_terminal() {
        return Err(Failure::hinted(
            anyhow::anyhow!("a bundle is not written to a terminal"),
            "redirect it (`triage collect -o - > bundle.tar.zst`) or name a file",
        ));
    }
    let output = args.output.clone().filter(|_| !to_stdout);
    let target = open()?;
    if !args.scan && !args.allow.allow.is_empty() {
        return Err(Failure::hinted(
            anyhow::anyhow!("`--allow` says what a scan may find, and nothing is scanned"),
            "add `--scan`",
        ));
    }
    let detectors = if args.scan {
        let list = allow::list(&args.allow, None, &target, &args.reading, session)?;
        Some(open::detectors(&[], true, 30)?.allowing(list))
    } else {
        None
    };
    let extra_digests = ExtraDigests { md5: args.md5, sha1: args.sha1 };
    let manners = open::manners(&target, &args.reading, session);
    let options = Options { extra_digests, threads: manners.threads, ..open::options(&args.reading) };
    let mut info = engine::bundle_info(&target, Session::VERSION, session.clock.now(), options.threads.get());
    info.case =
        CaseInfo { case: args.case.case.clone(), examiner: args.case.examiner.clone(), notes: args.case.note.clone() };
    let sink = if let Some(partial) = &args.resume {
        BundleSink::Resume { partial: partial.clone() }
    } else if to_stdout {
        BundleSink::stream(std::io::stdout(), format)
    } else {
        let path = output.unwrap_or_else(|| default_name(&info, format, is_sealed));
        BundleSink::path(path, format)
    };
    let elapsed = || session.started.elapsed();
    let care = Care {
        allowance: allowance(&args.budget, sink.partial_path().as_deref()),
        elapsed: &elapsed,
        manners: Some(manners.to_string()),
        limits: args
            .reading
            .network_mounts
            .then(|| ("network-mounts".to_owned(), "yes".to_owned()))
            .into_iter()
            .collect(),
    };
    let progress = Progress::start(&session.ui, "collecting");
    let reading = Reading { options, progress: &progress, cancel: &|| session.is_interrupted() };
    let collection = Collection {
        target: &target,
        info,
        sink,
        seal,
        omits_secrets: args.omit_secrets,
        detectors,
        care,
        clock: &session.clock,
    };
    let collected = engine::collect(collection, reading).map_err(|error| explain(error, args))?;
    drop(progress);

    let summary = &collected.summary;
    let gaps: Vec<Gap> = match &collected.scan {
        Some(scan) => scan.gaps.clone(),
        None => target.gaps().iter().chain(&summary.gaps).cloned().collect(),
    };
    // A bundle that was gone on with may have gaps from before.
    let mut exit = Exit::of(false, !gaps.is_empty() || collected.sealed.totals.gaps > 0);
    if let Some(mut found) = collected.scan.clone() {
        allow::tell_unused(&found, session);
        clean_up::judge(&mut found, &target, session);
        let report = scan::report_of(&target, found, session);
        exit = scan::of(&report);
        if to_stdout {
            session.ui.note(&view::findings::table(&report));
        } else {
            scan::show(&report, FindingFormat::Table, session)?;
        }
    } else {
        session.ui.note(view::findings::gaps(&gaps).trim_end());
    }
    let sealed = &collected.sealed;
    session.ui.note(view::coverage::table(&collected.coverage).trim_end());
    session.ui.detail(view::coverage::windows(&collected.coverage).trim_end());
    session.ui.note(&format!(
        "{} objects, {} files, {} read{}",
        summary.objects,
        summary.files,
        human_bytes(summary.bytes),
        match (&summary.ended_by, summary.is_interrupted) {
            (Some(why), _) => format!("; ENDED EARLY, {why}; the bundle holds what was read until then"),
            (None, true) => "; INTERRUPTED, the bundle holds what was read until then".to_owned(),
            (None, false) => String::new(),
        },
    ));
    if let Some(path) = &sealed.path {
        session.ui.note(&format!("{} ({})", escape(path.as_os_str().as_encoded_bytes()), human_bytes(sealed.bytes)));
    }
    session.ui.note(&format!("head of the collection log: {}", sealed.chain_head));
    if let Some(key_id) = &sealed.signed_by {
        session.ui.note(&format!("signed by key ID {key_id}"));
    }
    // The hash for the paper form is the last line.
    session.ui.note(&view::verification::paper(sealed.sha256.as_ref(), &sealed.tag_manifest));
    // A budget that ends a run was asked for; its gap is in the exit code.
    Ok(if summary.is_interrupted && summary.ended_by.is_none() { Exit::Interrupted } else { exit })
}

/// The budgets, with the default floor of free space for where the bundle goes: 1 GiB, or 5 % where that is less.
fn allowance(budget: &BudgetArgs, partial: Option<&Path>) -> Allowance {
    let folder = partial
        .and_then(Path::parent)
        .map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let floor = || Some(collect::default_floor(folder?));
    Allowance {
        max_total: budget.max_total.map(|size| size.0),
        max_time: budget.max_time.map(|time| time.0),
        min_free: budget.min_free.map(|size| size.0).or_else(floor),
        output: None,
    }
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

/// What to do where a bundle could not be written.
fn explain(error: CollectError, args: &CollectArgs) -> Failure {
    match &error {
        CollectError::Bundle(BundleError::Exists { path }) if path.ends_with(".partial") => {
            // The same words as before, as far as they say what is collected.
            let mut command = format!("triage collect --resume '{path}'");
            if args.reading.root != Path::new("/") {
                let _ = write!(command, " --root '{}'", escape(args.reading.root.as_os_str().as_encoded_bytes()));
            }
            for profile in &args.reading.profile {
                let _ = write!(command, " --profile {}", escape(profile.as_bytes()));
            }
            Failure::hinted(error, format!("an earlier collection was killed: `{command}` goes on with it"))
        }
        CollectError::Bundle(BundleError::OtherCollection { .. }) => Failure::refused(
            error,
            "name the `--root` and `--profile` that it was begun with, or collect anew with `-o FILE`",
        ),
        CollectError::Bundle(
            BundleError::Unsupported { .. } | BundleError::Container(_) | BundleError::Damaged { .. },
        ) if args.resume.is_some() => {
            Failure::hinted(error, "collect anew with `-o FILE`; `triage verify` says how far the partial bundle goes")
        }
        CollectError::Bundle(BundleError::Busy { .. }) => {
            Failure::hinted(error, "wait until it has ended, or end it: what it has read stays")
        }
        _ => Failure::hinted(
            error,
            "free space or name another place with `-o FILE`; nothing stands under the final name, what was written until then ends in `.partial`, and `--resume` goes on with it",
        ),
    }
}

/// The name of a bundle that was given none: that of its bag, and for a file what it is.
fn default_name(info: &BundleInfo, format: Packing, is_sealed: bool) -> PathBuf {
    match format {
        format if is_sealed => PathBuf::from(format!("{}.{}.age", info.name(), format.as_str())),
        Packing::Dir => PathBuf::from(info.name()),
        format => PathBuf::from(format!("{}.{}", info.name(), format.as_str())),
    }
}
