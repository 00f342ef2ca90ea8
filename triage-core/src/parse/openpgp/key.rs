//! Public keys: armoured, in a key ring of `GnuPG` 1 and 2.0 (`pubring.gpg`), and in a keybox of 2.1 and later (`pubring.kbx`).

use super::signature::fingerprint;
use super::{Fingerprint, OpenPgpError, Signed, guarded};
use crate::model::Timestamp;
use crate::parse::bytes::{Endian, index, piece};
use crate::parse::line::find;
use pgp::armor::Dearmor;
use pgp::composed::{Deserializable as _, SignedPublicKey};
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails as _, Tag, VerifyingKey};
use std::collections::BTreeMap;
use std::io::BufReader;

/// The most keys of one file that are kept; a framework's key ring has five.
const MAX_KEYS: usize = 500;

/// The most copies of one key, each of which may tell of another revocation.
const MAX_COPIES: usize = 8;

const BEGIN: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &[u8] = b"-----END PGP PUBLIC KEY BLOCK-----";

/// Public keys by their fingerprint.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    keys: BTreeMap<Fingerprint, Vec<SignedPublicKey>>,
}

/// Whose a signature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It is by this key, or by a signing key that is bound to it.
    Good(Fingerprint),
    /// It claims to be by this key, and is not over this content.
    Bad(Fingerprint),
    /// No key that it claims to be by is here.
    NoKey,
}

impl KeyRing {
    /// Reads the keys of a file. What is no version 4 key in it is passed over.
    ///
    /// # Errors
    /// [`OpenPgpError`] where there is no key in it.
    pub fn read(bytes: &[u8]) -> Result<Self, OpenPgpError> {
        const WHAT: &str = "public key";
        guarded(WHAT, || {
            let mut ring = Self::default();
            if is_keybox(bytes) {
                keybox(bytes).for_each(|block| ring.read_packets(block));
            } else if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
                for block in armoured(bytes) {
                    let mut binary = Vec::new();
                    if std::io::Read::read_to_end(&mut Dearmor::new(block), &mut binary).is_ok() {
                        ring.read_packets(&binary);
                    }
                }
            } else {
                ring.read_packets(bytes);
            }
            if ring.is_empty() { Err(OpenPgpError::None { what: WHAT }) } else { Ok(ring) }
        })
    }

    fn read_packets(&mut self, bytes: &[u8]) {
        let Ok(keys) = SignedPublicKey::from_bytes_many(BufReader::new(bytes)) else { return };
        for key in keys.take(MAX_KEYS).flatten() {
            self.insert(key);
        }
    }

    fn insert(&mut self, key: SignedPublicKey) {
        let Some(print) = fingerprint(&key.fingerprint()) else { return };
        if self.keys.len() >= MAX_KEYS && !self.keys.contains_key(&print) {
            return;
        }
        let copies = self.keys.entry(print).or_default();
        if copies.len() < MAX_COPIES && !copies.contains(&key) {
            copies.push(key);
        }
    }

    #[cfg(test)]
    pub(super) fn first(&self, key: &Fingerprint) -> Option<&SignedPublicKey> {
        self.keys.get(key)?.first()
    }

    /// Takes over the keys of another.
    pub fn add(&mut self, other: Self) {
        other.keys.into_values().flatten().for_each(|key| self.insert(key));
    }

    /// Says whether there is no key in it.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Says whether it has this key.
    pub fn has(&self, key: &Fingerprint) -> bool {
        self.keys.contains_key(key)
    }

    /// The keys and the names that they give themselves.
    pub fn names(&self) -> impl Iterator<Item = (Fingerprint, Vec<String>)> {
        self.keys.iter().map(|(print, copies)| {
            let users = copies.iter().flat_map(|key| &key.details.users);
            let mut names: Vec<String> = users.map(|user| String::from_utf8_lossy(user.id.id()).into_owned()).collect();
            names.sort();
            names.dedup();
            (*print, names)
        })
    }

    /// Says by which of the keys a signature is. One that names no key is by none: to try all would cost too much. A subkey counts for its primary key, where that one binds it as a signing key and it agrees.
    pub fn check(&self, signed: &Signed) -> Check {
        let issuers = signed.issuers();
        let is_named = |key: &dyn pgp::types::KeyDetails| {
            fingerprint(&key.fingerprint()).is_some_and(|print| issuers.contains(&print.key_id()))
        };
        let mut bad = None;
        for (print, copies) in &self.keys {
            for key in copies {
                let verified = guarded("signature", || {
                    if is_named(&key.primary_key) {
                        return Ok(Some(is_by(signed, &key.primary_key)));
                    }
                    let subkey = key.public_subkeys.iter().find(|subkey| {
                        let signs = || subkey.signatures.iter().any(|binding| binding.key_flags().sign());
                        is_named(&subkey.key) && signs() && subkey.verify_bindings(&key.primary_key).is_ok()
                    });
                    Ok(subkey.map(|subkey| is_by(signed, &subkey.key)))
                });
                match verified {
                    Ok(Some(true)) => return Check::Good(*print),
                    Ok(Some(false)) => bad = Some(*print),
                    _ => {}
                }
            }
        }
        bad.map_or(Check::NoKey, Check::Bad)
    }

    /// When a key ends, as the newest of its signatures over itself says.
    pub fn expires(&self, key: &Fingerprint) -> Option<Timestamp> {
        let copies = self.keys.get(key)?;
        guarded("public key", || {
            let newest = copies.iter().flat_map(|key| own_signatures(key).map(move |own| (key, own)));
            let newest = newest.max_by_key(|(_, own)| own.created());
            Ok(newest.and_then(|(key, own)| {
                let life = own.key_expiration_time().map_or(0, pgp::types::Duration::as_secs);
                let end = i64::from(key.primary_key.created_at().as_secs()) + i64::from(life);
                (life > 0).then(|| Timestamp::new(end, 0))
            }))
        })
        .ok()
        .flatten()
    }

    /// Says whether a key was revoked: by itself, or by one of `others` that had certified it.
    pub fn is_revoked(&self, key: &Fingerprint, others: &[Fingerprint]) -> bool {
        let Some(copies) = self.keys.get(key) else { return false };
        let revokers = || others.iter().filter_map(|other| self.keys.get(other)?.first());
        let found = guarded("revocation", || {
            Ok(copies.iter().any(|key| {
                key.details.revocation_signatures.iter().any(|own| own.verify_key(&key.primary_key).is_ok())
                    || key.details.users.iter().any(|user| {
                        let withdrawn = |signature: &&Signature| signature.typ() == Some(SignatureType::CertRevocation);
                        user.signatures.iter().filter(withdrawn).any(|signature| {
                            revokers().any(|other| {
                                signature
                                    .verify_third_party_certification(
                                        &key.primary_key,
                                        &other.primary_key,
                                        Tag::UserId,
                                        &user.id,
                                    )
                                    .is_ok()
                            })
                        })
                    })
            }))
        });
        found.unwrap_or(false)
    }
}

