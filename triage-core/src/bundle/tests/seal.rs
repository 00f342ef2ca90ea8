use super::*;
use crate::source::{ContainerError, Identities, Selection, Source};
use age::secrecy::ExposeSecret as _;
use minisign::KeyPair;
use proptest::prelude::*;
use std::io::Read as _;
use std::ops::ControlFlow;

const FILED: [BundleFormat; 3] = [BundleFormat::TarZst, BundleFormat::TarGz, BundleFormat::Zip];

struct Somebody {
    recipient: String,
    identities: Identities,
}

fn somebody() -> Somebody {
    let identity = age::x25519::Identity::generate();
    let mut identities = Identities::default();
    identities.add(identity.to_string().expose_secret().as_bytes(), None).unwrap();
    Somebody { recipient: identity.to_public().to_string(), identities }
}

fn signer() -> (Signer, VerifyingKey) {
    let KeyPair { pk, sk } = KeyPair::generate_unencrypted_keypair().unwrap();
    let secret = sk.to_box(None).unwrap().into_string();
    let public = pk.to_box().unwrap().into_string();
    (Signer::read(&secret, None).unwrap(), VerifyingKey::read(&public).unwrap())
}

fn sealed_for(recipient: &str) -> Seal {
    let mut seal = Seal::default();
    seal.recipients.add(recipient).unwrap();
    seal
}

fn write(sink: BundleSink, seal: Seal) -> Sealed {
    let mut writer = BundleWriter::create_sealed(sink, info(), seal).unwrap();
    directory(&mut writer, "/etc");
    store(&mut writer, &path("/etc/passwd"), b"root:x:0:0:root:/root:/bin/bash\n");
    store(&mut writer, &path("/var/log/noise"), &noise(900_000));
    store(&mut writer, &path("/empty"), b"");
    writer.finish(Ending::Complete, Timestamp::new(1_767_323_100, 0)).unwrap()
}

/// Bytes that do not compress.
pub(super) fn noise(count: usize) -> Vec<u8> {
    let mut state: u64 = 7;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(count)
    .collect()
}

fn check_with(at: &Path, identities: &Identities, key: Option<&VerifyingKey>) -> Verification {
    let keys = Keys { identities: identities.clone(), signer: key.cloned() };
    verify_with(at, &keys, &mut |_| (), &|| false).unwrap()
}

#[test]
fn a_signature_is_checked_with_the_key_that_is_given() {
    let dir = TempDir::new().unwrap();
    for format in FORMATS {
        let (signer, key) = signer();
        let at = dir.path().join(format.as_str());
        let sealed = write(BundleSink::path(&at, format), Seal { signer: Some(signer), ..Seal::default() });
        assert_eq!(sealed.signed_by.as_deref(), Some(key.key_id().as_str()));
        let none = Identities::default();
        let unchecked = check_with(&at, &none, None);
        assert!(unchecked.is_intact(), "{format:?}: {:?}", unchecked.failures);
        assert_eq!(unchecked.signature, Signature::Unchecked { key_id: key.key_id() });
        assert_eq!(unchecked.tag_manifest, Some(sealed.tag_manifest));
        assert_eq!(unchecked.bundle_sha256, sealed.sha256);
        let valid = check_with(&at, &none, Some(&key));
        assert!(valid.is_intact());
        let Signature::Valid { comment, .. } = valid.signature else { panic!("{:?}", valid.signature) };
        assert!(comment.contains("timestamp:1767323100") && comment.contains(&sealed.name), "{comment}");
        let other = check_with(&at, &none, Some(&self::signer().1));
        assert!(!other.is_intact() && matches!(other.signature, Signature::Invalid { .. }));
    }
}

#[test]
fn signature_taken_away_or_of_another_bundle_is_named() {
    let dir = TempDir::new().unwrap();
    let (signer, key) = signer();
    let at = dir.path().join("b");
    write(BundleSink::path(&at, BundleFormat::Dir), Seal { signer: Some(signer), ..Seal::default() });
    let place = at.join("triage/tagmanifest.minisig");
    let signature = std::fs::read_to_string(&place).unwrap();
    std::fs::remove_file(&place).unwrap();
    let found = failures(&at);
    assert!(
        found[0].starts_with("triage/tagmanifest.minisig: it is missing, and the bundle says that key"),
        "{found:?}"
    );
    // The comment is covered by the signature.
    std::fs::write(&place, signature.replace("1767323100", "1767323101")).unwrap();
    let result = check_with(&at, &Identities::default(), Some(&key));
    assert!(!result.is_intact() && matches!(result.signature, Signature::Invalid { .. }), "{:?}", result.signature);
    std::fs::write(&place, "not a signature").unwrap();
    assert_eq!(failures(&at), ["triage/tagmanifest.minisig: it is no signature of minisign"]);
    // An unsigned bundle where a signature is demanded.
    let plain = sample_at(&dir, BundleFormat::Zip);
    let result = check_with(&plain, &Identities::default(), Some(&key));
    assert!(!result.is_intact());
    assert_eq!(result.signature, Signature::None);
}

