//! Keys of our own, for tests: nobody else's secret key is at hand, and no secret key belongs into a repository.

use super::Fingerprint;
use super::signature::fingerprint;
use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, EncryptionCaps, KeyType, MessageBuilder, SecretKeyParamsBuilder,
    SignedPublicKey, SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{RevocationCode, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{CompressionAlgorithm, Duration, KeyDetails as _, Password, SigningKey, Tag, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// A key that can sign.
pub(crate) struct TestKey(SignedSecretKey);

/// How a text is signed.
#[derive(Clone, Copy)]
pub(crate) struct How {
    pub(crate) hash: HashAlgorithm,
    pub(crate) made: u32,
    pub(crate) lives: Option<u32>,
}

impl Default for How {
    fn default() -> Self {
        Self { hash: HashAlgorithm::Sha256, made: 1_700_000_000, lives: None }
    }
}

impl TestKey {
    /// A key of a kind that is made in no time.
    pub(crate) fn new(seed: u64, user: &str) -> Self {
        Self::of(KeyType::Ed25519Legacy, seed, user)
    }

    /// A key as the vendor's, which can sign SHA-1.
    pub(crate) fn rsa(seed: u64, user: &str) -> Self {
        Self::of(KeyType::Rsa(2048), seed, user)
    }

    fn of(kind: KeyType, seed: u64, user: &str) -> Self {
        // The time is part of a fingerprint: equal seeds are to give equal keys.
        let created = Timestamp::from_secs(1_600_000_000);
        let mut subkey = SubkeyParamsBuilder::default();
        subkey
            .key_type(KeyType::Ed25519Legacy)
            .created_at(created)
            .can_sign(true)
            .can_encrypt(EncryptionCaps::None)
            .can_authenticate(false);
        let mut params = SecretKeyParamsBuilder::default();
        params
            .key_type(kind)
            .created_at(created)
            .can_certify(true)
            .can_sign(true)
            .primary_user_id(user.to_owned())
            .subkeys(vec![subkey.build().unwrap()]);
        let key = params.build().unwrap().generate(StdRng::seed_from_u64(seed)).unwrap();
        Self(key)
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        fingerprint(&self.0.fingerprint()).unwrap()
    }

    pub(crate) fn public(&self) -> SignedPublicKey {
        SignedPublicKey::from(self.0.clone())
    }

    /// The key file, armoured.
    pub(crate) fn file(&self) -> Vec<u8> {
        self.public().to_armored_bytes(ArmorOptions::default()).unwrap()
    }

    /// The key's packets.
    pub(crate) fn packets(&self) -> Vec<u8> {
        self.public().to_bytes().unwrap()
    }

    /// The key file with a revocation by itself.
    pub(crate) fn revoked_file(&self) -> Vec<u8> {
        let mut config = SignatureConfig::v4(SignatureType::KeyRevocation, self.0.algorithm(), HashAlgorithm::Sha256);
        config.hashed_subpackets = vec![
            regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(1_710_000_000))),
            regular(SubpacketData::RevocationReason(RevocationCode::KeyCompromised, "".into())),
            regular(SubpacketData::IssuerFingerprint(self.0.fingerprint())),
        ];
        let mut public = self.public();
        let revocation = config.sign_key(&self.0.primary_key, &Password::empty(), &public.primary_key).unwrap();
        public.details.revocation_signatures.push(revocation);
        public.to_armored_bytes(ArmorOptions::default()).unwrap()
    }

    /// The key file with a revocation of its name by another key.
    pub(crate) fn file_disowned_by(&self, other: &Self) -> Vec<u8> {
        let mut config = SignatureConfig::v4(SignatureType::CertRevocation, other.0.algorithm(), HashAlgorithm::Sha256);
        config.hashed_subpackets = vec![
            regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(1_710_000_000))),
            regular(SubpacketData::IssuerFingerprint(other.0.fingerprint())),
        ];
        let mut public = self.public();
        let user = public.details.users.first_mut().unwrap();
        let revocation = config
            .sign_certification_third_party(
                &other.0.primary_key,
                &Password::empty(),
                &public.primary_key,
                Tag::UserId,
                &user.id,
            )
            .unwrap();
        user.signatures.push(revocation);
        public.to_armored_bytes(ArmorOptions::default()).unwrap()
    }

    /// The key in a keybox of `GnuPG`.
    pub(crate) fn keybox(&self) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 32, 1, 1, 0, 2];
        bytes.extend_from_slice(b"KBXf");
        bytes.resize(32, 0);
        let packets = self.packets();
        let length = |n: usize| u32::try_from(n).unwrap().to_be_bytes();
        bytes.extend(length(20 + packets.len()));
        bytes.extend([2, 1, 0, 0]);
        bytes.extend(length(16));
        bytes.extend(length(packets.len()));
        bytes.extend(packets);
        bytes.extend([0; 4]);
        bytes
    }

    /// A clear-signed text.
    pub(crate) fn clear_sign(&self, text: &str) -> String {
        self.clear_sign_as(text, How::default())
    }

    pub(crate) fn clear_sign_as(&self, text: &str, how: How) -> String {
        sign(&self.0.primary_key, text, how)
    }

    /// A text that a signing subkey has signed.
    pub(crate) fn clear_sign_by_subkey(&self, text: &str) -> String {
        sign(&self.0.secret_subkeys.first().unwrap().key, text, How::default())
    }

    /// A file as `gpg --sign` makes one.
    pub(crate) fn sign_file(&self, content: &[u8]) -> Vec<u8> {
        let mut builder = MessageBuilder::from_bytes("", content.to_vec());
        builder.compression(CompressionAlgorithm::ZLIB);
        builder.sign(&self.0.primary_key, Password::empty(), HashAlgorithm::Sha256);
        let mut bytes = Vec::new();
        builder.to_writer(StdRng::seed_from_u64(1), &mut bytes).unwrap();
        bytes
    }
}

fn regular(data: SubpacketData) -> Subpacket {
    Subpacket::regular(data).unwrap()
}

fn sign(key: &impl SigningKey, text: &str, how: How) -> String {
    let mut config = SignatureConfig::v4(SignatureType::Text, key.algorithm(), how.hash);
    config.hashed_subpackets = vec![regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(how.made)))];
    if let Some(lives) = how.lives {
        config.hashed_subpackets.push(regular(SubpacketData::SignatureExpirationTime(Duration::from_secs(lives))));
    }
    config.unhashed_subpackets = vec![regular(SubpacketData::IssuerKeyId(key.legacy_key_id()))];
    let message = CleartextSignedMessage::new(text, config, key, &Password::empty()).unwrap();
    message.to_armored_string(ArmorOptions::default()).unwrap()
}