fn is_by(signed: &Signed, key: &impl VerifyingKey) -> bool {
    let Signed { signature, digest } = signed;
    let (Some(hash), Some(bytes), Some(beginning)) =
        (signature.hash_alg(), signature.signature(), signature.signed_hash_value())
    else {
        return false;
    };
    digest.starts_with(&beginning) && key.verify(hash, digest, bytes).is_ok()
}

/// What a key says of itself, where it is the key that says it.
fn own_signatures(key: &SignedPublicKey) -> impl Iterator<Item = &Signature> {
    let primary = &key.primary_key;
    let of_users = key.details.users.iter().flat_map(move |user| {
        user.signatures.iter().filter(move |own| {
            own.typ() != Some(SignatureType::CertRevocation)
                && own.verify_certification(primary, Tag::UserId, &user.id).is_ok()
        })
    });
    of_users.chain(key.details.direct_signatures.iter().filter(move |own| own.verify_key(primary).is_ok()))
}

/// The armoured blocks of a file; text may stand around them.
fn armoured(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let start = find(rest, BEGIN)?;
        let block = rest.get(start..)?;
        let end = find(block, END)? + END.len();
        rest = block.get(end..)?;
        block.get(..end)
    })
    .take(MAX_KEYS)
}

/// A keybox begins with a blob of 32 bytes whose ninth to twelfth are `KBXf` (`doc/kbxblob.txt` of `GnuPG`).
fn is_keybox(bytes: &[u8]) -> bool {
    bytes.get(8..12) == Some(b"KBXf")
}

/// The key blocks of a keybox: of each blob of type 2, what lies at its offset 8, of the length at 12.
fn keybox(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    const OPENPGP: u8 = 2;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = index(u64::from(Endian::Big.u32(rest, 0)?));
        // A shorter one has no room for its own head, and one of no bytes would have no end.
        let (blob, others) = rest.split_at_checked(length.max(5))?;
        rest = others;
        Some(blob)
    })
    .filter(|blob| blob.get(4) == Some(&OPENPGP))
    .filter_map(|blob| {
        let number = |at| Some(index(u64::from(Endian::Big.u32(blob, at)?)));
        piece(blob, number(8)?, number(12)?)
    })
    .take(MAX_KEYS)
}
