//! What `triage modules` can be told.

use super::ReadingArgs;
use super::seal::IdentityArgs;
use clap::{Args as ClapArgs, ValueEnum, ValueHint};
use std::path::PathBuf;

/// How the modules are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModulesFormat {
    /// A table for people
    Table,
    /// One JSON document
    Json,
    /// One JSON object a line: a module each, gaps, then the counts
    Jsonl,
}

/// Holds each module against its signed list, and the signature against the vendor's keys by their fingerprints. Nothing of the host is run.
#[derive(Debug, ClapArgs)]
pub(crate) struct ModulesArgs {
    /// A host's root, a folder, a bundle, an archive or a disk image [default: the root]
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) target: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) reading: ReadingArgs,

    #[command(flatten)]
    pub(crate) identity: IdentityArgs,

    /// Print the modules so
    #[arg(long, value_enum, default_value_t = ModulesFormat::Table)]
    pub(crate) format: ModulesFormat,
}
