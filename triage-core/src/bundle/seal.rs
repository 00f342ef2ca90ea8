//! The seal of a bundle: who signed it (minisign), and for whom it is encrypted (age).
//!
//! Both formats are those of the tools that are in every distribution: `minisign -Vm tagmanifest-sha256.txt` checks a signature
//! without us, and `age -d` opens what was encrypted. Keys come in as text; where they lie is for the caller to know. Nothing of a
//! secret key gets into an error.

use crate::model::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use minisign::{PublicKey, PublicKeyBox, SecretKey, SecretKeyBox, SignatureBox};
use std::fmt;
use std::io::{Cursor, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use thiserror::Error;

/// Where the signature lies in the bag.
pub(super) const PATH: &str = "triage/tagmanifest.minisig";
/// Largest signature file that is looked at; a real one has some 400 bytes.
pub(super) const MAX_SIGNATURE: u64 = 64 << 10;

/// Why a key cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// The text is no key of minisign.
    #[error("it is no {what} key of minisign")]
    NotAKey {
        /// `secret` or `public`.
        what: &'static str,
    },
    /// The secret key is protected with a password, and that is missing or wrong.
    #[error("the password of the secret key is missing or wrong")]
    Password,
    /// The text is no recipient of age.
    #[error("`{text}` is no recipient of age: one begins with `age1`")]
    Recipient {
        /// The text, escaped.
        text: String,
    },
    /// There is nobody to encrypt for.
    #[error("there is no recipient in it")]
    NoRecipient,
}

/// What is done to a bundle besides writing it. Nothing, by default.
#[derive(Default)]
pub struct Seal {
    /// Who signs it.
    pub signer: Option<Signer>,
    /// For whom it is encrypted; for nobody it is not.
    pub recipients: Recipients,
}

/// Somebody's secret key, ready to sign.
pub struct Signer(SecretKey);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.key_id())
    }
}

impl Signer {
    /// Says whether the text of a secret key wants a password.
    ///
    /// # Errors
    /// [`SealError::NotAKey`].
    pub fn wants_password(text: &str) -> Result<bool, SealError> {
        // Bytes 2 and 3 say how the key is protected: `Sc` is scrypt, zeros are nothing.
        let bytes = text.lines().nth(1).and_then(|line| BASE64.decode(line.trim()).ok());
        match bytes.as_deref().and_then(|bytes| bytes.get(2..4)) {
            Some(b"Sc") => Ok(true),
            Some([0, 0]) => Ok(false),
            _ => Err(SealError::NotAKey { what: "secret" }),
        }
    }

    /// Reads the text of a secret key that `minisign -G` wrote. Its password is asked for by the caller.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn read(text: &str, password: Option<&str>) -> Result<Self, SealError> {
        let not_a_key = |_| SealError::NotAKey { what: "secret" };
        let key = SecretKeyBox::from_string(text).map_err(not_a_key)?;
        if Self::wants_password(text)? {
            // Without a password the crate would ask on the terminal.
            let password = password.ok_or(SealError::Password)?;
            key.into_secret_key(Some(password.to_owned())).map(Self).map_err(|_| SealError::Password)
        } else {
            key.into_unencrypted_secret_key().or_else(|_| Self::without_checksum(text)).map(Self).map_err(not_a_key)
        }
    }

    /// A key without password as minisign 0.11 writes it (`-G -W`): its checksum is zeros, which the crate takes for a damaged key.
    /// Instead it is made to sign something, and the signature has to hold.
    fn without_checksum(text: &str) -> Result<SecretKey, minisign::PError> {
        let damaged = || minisign::PError::new(minisign::ErrorKind::Verify, "damaged");
        let line = text.lines().nth(1).unwrap_or_default().trim();
        let bytes = BASE64.decode(line).map_err(|_| damaged())?;
        let is_without = bytes.last_chunk::<32>().is_some_and(|checksum| *checksum == [0; 32]);
        let key = SecretKey::from_bytes(&bytes).ok().filter(|_| is_without).ok_or_else(damaged)?;
        let public = PublicKey::from_secret_key(&key)?;
        minisign::sign(Some(&public), &key, Cursor::new(b"check".as_slice()), Some(""), Some(""))?;
        Ok(key)
    }

    /// The key's id, as `minisign` prints it.
    pub fn key_id(&self) -> String {
        key_id(self.0.keynum())
    }

    /// Signs a tag manifest. The comment, which the signature covers, says when and which bundle.
    pub(super) fn sign(&self, tag_manifest: &[u8], bundle: &str, time: Timestamp) -> Option<Vec<u8>> {
        let comment = format!("timestamp:{}\tfile:tagmanifest-sha256.txt\thashed\tbundle:{bundle}", time.seconds());
        let untrusted = format!("signature from minisign secret key {}", self.key_id());
        let made = minisign::sign(None, &self.0, Cursor::new(tag_manifest), Some(&comment), Some(&untrusted));
        made.ok().map(|signature| signature.to_bytes())
    }
}

