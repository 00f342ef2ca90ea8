//! Arguments of `triage check`.

use super::seal::IdentityArgs;
use super::{AllowArgs, FailOn, ReadingArgs};
use clap::{Args as ClapArgs, ValueEnum, ValueHint};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    /// A host's root, a bundle, an archive, a disk image or a dump of a database [default: the running host]
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

    /// Let findings of these kinds, too, make exit code 2; several with commas
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
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
