//! Signatures over a text or a file, hashed and waiting for a key.

use super::{Fingerprint, OpenPgpError, guarded};
use crate::model::Timestamp;
use crate::parse::clear_sign::ClearSigned;
use pgp::armor::Dearmor;
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{CompressedData, Packet, PacketParser, Signature, SignatureType, SignatureVersion};
use pgp::types::Fingerprint as PgpFingerprint;
use std::io::Read as _;

/// The most signatures of one text that are looked at; each costs a pass over the text.
const MAX_SIGNATURES: usize = 8;

/// The most packets of a signed message: a signature before and after, and the content.
const MAX_PACKETS: usize = 4 * MAX_SIGNATURES;

/// A signature and the digest of what it is over. It proves nothing yet.
#[derive(Clone, Debug)]
pub struct Signed {
    pub(super) signature: Signature,
    pub(super) digest: Vec<u8>,
}

impl Signed {
    fn over(signature: Signature, content: &[u8], kinds: &[SignatureType]) -> Result<Self, OpenPgpError> {
        const WHAT: &str = "a signature";
        let unsupported = OpenPgpError::Unsupported { what: WHAT };
        // Of the older versions nothing but the time is covered, the newer one needs another kind of key.
        if signature.version() != SignatureVersion::V4 {
            return Err(unsupported);
        }
        let Some(config) = signature.config().filter(|config| kinds.contains(&config.typ())) else {
            return Err(unsupported);
        };
        let hash = |config: &pgp::packet::SignatureConfig| -> pgp::errors::Result<Vec<u8>> {
            let mut hasher = config.hash_alg.new_hasher()?;
            config.hash_data_to_sign(&mut hasher, content)?;
            let length = config.hash_signature_data(&mut hasher)?;
            hasher.update(&config.trailer(length)?);
            Ok(hasher.finalize().to_vec())
        };
        let digest = hash(config).map_err(OpenPgpError::malformed(WHAT))?;
        Ok(Self { signature, digest })
    }

    /// The ids of the keys that it claims to be by, in hexadecimal digits.
    pub fn issuers(&self) -> Vec<String> {
        let ids = self.signature.issuer_key_id().into_iter().map(ToString::to_string);
        let prints = self.signature.issuer_fingerprint().into_iter().filter_map(fingerprint);
        let mut all: Vec<String> =
            ids.map(|id| id.to_ascii_uppercase()).chain(prints.map(|print| print.key_id())).collect();
        all.sort();
        all.dedup();
        all
    }

    /// The digest that was signed: `SHA1`, `SHA256`.
    pub fn hash(&self) -> String {
        self.signature.hash_alg().unwrap_or(HashAlgorithm::None).to_string()
    }

    /// Says whether that digest is strong enough that nobody can make two texts of one signature.
    pub fn is_strong(&self) -> bool {
        use HashAlgorithm::{Sha3_256, Sha3_512, Sha224, Sha256, Sha384, Sha512};
        let strong = [Sha224, Sha256, Sha384, Sha512, Sha3_256, Sha3_512];
        self.signature.hash_alg().is_some_and(|hash| strong.contains(&hash))
    }

    /// Says whether that digest is SHA-1, for which two texts of one signature can be made by whoever writes both, and no second one to a given text.
    pub fn is_sha1(&self) -> bool {
        self.signature.hash_alg() == Some(HashAlgorithm::Sha1)
    }

    /// When it says that it was made.
    pub fn made(&self) -> Option<Timestamp> {
        self.signature.created().map(|made| Timestamp::new(i64::from(made.as_secs()), 0))
    }

    /// When it says that it ends.
    pub fn expires(&self) -> Option<Timestamp> {
        let life = self.signature.signature_expiration_time().map_or(0, pgp::types::Duration::as_secs);
        let made = self.made().filter(|_| life > 0)?;
        Some(Timestamp::new(made.seconds() + i64::from(life), 0))
    }
}

/// A fingerprint of a version 4 key; others are of no use here.
pub(super) fn fingerprint(print: &PgpFingerprint) -> Option<Fingerprint> {
    match print {
        PgpFingerprint::V4(bytes) => Some(Fingerprint(*bytes)),
        _ => None,
    }
}

