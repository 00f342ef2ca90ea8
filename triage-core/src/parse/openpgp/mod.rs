//! `OpenPGP` signatures and public keys (RFC 4880, RFC 9580), as vendors sign what they ship with them.
//!
//! This says whether a signature is by a key, and what a key says of itself. Whose key that is, and whether a digest as weak as SHA-1 is good enough
//! for it, is for the caller: nothing is trusted here, no web of trust is followed, and no secret key is read. Packets are taken apart
//! by `rPGP`, which sees hostile bytes behind limits and inside `catch_unwind`.
//!
//! A signature is hashed where its text is met ([`Signed`]) and checked where the keys are known ([`KeyRing::check`]), because a walk meets them
//! in any order.

mod key;
mod signature;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod testing;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;

pub use key::{Check, KeyRing};
pub use signature::{Signed, SignedContent, clear_signed, signed_message};

use serde::{Deserialize, Serialize};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use thiserror::Error;

/// The fingerprint of a version 4 key: SHA-1 over its public packet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 20]);

impl Fingerprint {
    /// The key's id: the last eight bytes, in hexadecimal digits.
    pub fn key_id(&self) -> String {
        self.to_string().chars().skip(24).collect()
    }
}

/// Forty hexadecimal digits, in capitals, as `GnuPG` prints them.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c.to_digit(16)?).ok()).collect();
        let bytes: Option<Vec<u8>> = digits.filter(|digits| digits.len() == 40).map(|digits| {
            let (pairs, _) = digits.as_chunks::<2>();
            pairs.iter().map(|[high, low]| high << 4 | low).collect()
        });
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(FingerprintError)
    }
}

/// Not forty hexadecimal digits.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a fingerprint is forty hexadecimal digits")]
pub struct FingerprintError;

/// Why bytes are no signature or key that can be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenPgpError {
    /// The packets cannot be taken apart.
    #[error("reading {what}")]
    Malformed {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is none in it.
    #[error("there is no {what} in it")]
    None {
        /// What was looked for.
        what: &'static str,
    },
    /// It is one that nobody makes today, or that nothing here can check.
    #[error("{what} of a kind that is not supported")]
    Unsupported {
        /// What was read.
        what: &'static str,
    },
    /// It is larger than what is read.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What was read.
        what: &'static str,
        /// The most that is read.
        limit: u64,
    },
    /// The library that reads it failed on it.
    #[error("reading {what} failed")]
    Failed {
        /// What was read.
        what: &'static str,
    },
}

impl OpenPgpError {
    fn malformed(what: &'static str) -> impl FnOnce(pgp::errors::Error) -> Self {
        move |source| Self::Malformed { what, source: Box::new(source) }
    }

    /// The error and its causes in one line.
    pub fn detail(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |error| error.source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }
}

/// Runs what hands hostile bytes to `rPGP`, so that a fault in it costs this object and nothing else.
fn guarded<T>(what: &'static str, read: impl FnOnce() -> Result<T, OpenPgpError>) -> Result<T, OpenPgpError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(OpenPgpError::Failed { what }))
}
