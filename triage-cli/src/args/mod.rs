//! What the command line can say; clap types only. The doc comments are the help texts.

mod allow;
mod budget;
mod check;
mod definitions;
pub(crate) mod export;
mod modules;
pub(crate) mod seal;

pub(crate) use allow::AllowArgs;
pub(crate) use budget::{BudgetArgs, Nice, Period};
pub(crate) use check::{CheckArgs, CheckFormat};
pub(crate) use definitions::{ArtifactsCommand, CaseArgs, DefinitionArgs, LookArgs};
pub(crate) use modules::{ModulesArgs, ModulesFormat};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum, ValueHint};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use triage_core::model::Digest;

use export::ExportArgs;
use seal::{IdentityArgs, SealArgs};

/// Triage and clean up compromised Linux servers, FreePBX first of all
///
/// collect -> verify -> scan -> plan -> apply -> rollback: evidence before change, every change undone on request.
#[derive(Debug, Parser)]
#[command(name = "triage", version, propagate_version = true, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 done, nothing found · 1 error · 2 evidence of compromise, or a plan with changes · \
3 done, with gaps · 4 refused by a safety rule, or failed integrity · 5 apply stopped half-way · 64 usage · 130 interrupted"
)]
pub(crate) struct Args {
    /// Tell more on standard error; twice for every file
    #[arg(short, long, global = true, help_heading = "Everywhere", action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Tell nothing on standard error but errors
    #[arg(short, long, global = true, help_heading = "Everywhere", conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Keep runs (plan, journal, vault) in this folder [default: /var/lib/triage for root, else the XDG state folder]
    #[arg(long, global = true, help_heading = "Everywhere", env = "TRIAGE_STATE", hide_env_values = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) state: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say in one answer whether a host is compromised, how, since when, and what to do next
    Check(CheckArgs),
    /// Collect evidence of a host into a hashed bundle
    Collect(CollectArgs),
    /// Check every hash of a bundle, and that it is complete
    Verify(VerifyArgs),
    /// Take one file, or all of them, out of a bundle
    Export(ExportArgs),
    /// Look for web shells, persistence and tampering on a host, in a folder, bundle, archive or disk image
    Scan(ScanArgs),
    /// Compare two states of a host: what was added, removed and changed
    Diff(DiffArgs),
    /// Check the signatures and files of every FreePBX module
    Modules(ModulesArgs),
    /// Say what a playbook would change; changes nothing
    Plan(PlanArgs),
    /// Carry out a plan: asks, journals, changes, verifies
    Apply(ApplyArgs),
    /// Go on with a run after a crash or a stop
    Resume(ResumeArgs),
    /// Undo a run
    Rollback(RollbackArgs),
    /// List what was done here, or show one run
    Runs(RunsArgs),
    /// List, show or check playbooks
    #[command(subcommand)]
    Playbook(PlaybookCommand),
    /// List, show or check the definitions of what is collected
    #[command(subcommand)]
    Artifacts(ArtifactsCommand),
    /// List or check detection rules
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Go the whole way on an embedded, inert, compromised host
    Demo(DemoArgs),
    /// Print a completion script
    Completions(CompletionsArgs),
    /// Write the manual pages into a folder
    Man(ManArgs),
}

/// How the output is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BundleFormat {
    #[value(name = "tar.zst")]
    TarZst,
    #[value(name = "tar.gz")]
    TarGz,
    Zip,
    Dir,
}

/// Findings that can make exit code 2 although they do not make the verdict. Weaknesses of severity info never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Versions with a known flaw
    Vulnerable,
    /// What lies open
    Exposure,
    /// What could be defended better
    Hardening,
    /// Any finding of that severity or worse
    Low,
    /// Any finding of that severity or worse
    Medium,
    /// Any finding of that severity or worse
    High,
    /// Any finding of that severity
    Critical,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FindingFormat {
    /// A table for people
    Table,
    /// One JSON document
    Json,
    /// One JSON object a line: findings, then gaps, then the verdict
    Jsonl,
    /// A report in Markdown
    Markdown,
}

/// How plans, runs and verifications are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text for people
    Human,
    /// One JSON document
    Json,
}

