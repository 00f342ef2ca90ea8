//! What can be said of definitions, of looking before collecting, and of the case.

use super::Format;
use clap::{Args as ClapArgs, Subcommand, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "What is collected")]
pub(crate) struct DefinitionArgs {
    /// Collect only this artifact; can be repeated, and adds to `--profile` where both are given
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) artifact: Vec<String>,

    /// Use the definitions in this file or folder too (ours, `ForensicArtifacts`, UAC); can be repeated. Nothing in them is ever run
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) definitions: Vec<PathBuf>,
}

#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Instead of collecting")]
#[group(multiple = false)]
pub(crate) struct LookChoice {
    /// List profiles and artifacts, as `triage artifacts list` does
    #[arg(long)]
    pub(crate) list: bool,

    /// Say what a profile or an artifact reads on this host, as `triage artifacts show` does
    #[arg(long, value_name = "NAME")]
    pub(crate) explain: Option<String>,

    /// Say how much it would be, from names and sizes alone; reads no content and writes nothing
    #[arg(long)]
    pub(crate) estimate: bool,
}

#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Instead of collecting")]
pub(crate) struct LookArgs {
    #[command(flatten)]
    pub(crate) choice: LookChoice,

    /// Print the list, the explanation or the estimate as JSON
    #[arg(long, requires = "LookChoice")]
    pub(crate) json: bool,
}

#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "The case")]
pub(crate) struct CaseArgs {
    /// The case's number or name, for the bundle
    #[arg(long, value_name = "TEXT", value_parser = text)]
    pub(crate) case: Option<String>,

    /// Who collects, for the bundle
    #[arg(long, value_name = "TEXT", value_parser = text)]
    pub(crate) examiner: Option<String>,

    /// A remark, for the bundle; can be repeated
    #[arg(long, value_name = "TEXT", value_parser = text)]
    pub(crate) note: Vec<String>,
}

/// What stands in a bundle's head for good: not nothing, and not a book.
fn text(given: &str) -> Result<String, String> {
    const MAX: usize = 4_096;
    let trimmed = given.trim();
    if trimmed.is_empty() {
        Err("it says nothing".to_owned())
    } else if trimmed.len() > MAX {
        Err(format!("it has {} bytes, and at most {MAX} are kept", trimmed.len()))
    } else {
        Ok(trimmed.to_owned())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ArtifactsCommand {
    /// List profiles and artifacts
    List {
        /// Use the definitions in this file or folder too; can be repeated
        #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
        definitions: Vec<PathBuf>,

        /// Print the list so
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Say what a profile or an artifact reads on a host, and who says so
    Show {
        /// The name of a profile or an artifact
        name: String,

        /// The root of the host that is looked at
        #[arg(long, default_value = "/", value_name = "DIR", value_hint = ValueHint::DirPath)]
        root: PathBuf,

        /// Use the definitions in this file or folder too; can be repeated
        #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
        definitions: Vec<PathBuf>,

        /// Print the answer so
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Check definitions: what is wrong, with line and column, and what is not done as they say
    Check {
        /// Files or folders (ours, `ForensicArtifacts`, UAC)
        #[arg(required = true, value_hint = ValueHint::AnyPath)]
        paths: Vec<PathBuf>,
    },
}