#[test]
fn an_encrypted_bundle_is_read_with_its_identity_and_by_nobody_else() {
    let dir = TempDir::new().unwrap();
    let (alice, bob, eve) = (somebody(), somebody(), somebody());
    for format in FILED {
        let at = dir.path().join(format!("b.{}.age", format.as_str()));
        let mut seal = sealed_for(&alice.recipient);
        seal.recipients.add_file(&format!("# Bob\n\n{}\n", bob.recipient)).unwrap();
        let sealed = write(BundleSink::path(&at, format), seal);
        assert_eq!(sealed.sha256, Some(Digest::of(&std::fs::read(&at).unwrap())));
        for nobody in [&Identities::default(), &eve.identities] {
            let keys = Keys { identities: nobody.clone(), signer: None };
            let refused = verify_with(&at, &keys, &mut |_| (), &|| false);
            assert!(matches!(refused, Err(BundleError::Container(ContainerError::Sealed { .. }))), "{refused:?}");
            assert!(!is_bundle_with(&at, nobody));
        }
        for reader in [&alice, &bob] {
            let result = check_with(&at, &reader.identities, None);
            assert!(result.is_intact() && result.is_sealed, "{format:?}: {:?}", result.failures);
            assert_eq!(result.bundle_sha256, sealed.sha256);
            let source = BundleSource::open_with(&at, &reader.identities).unwrap();
            assert_eq!(source.read(&path("/var/log/noise"), 1 << 20).unwrap().unwrap(), noise(900_000));
            let mut found = Lookup::open(&at, &reader.identities).unwrap().find(&path("/etc/passwd")).unwrap().unwrap();
            let mut content = String::new();
            found.reader.read_to_string(&mut content).unwrap();
            assert_eq!(content, "root:x:0:0:root:/root:/bin/bash\n");
        }
    }
    let refused = BundleWriter::create_sealed(
        BundleSink::path(dir.path().join("folder"), BundleFormat::Dir),
        info(),
        sealed_for(&alice.recipient),
    );
    assert!(matches!(refused, Err(BundleError::Unsupported { .. })));
}

#[test]
fn altered_or_cut_encrypted_bundle_is_never_intact() {
    let dir = TempDir::new().unwrap();
    let reader = somebody();
    let at = dir.path().join("b.tar.zst.age");
    for format in FILED {
        let _ = std::fs::remove_file(&at);
        write(BundleSink::path(&at, format), sealed_for(&reader.recipient));
        let original = std::fs::read(&at).unwrap();
        let intact = |bytes: &[u8]| {
            std::fs::write(&at, bytes).unwrap();
            let keys = Keys { identities: reader.identities.clone(), signer: None };
            verify_with(&at, &keys, &mut |_| (), &|| false).is_ok_and(|result| result.is_intact())
        };
        assert!(intact(&original));
        for place in (0..original.len()).step_by(original.len() / 23) {
            let mut bytes = original.clone();
            bytes[place] ^= 1;
            assert!(!intact(&bytes), "{format:?}: byte {place} of {}", original.len());
            assert!(!intact(&original[..place]), "{format:?}: cut at {place} of {}", original.len());
        }
        // Cut between two chunks: each of them authenticates.
        assert!(!intact(&original[..original.len() - original.len() % 65_552]));
    }
}

#[test]
fn a_key_that_is_none_is_refused_without_its_text() {
    assert!(Signer::read("untrusted comment: x\nc2VjcmV0", None).is_err());
    assert!(VerifyingKey::read("c2VjcmV0").is_err() && VerifyingKey::read("").is_err());
    assert!(Recipients::default().add("ssh-ed25519 AAAA").is_err());
    assert!(Recipients::default().add_file("# nobody\n").is_err());
    let mut identities = Identities::default();
    let error = identities.add(b"AGE-SECRET-KEY-1NOT-ONE\n", None).unwrap_err().to_string();
    assert!(!error.contains("NOT-ONE"), "{error}");
    assert!(identities.add(b"", None).is_err());
    // As minisign 0.11 writes a key without password: no checksum. One that does not sign is none.
    let KeyPair { sk, .. } = KeyPair::generate_unencrypted_keypair().unwrap();
    let mut bytes = sk.to_bytes();
    let end = bytes.len() - 32;
    bytes[end..].fill(0);
    let text = |bytes: &[u8]| {
        format!("untrusted comment: x\n{}\n", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes))
    };
    assert!(Signer::read(&text(&bytes), None).is_ok());
    bytes[70] ^= 1;
    assert!(Signer::read(&text(&bytes), None).is_err());
    let KeyPair { sk, .. } = KeyPair::generate_encrypted_keypair(Some("right".into())).unwrap();
    let text = sk.to_box(None).unwrap().into_string();
    assert!(Signer::wants_password(&text).unwrap());
    assert!(matches!(Signer::read(&text, None), Err(SealError::Password)));
    assert!(matches!(Signer::read(&text, Some("wrong")), Err(SealError::Password)));
    assert!(Signer::read(&text, Some("right")).is_ok());
}

