//! Arguments of `triage check`.

use super::seal::IdentityArgs;
use super::{AllowArgs, ReadingArgs};
use clap::{Args as ClapArgs, ValueEnum, ValueHint};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    /// A host's root, a bundle, an archive or a disk image [default: the running host]
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) target: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) reading: ReadingArgs,

    #[command(flatten)]
    pub(crate) identity: IdentityArgs,

    /// Keep what was read as a bundle in this file; what is running now does not come again
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) save: Option<PathBuf>,

    /// Print the answer so
    #[arg(long, value_enum, default_value_t = CheckFormat::Human)]
    pub(crate) format: CheckFormat,

    /// End with 2 for these too; several with `,` between [default: evidence of compromise alone]
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) fail_on: Vec<FailOn>,

    #[command(flatten)]
    pub(crate) allow: AllowArgs,
}

/// How a check is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// Text for people
    Human,
    /// One JSON document: the check, and with it all findings and gaps
    Json,
    /// One JSON object a line: findings, gaps, and the check last, with `kind` "verdict"
    Jsonl,
}

/// What may end a check with 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// A known hole is open
    Vulnerable,
    /// Something could be set up better
    Hardening,
    /// Something lies where an intruder could read it
    Exposure,
    /// Any finding of that severity or worse
    Low,
    /// Any finding of that severity or worse
    Medium,
    /// Any finding of that severity or worse
    High,
    /// Any finding of that severity
    Critical,
}