/// The signatures of a clear-signed message, each over the lines that a reader of it is given.
///
/// # Errors
/// [`OpenPgpError`] where there is no text that a signature could be over, and no signature that could be checked.
pub fn clear_signed(message: &ClearSigned<'_>) -> Result<Vec<Signed>, OpenPgpError> {
    const WHAT: &str = "signature";
    let text = message.signed_text().ok_or(OpenPgpError::None { what: "signed text" })?;
    guarded(WHAT, || {
        let packets = PacketParser::new(std::io::BufReader::new(Dearmor::new(message.armour())));
        let mut found = Vec::new();
        let mut error = None;
        for packet in packets.take(MAX_SIGNATURES) {
            match packet {
                Ok(Packet::Signature(signature)) => match Signed::over(signature, &text, &[SignatureType::Text]) {
                    Ok(signed) => found.push(signed),
                    Err(why) => error = Some(why),
                },
                Ok(_) => error = Some(OpenPgpError::Unsupported { what: "a packet beside the signature" }),
                Err(source) => {
                    error = Some(OpenPgpError::malformed(WHAT)(source));
                    break;
                }
            }
        }
        match error {
            Some(error) if found.is_empty() => Err(error),
            None if found.is_empty() => Err(OpenPgpError::None { what: WHAT }),
            _ => Ok(found),
        }
    })
}

/// What a signed message holds.
#[derive(Clone, Debug)]
pub struct SignedContent {
    /// The bytes.
    pub content: Vec<u8>,
    /// The signatures over them.
    pub signatures: Vec<Signed>,
}

/// Opens a message that holds its content (`gpg --sign`), compressed or not. The content is at most `max_content` bytes.
///
/// # Errors
/// [`OpenPgpError`] where it is no such message, or is too large.
pub fn signed_message(bytes: &[u8], max_content: u64) -> Result<SignedContent, OpenPgpError> {
    const WHAT: &str = "signed message";
    guarded(WHAT, || {
        if bytes.trim_ascii_start().starts_with(b"-----BEGIN PGP MESSAGE-----") {
            let mut binary = Vec::new();
            let mut dearmor = Dearmor::new(bytes);
            dearmor
                .read_to_end(&mut binary)
                .map_err(|source| OpenPgpError::Malformed { what: WHAT, source: Box::new(source) })?;
            return opened(&binary, max_content, true);
        }
        opened(bytes, max_content, true)
    })
}

fn opened(bytes: &[u8], max_content: u64, may_be_packed: bool) -> Result<SignedContent, OpenPgpError> {
    const WHAT: &str = "signed message";
    let mut content = None;
    let mut signatures = Vec::new();
    for packet in PacketParser::new(bytes).take(MAX_PACKETS) {
        match packet.map_err(OpenPgpError::malformed(WHAT))? {
            Packet::CompressedData(packed) if may_be_packed && content.is_none() && signatures.is_empty() => {
                return opened(&unpacked(&packed, max_content)?, max_content, false);
            }
            Packet::LiteralData(literal) if content.is_none() => {
                if literal.data().len() as u64 > max_content {
                    return Err(OpenPgpError::TooLarge { what: WHAT, limit: max_content });
                }
                content = Some(literal.into_bytes());
            }
            Packet::Signature(signature) if signatures.len() < MAX_SIGNATURES => signatures.push(signature),
            Packet::OnePassSignature(_) | Packet::Marker(_) | Packet::Padding(_) => {}
            _ => return Err(OpenPgpError::Unsupported { what: "a packet of a signed message" }),
        }
    }
    let Some(content) = content.filter(|_| !signatures.is_empty()) else {
        return Err(OpenPgpError::None { what: WHAT });
    };
    let signatures = signatures.into_iter().map(|signature| {
        // A text signature is over other line ends than those of the content.
        Signed::over(signature, &content, &[SignatureType::Binary])
    });
    let signatures = signatures.collect::<Result<Vec<_>, _>>()?;
    Ok(SignedContent { content: content.to_vec(), signatures })
}

fn unpacked(packed: &CompressedData, max_content: u64) -> Result<Vec<u8>, OpenPgpError> {
    const WHAT: &str = "a compressed message";
    // Some room for the packets around the content.
    let limit = max_content.saturating_add(64 * 1024);
    let reader = packed.decompress().map_err(OpenPgpError::malformed(WHAT))?;
    let mut bytes = Vec::new();
    reader
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|source| OpenPgpError::Malformed { what: WHAT, source: Box::new(source) })?;
    if bytes.len() as u64 > limit {
        return Err(OpenPgpError::TooLarge { what: WHAT, limit: max_content });
    }
    Ok(bytes)
}
