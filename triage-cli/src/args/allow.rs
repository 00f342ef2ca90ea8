//! What may be found and does not count.

use clap::{Args as ClapArgs, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Default, ClapArgs)]
pub(crate) struct AllowArgs {
    /// Count no finding that this allow-list allows; it is reported with the reason; can be repeated [default: triage.allow.yaml in the current folder, if only you can write it and it is no part of what is looked at]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) allow: Vec<PathBuf>,
}