#[test]
fn an_identity_file_with_a_passphrase_is_opened_with_it() {
    let identity = age::x25519::Identity::generate();
    let mut recipient = age::scrypt::Recipient::new("right".to_owned().into());
    recipient.set_work_factor(4);
    let text = age::encrypt(&recipient, identity.to_string().expose_secret().as_bytes()).unwrap();
    assert!(Identities::wants_passphrase(&text));
    let mut identities = Identities::default();
    assert!(identities.add(&text, None).is_err() && identities.add(&text, Some("wrong")).is_err());
    assert!(identities.is_empty());
    identities.add(&text, Some("right")).unwrap();
    assert!(!identities.is_empty());
}

#[derive(Clone, Debug)]
struct Thing {
    name: Vec<u8>,
    content: Vec<u8>,
    mode: u32,
    mtime: (i64, u32),
    xattr: Vec<u8>,
}

fn thing() -> impl Strategy<Value = Thing> {
    let name = proptest::collection::vec(1_u8.., 1..40);
    let content = proptest::collection::vec(any::<u8>(), 0..3000);
    let xattr = proptest::collection::vec(any::<u8>(), 0..20);
    (name, content, 0..0o10_000_u32, (any::<i64>(), 0..1_000_000_000_u32), xattr)
        .prop_map(|(name, content, mode, mtime, xattr)| Thing { name, content, mode, mtime, xattr })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    /// Whatever the names, contents and metadata, and however it is packed and sealed: what goes in comes out, and verifies.
    #[test]
    fn what_is_written_is_read_and_verifies_in_every_format_with_seal_and_without(
        things in proptest::collection::vec(thing(), 1..8),
    ) {
        let dir = TempDir::new().unwrap();
        let reader = somebody();
        for (format, is_sealed) in FORMATS.into_iter().flat_map(|format| [(format, false), (format, true)]) {
            if is_sealed && format == BundleFormat::Dir {
                continue;
            }
            let (signer, key) = signer();
            let mut seal = if is_sealed { sealed_for(&reader.recipient) } else { Seal::default() };
            seal.signer = Some(signer);
            let at = dir.path().join(format!("{}{is_sealed}", format.as_str()));
            let mut writer = BundleWriter::create_sealed(BundleSink::path(&at, format), info(), seal).unwrap();
            let mut expected = Vec::new();
            for thing in &things {
                let Ok(place) = EvidencePath::new([b"/", thing.name.as_slice()].concat()) else { continue };
                if place.is_root() || expected.iter().any(|(record, _): &(FileRecord, Vec<u8>)| record.path == place) {
                    continue;
                }
                let mut meta = FileMeta::bare(FileKind::File, Mode::new(thing.mode), thing.content.len() as u64);
                meta.mtime = Some(Timestamp::new(thing.mtime.0, thing.mtime.1));
                meta.xattrs.insert("user.x".into(), thing.xattr.clone().into());
                let stored =
                    writer.payload(&place, thing.content.len() as u64, meta.mtime, &mut thing.content.as_slice()).unwrap();
                let (sha256, payload) = (Some(stored.sha256), Some(stored.payload));
                let record = FileRecord { sha256, payload, ..FileRecord::new(place, meta) };
                writer.record(&Record::File(record.clone())).unwrap();
                expected.push((record, thing.content.clone()));
            }
            let sealed = writer.finish(Ending::Complete, start()).unwrap();
            let identities = if is_sealed { reader.identities.clone() } else { Identities::default() };
            let result = check_with(&at, &identities, Some(&key));
            prop_assert!(result.is_intact(), "{:?} {}: {:?}", format, is_sealed, result.failures);
            prop_assert_eq!(result.tag_manifest, Some(sealed.tag_manifest));
            let source = BundleSource::open_with(&at, &identities).unwrap();
            let mut records = Vec::new();
            source.records("files", &mut |record| { records.push(record); ControlFlow::Continue(()) }).unwrap_or(());
            let wanted: Vec<Record> = expected.iter().map(|(record, _)| Record::File(record.clone())).collect();
            prop_assert_eq!(records, wanted);
            let lookup = Lookup::open(&at, &identities).unwrap();
            for (record, content) in &expected {
                let mut found = lookup.find(&record.path).unwrap().expect("it is there");
                let mut bytes = Vec::new();
                found.reader.read_to_end(&mut bytes).unwrap();
                prop_assert_eq!(&bytes, content);
                prop_assert_eq!(Some(found.sha256), record.sha256);
            }
            let mut walked = 0;
            source.walk(&Selection::everything(), &mut |_| { walked += 1; ControlFlow::Continue(()) }).unwrap();
            prop_assert_eq!(walked, expected.len());
        }
    }
}