/// A number of bytes, with an optional unit: `500M`, `2GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteSize(pub(crate) u64);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = text.strip_prefix(digits).unwrap_or_default();
        let shift = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kib" => 10,
            "m" | "mib" => 20,
            "g" | "gib" => 30,
            "t" | "tib" => 40,
            _ => return Err("the unit is none of K, M, G, T".to_owned()),
        };
        let number: u64 = digits.parse().map_err(|_| "expected a whole number and a unit, as in 500M".to_owned())?;
        number.checked_mul(1 << shift).map(Self).ok_or_else(|| "too large".to_owned())
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ReadingArgs {
    /// The root of the host that is looked at: a folder, a disk image or an archive
    #[arg(long, default_value = "/", value_name = "DIR", value_hint = ValueHint::AnyPath)]
    pub(crate) root: PathBuf,

    /// The partition of a disk image that is the root, as Linux counts [default: the one that has /etc]
    #[arg(long, value_name = "N")]
    pub(crate) partition: Option<u32>,

    /// Refuse an archive or image whose SHA-256 is not this one
    #[arg(long, value_name = "HEX")]
    pub(crate) expect_sha256: Option<Digest>,

    /// Which parts of a host are read: linux, web, freepbx, full, volatile; several with `,` between, or repeated [default: what the host is]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) profile: Vec<String>,

    /// Leave larger files out, as a gap
    #[arg(long, default_value = "1G", value_name = "SIZE")]
    pub(crate) max_file_size: ByteSize,

    /// Threads that read [default: the number of cores, at most 4; one while Asterisk has calls]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Leave out what a live host is doing: processes, sockets, kernel modules, calls, firewall rules
    #[arg(long)]
    pub(crate) no_volatile: bool,

    /// How to treat the host [default: polite on a running host, idle while Asterisk has calls, else normal]
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) nice: Option<Nice>,

    /// Go into network and FUSE file systems too
    #[arg(long)]
    pub(crate) network_mounts: bool,
}

#[derive(Debug, ClapArgs)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub(crate) struct CollectArgs {
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,

    /// Write the bundle here; `-` is standard output [default: HOST-TIME.tar.zst in the current folder]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) output: Option<PathBuf>,

    /// Pack it so [default: by the output's name, else tar.zst]
    #[arg(long, value_enum)]
    pub(crate) format: Option<BundleFormat>,

    /// Look for signs of compromise in the same pass
    #[arg(long)]
    pub(crate) scan: bool,

    #[command(flatten)]
    pub(crate) allow: AllowArgs,

    /// Leave password hashes, private keys and configuration with passwords out, as gaps
    #[arg(long)]
    pub(crate) omit_secrets: bool,

    /// Put the MD5 of each file into its record too, for look-ups in others' lists
    #[arg(long)]
    pub(crate) md5: bool,

    /// Put the SHA-1 of each file into its record too
    #[arg(long)]
    pub(crate) sha1: bool,

    /// Go on with a collection that was killed: NAME.partial, with the options it was begun with
    #[arg(long, value_name = "PARTIAL", value_hint = ValueHint::AnyPath, conflicts_with_all = ["output", "format", "scan", "recipient", "recipients_file"])]
    pub(crate) resume: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) budget: BudgetArgs,

    #[command(flatten)]
    pub(crate) seal: SealArgs,

    #[command(flatten)]
    pub(crate) definitions: DefinitionArgs,

    #[command(flatten)]
    pub(crate) look: LookArgs,

    #[command(flatten)]
    pub(crate) case: CaseArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VerifyArgs {
    /// The bundle: a file or an unpacked folder
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) bundle: PathBuf,

    /// Demand a signature by this public key of minisign: its file, or the key itself
    #[arg(long, value_name = "KEY")]
    pub(crate) public_key: Option<String>,

    #[command(flatten)]
    pub(crate) identity: IdentityArgs,

    /// Print the result so
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ScanArgs {
    /// A host's root, a folder, a bundle, an archive (tar or zip; UAC, acquire, Velociraptor, docker save), a disk image (ext4) or a dump
    /// of a database (mysqldump, mariadb-dump, phpMyAdmin)
    #[arg(required = true, value_hint = ValueHint::AnyPath)]
    pub(crate) targets: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) reading: ReadingArgs,

    #[command(flatten)]
    pub(crate) identity: IdentityArgs,

    /// Print the findings so
    #[arg(long, value_enum, default_value_t = FindingFormat::Table)]
    pub(crate) format: FindingFormat,

    /// Read the folders of programs too, and hold every packaged file against dpkg's or rpm's database
    #[arg(long)]
    pub(crate) verify_packages: bool,

    /// Hold the files against a state that is known good; can be repeated
    ///
    /// A bundle of the host from better days, a sister host's root, folder, bundle or archive, or the checksums of a WordPress release as saved from
    /// api.wordpress.org/core/checksums/1.0 (JSON). What is as it is there weighs less; changed code is told with the difference.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath, conflicts_with = "cache")]
    pub(crate) baseline: Vec<PathBuf>,

    /// Use YARA rules (.yar), Sigma rules (.yml) and advisories (.yaml) from this file or folder too; can be repeated
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) rules: Vec<PathBuf>,

    /// Use no built-in YARA and Sigma rules
    #[arg(long)]
    pub(crate) no_builtin_rules: bool,

    /// Let findings of these kinds, too, make exit code 2; several with commas
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub(crate) fail_on: Vec<FailOn>,

    /// Look for the indicators in this file too: STIX 2.1, MISP, LOKI, CSV, a plain list, or our own YAML; can be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) iocs: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) allow: AllowArgs,

    /// Seconds that may be spent on looking at one file; more is a gap
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub(crate) timeout: u64,

    /// End after so long, with what was found until then, as a gap: 90s, 15m, 2h
    #[arg(long, value_name = "TIME")]
    pub(crate) max_time: Option<Period>,

    /// Keep compiled rules and the list of harmless files here, and pass over files that did not change since [default: keep nothing]
    ///
    /// The folder must be yours alone. A file counts as unchanged by device, inode, size, owner, mode and times, ctime included; an intruder who is
    /// still root can forge that, so this is not for the first look at a suspect host.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) cache: Option<PathBuf>,

    /// Print instead what each YARA rule costs: every file is scanned with each rule alone, which takes long
    #[arg(long, conflicts_with_all = ["cache", "format"])]
    pub(crate) profile_rules: bool,
}

