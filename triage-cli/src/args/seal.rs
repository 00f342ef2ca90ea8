//! Keys: who signs, for whom it is encrypted, what opens it.

use clap::{Args as ClapArgs, ValueHint};
use std::path::PathBuf;

/// How a bundle is sealed.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct SealArgs {
    /// Sign the bundle with this secret key of minisign; its password is asked for on the terminal
    #[arg(long, value_name = "KEYFILE", value_hint = ValueHint::FilePath, help_heading = "Seal")]
    pub(crate) sign: Option<PathBuf>,

    /// Take the password of the secret key from the first line of this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "sign", help_heading = "Seal")]
    pub(crate) sign_password_file: Option<PathBuf>,

    /// Encrypt the bundle for this age recipient, `age1…`; can be repeated
    #[arg(long, value_name = "RECIPIENT", help_heading = "Seal")]
    pub(crate) recipient: Vec<String>,

    /// Encrypt the bundle for the age recipients in this file, one a line; can be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Seal")]
    pub(crate) recipients_file: Vec<PathBuf>,
}

/// What opens an encrypted bundle.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct IdentityArgs {
    /// Open an encrypted bundle with the age identities in this file; can be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) identity: Vec<PathBuf>,

    /// Take the passphrase of an encrypted identity file from the first line of this file [default: ask on the terminal]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "identity")]
    pub(crate) passphrase_file: Option<PathBuf>,
}