/// Eight bytes, as a number in hexadecimal digits.
fn key_id(bytes: &[u8]) -> String {
    format!("{:016X}", u64::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default()))
}

/// Somebody's public key.
#[derive(Clone, Debug)]
pub struct VerifyingKey(PublicKey);

impl VerifyingKey {
    /// Reads a public key: the text of its file, or only its line of base64.
    ///
    /// # Errors
    /// [`SealError::NotAKey`].
    pub fn read(text: &str) -> Result<Self, SealError> {
        let text = text.trim();
        let key = if text.lines().nth(1).is_some() {
            PublicKeyBox::from_string(text).and_then(PublicKeyBox::into_public_key)
        } else {
            PublicKey::from_base64(text)
        };
        key.map(Self).map_err(|_| SealError::NotAKey { what: "public" })
    }

    /// The key's id, as `minisign` prints it.
    pub fn key_id(&self) -> String {
        key_id(self.0.keynum())
    }
}

/// What a bundle's signature is worth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Signature {
    /// It has none.
    #[default]
    None,
    /// There is one, and no key was given to check it with: it says nothing yet.
    Unchecked {
        /// The key that it claims.
        key_id: String,
    },
    /// The key that was given made it, over this very tag manifest.
    Valid {
        /// The key.
        key_id: String,
        /// What was signed with it: time and name of the bundle.
        comment: String,
    },
    /// The key that was given did not make it, or not over this tag manifest.
    Invalid {
        /// Why not.
        why: String,
    },
}

/// Looks at a signature. An error says why it is none.
pub(super) fn check(file: &[u8], tag_manifest: &[u8], key: Option<&VerifyingKey>) -> Signature {
    let invalid = |why: &str| Signature::Invalid { why: why.to_owned() };
    // The file is a stranger's; that its parser has no panic is not ours to promise.
    let parsed = std::str::from_utf8(file)
        .ok()
        .and_then(|text| catch_unwind(AssertUnwindSafe(|| SignatureBox::from_string(text))).ok());
    let Some(Ok(signature)) = parsed else { return invalid("it is no signature of minisign") };
    let made_with = key_id(signature.keynum());
    let Some(key) = key else { return Signature::Unchecked { key_id: made_with } };
    if made_with != key.key_id() {
        return invalid(&format!("it was made with key {made_with} and not with {}", key.key_id()));
    }
    let checked = catch_unwind(AssertUnwindSafe(|| {
        minisign::verify(&key.0, &signature, Cursor::new(tag_manifest), true, false, false)
    }));
    match checked {
        Ok(Ok(())) => Signature::Valid { key_id: made_with, comment: signature.trusted_comment().unwrap_or_default() },
        _ => invalid(&format!("key {made_with} did not sign this tag manifest")),
    }
}

/// Those for whom a bundle is encrypted.
#[derive(Default)]
pub struct Recipients(Vec<age::x25519::Recipient>);

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipients({})", self.0.len())
    }
}

impl Recipients {
    /// Adds one, `age1…`.
    ///
    /// # Errors
    /// [`SealError::Recipient`].
    pub fn add(&mut self, text: &str) -> Result<(), SealError> {
        let refused = |_| SealError::Recipient { text: crate::model::escape(text.as_bytes()) };
        self.0.push(text.trim().parse().map_err(refused)?);
        Ok(())
    }

    /// Adds those of a file: one a line, `#` begins a comment.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn add_file(&mut self, text: &str) -> Result<(), SealError> {
        let before = self.0.len();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            self.add(line)?;
        }
        if self.0.len() == before { Err(SealError::NoRecipient) } else { Ok(()) }
    }

    /// Says that there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Begins an age file: what is written into the result is encrypted.
    pub(super) fn wrap<W: Write>(&self, inner: W) -> std::io::Result<age::stream::StreamWriter<W>> {
        let recipients = self.0.iter().map(|recipient| recipient as &dyn age::Recipient);
        age::Encryptor::with_recipients(recipients).map_err(std::io::Error::other)?.wrap_output(inner)
    }
}
