//! Keys from files: what signs, what encrypts, what opens. Passwords are asked for on the terminal, and never echoed.

use crate::args::seal::{IdentityArgs, SealArgs};
use crate::exit::Failure;
use crate::session::Session;
use anyhow::{Context as _, anyhow};
use std::fs;
use std::path::Path;
use triage_core::bundle::{Recipients, Seal, Signer, VerifyingKey};
use triage_core::model::escape;
use triage_core::source::Identities;

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

fn text(path: &Path, what: &str) -> Result<String, Failure> {
    let name = shown(path);
    let bytes = fs::read(path).with_context(|| format!("reading {what} `{name}`"))?;
    Ok(String::from_utf8(bytes).map_err(|_| anyhow!("{what} `{name}` is not text"))?)
}

/// A password: the first line of a file, or what somebody types.
fn password(file: Option<&Path>, of: &Path, session: &Session) -> Result<String, Failure> {
    if let Some(file) = file {
        return Ok(text(file, "the password in")?.lines().next().unwrap_or_default().to_owned());
    }
    let question = format!("Password of {}: ", shown(of));
    session.ui.secret(&question).ok_or_else(|| {
        Failure::hinted(
            anyhow!("`{}` has a password and there is no terminal to ask for it", shown(of)),
            "name a file that holds it with `--sign-password-file` or `--passphrase-file`",
        )
    })
}

/// What `collect` does to a bundle besides writing it.
pub(super) fn seal(args: &SealArgs, session: &Session) -> Result<Seal, Failure> {
    let mut recipients = Recipients::default();
    for recipient in &args.recipient {
        recipients.add(recipient)?;
    }
    for file in &args.recipients_file {
        let list = text(file, "the recipients in")?;
        recipients.add_file(&list).with_context(|| format!("reading the recipients in `{}`", shown(file)))?;
    }
    let signer = match &args.sign {
        None => None,
        Some(file) => {
            let key = text(file, "the secret key")?;
            let using = || format!("using the secret key `{}`", shown(file));
            let password = if Signer::wants_password(&key).with_context(using)? {
                Some(password(args.sign_password_file.as_deref(), file, session)?)
            } else {
                None
            };
            Some(Signer::read(&key, password.as_deref()).with_context(using)?)
        }
    };
    Ok(Seal { signer, recipients })
}

/// What opens an encrypted bundle.
pub(super) fn identities(args: &IdentityArgs, session: &Session) -> Result<Identities, Failure> {
    let mut identities = Identities::default();
    for file in &args.identity {
        let name = shown(file);
        let bytes = fs::read(file).with_context(|| format!("reading the identities in `{name}`"))?;
        let passphrase = if Identities::wants_passphrase(&bytes) {
            Some(password(args.passphrase_file.as_deref(), file, session)?)
        } else {
            None
        };
        identities.add(&bytes, passphrase.as_deref()).with_context(|| format!("reading the identities in `{name}`"))?;
    }
    Ok(identities)
}

/// A public key: a file, or the key itself.
pub(super) fn public_key(given: &str) -> Result<VerifyingKey, Failure> {
    let path = Path::new(given);
    let key = if path.exists() { text(path, "the public key")? } else { given.to_owned() };
    VerifyingKey::read(&key).map_err(|error| {
        Failure::hinted(
            anyhow::Error::new(error).context(format!("using the public key `{}`", escape(given.as_bytes()))),
            "name the file that `minisign -G` wrote, or give its second line",
        )
    })
}