/// How differences are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// Tables for people
    Table,
    /// One JSON document
    Json,
    /// One JSON object a line: files, records, gaps, then what was compared
    Jsonl,
}

/// What is compared and told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffKind {
    Files,
    Accounts,
    Groups,
    Cron,
    Units,
    Modules,
    AuthorizedKeys,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DiffArgs {
    /// The old state: a host's root, a folder, a bundle, an archive or a disk image
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) old: PathBuf,

    /// The new state
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) new: PathBuf,

    /// Tell only these; can be repeated
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    pub(crate) only: Vec<DiffKind>,

    /// Tell everything: also files of which only times differ, logs that have grown, and the ends of long lists
    #[arg(long)]
    pub(crate) all: bool,

    /// Print the differences so
    #[arg(long, value_enum, default_value_t = DiffFormat::Table)]
    pub(crate) format: DiffFormat,

    /// Which parts of a host are read: linux, web, freepbx, full; several with `,` between, or repeated [default: what the host is]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) profile: Vec<String>,

    /// Leave larger files out, as a gap
    #[arg(long, default_value = "1G", value_name = "SIZE")]
    pub(crate) max_file_size: ByteSize,

    /// Threads that read [default: the number of cores, at most 4]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PlanArgs {
    /// A host's root or a bundle [default: the root]
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) target: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) reading: ReadingArgs,

    #[command(flatten)]
    pub(crate) identity: IdentityArgs,

    /// A built-in playbook's name or a file; can be repeated: one plan, ordered by phase
    #[arg(long, required = true, value_name = "NAME")]
    pub(crate) playbook: Vec<String>,

    /// Give an input of a playbook its value; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = input)]
    pub(crate) set: Vec<(String, String)>,

    /// Where good copies of altered files are: a bundle, a .deb or .rpm, a signed module's archive, a tree whose files its package database or a
    /// signature vouches for, or a run; can be repeated, and the first that has a file counts
    #[arg(long, value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub(crate) from: Vec<String>,

    /// Use YARA rules (.yar) and Sigma rules (.yml) from this file or folder too; can be repeated
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) rules: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) allow: AllowArgs,

    /// Write the plan here, for `triage apply`
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Print the plan so
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

/// The greatest risk of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RiskLevel {
    Low,
    Medium,
    High,
}

