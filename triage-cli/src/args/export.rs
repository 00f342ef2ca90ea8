//! Arguments of `triage export`.

use super::seal::IdentityArgs;
use clap::{ArgGroup, Args as ClapArgs, ValueHint};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("what").required(true).args(["file", "tree"]))]
pub(crate) struct ExportArgs {
    /// The bundle: a file or an unpacked folder
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) bundle: PathBuf,

    /// One collected file, by its path on the host; it is written only if it has the digest that the bundle gives for it
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Option<PathBuf>,

    /// Write the file here; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath, conflicts_with = "tree")]
    pub(crate) output: PathBuf,

    /// All collected files, laid into this folder, which is new or empty; links, devices, owners and modes are not made
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) tree: Option<PathBuf>,

    /// Only what lies beneath this folder of the host
    #[arg(long, value_name = "PATH", conflicts_with = "file")]
    pub(crate) under: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
}