/// Reads `NAME=VALUE`.
fn input(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it has to be `NAME=VALUE`")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ConsentArgs {
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,

    /// Drop steps whose object changed since the plan, and those that build on them, instead of refusing all
    #[arg(long)]
    pub(crate) skip_stale: bool,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
#[derive(Debug, ClapArgs)]
pub(crate) struct ApplyArgs {
    /// The plan
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) plan: PathBuf,

    /// The root of the host that is changed
    #[arg(long, default_value = "/", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) root: PathBuf,

    /// Refuse any plan but the one with this digest
    #[arg(long, value_name = "SHA256")]
    pub(crate) digest: Option<String>,

    /// Only these steps, by number; can be repeated
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub(crate) only: Vec<u32>,

    /// All but these steps, by number; can be repeated
    #[arg(long, value_name = "N", value_delimiter = ',', conflicts_with = "only")]
    pub(crate) skip: Vec<u32>,

    /// Leave out steps of a greater risk, and those that build on them
    #[arg(long, value_enum, value_name = "RISK")]
    pub(crate) max_risk: Option<RiskLevel>,

    /// Show each step with its change and ask for it alone
    #[arg(long, conflicts_with = "yes")]
    pub(crate) review: bool,

    /// Look on for so long afterwards, and tell what comes back: 3m is two rounds of cron
    #[arg(long, value_name = "TIME")]
    pub(crate) watch: Option<budget::Period>,

    /// Where good copies of altered files are, as for `triage plan`; each is held against its digest in the plan
    #[arg(long, value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub(crate) from: Vec<String>,

    /// The bundle that holds the plan's objects as evidence [default: a small one is collected first]
    #[arg(long, value_name = "BUNDLE", value_hint = ValueHint::AnyPath)]
    pub(crate) evidence: Option<PathBuf>,

    /// Change the host although no evidence is kept; the journal records that
    #[arg(long, conflicts_with = "evidence")]
    pub(crate) without_evidence: bool,

    /// Do steps that nothing undoes, too: ended processes, commands without one that undoes them
    #[arg(long)]
    pub(crate) allow_irreversible: bool,

    /// Do steps that can cut calls off, too
    #[arg(long)]
    pub(crate) allow_call_impact: bool,

    #[command(flatten)]
    pub(crate) consent: ConsentArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ResumeArgs {
    /// The run, or `last`
    #[arg(default_value = "last")]
    pub(crate) run: String,

    /// The root of the host that is changed
    #[arg(long, default_value = "/", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) root: PathBuf,

    /// Where good copies of altered files are that the run has not taken yet, as for `triage apply`
    #[arg(long, value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub(crate) from: Vec<String>,

    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RollbackArgs {
    /// The run, or `last`
    pub(crate) run: String,

    /// The root of the host that is changed
    #[arg(long, default_value = "/", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) root: PathBuf,

    /// Undo this step only
    #[arg(long, value_name = "N")]
    pub(crate) step: Option<u32>,

    /// Undo only what touches calls, web, ssh or the database
    #[arg(long)]
    pub(crate) service: bool,

    /// Put malicious objects back too
    #[arg(long)]
    pub(crate) restore_malicious: bool,

    /// Where somebody else changed an object since, put the original beside it, as `NAME.triage-RUN-STEP`
    #[arg(long)]
    pub(crate) keep_both: bool,

    #[command(flatten)]
    pub(crate) consent: ConsentArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<RunsCommand>,

    /// Print it so
    #[arg(long, value_enum, global = true, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// Show one run, step by step
    Show {
        /// Its id, the beginning of it, or `last`
        run: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlaybookCommand {
    /// List the built-in playbooks
    List,
    /// Print a built-in playbook
    Show {
        /// Its name
        name: String,
    },
    /// Check a playbook file
    Check {
        /// The file
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Print the JSON Schema of playbooks, for editors
    Schema,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// List the built-in rules: YARA for files, Sigma for logs, rules in code, advisories
    List,
    /// Check YARA rules, Sigma rules, advisories and allow-lists: what does not compile or hold together, with line and column
    Check {
        /// Rules (.yar, .yml), folders of them, advisories or allow-lists (.yaml)
        #[arg(required = true, value_hint = ValueHint::AnyPath)]
        paths: Vec<PathBuf>,
    },
    /// Test rules: each hits the sample that its `sample` names, none hits a clean file
    Test {
        /// Files or folders [default: the built-in rules]
        #[arg(value_hint = ValueHint::AnyPath)]
        paths: Vec<PathBuf>,

        /// The folder that holds the samples
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        samples: PathBuf,

        /// A folder of clean files; can be repeated
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        clean: Vec<PathBuf>,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// Lay everything into this folder, which must not exist [default: a new temporary folder]
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) folder: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ManArgs {
    /// The folder; it is made if it is not there
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definitions_hold_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn sizes() {
        assert_eq!("500M".parse(), Ok(ByteSize(500 << 20)));
        assert_eq!("2GiB".parse(), Ok(ByteSize(2 << 30)));
        assert_eq!("7".parse(), Ok(ByteSize(7)));
        for wrong in ["", "M", "1.5G", "-1", "3 X", "99999999999T"] {
            assert!(wrong.parse::<ByteSize>().is_err(), "{wrong}");
        }
    }
}
