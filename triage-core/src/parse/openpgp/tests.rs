//! Signatures and keys of our own making; the vendor's are not in the repository.

use super::testing::{How, TestKey};
use super::*;
use crate::model::Timestamp;
use crate::parse::clear_sign::ClearSigned;
use pgp::crypto::hash::HashAlgorithm;
use proptest::prelude::*;

const TEXT: &str = "[config]\nversion=1\n- a dash\n[hashes]\na.php = 00\n;# End";

fn ring(files: &[Vec<u8>]) -> KeyRing {
    let mut ring = KeyRing::default();
    for file in files {
        ring.add(KeyRing::read(file).unwrap());
    }
    ring
}

fn check(ring: &KeyRing, message: &str) -> Check {
    let read = ClearSigned::read(message.as_bytes());
    let signed = clear_signed(&read).unwrap();
    assert_eq!(signed.len(), 1);
    ring.check(&signed[0])
}

#[test]
fn a_signature_is_by_its_key_whatever_file_that_comes_in() {
    let key = TestKey::new(1, "a <a@example.org>");
    let message = key.clear_sign(TEXT);
    for file in [key.file(), key.packets(), key.keybox(), [b"text\n-----BEGIN x\n".to_vec(), key.file()].concat()] {
        let Ok(ring) = KeyRing::read(&file) else {
            // Text before a block makes it no armour; a key file has none.
            assert!(file.starts_with(b"text"));
            continue;
        };
        assert_eq!(check(&ring, &message), Check::Good(key.fingerprint()));
    }
}

#[test]
fn one_flipped_byte_makes_a_signature_bad() {
    let key = TestKey::new(1, "a <a@example.org>");
    let message = key.clear_sign(TEXT);
    let ring = ring(&[key.file()]);
    for (from, to) in [("a.php", "b.php"), ("version=1", "version=2"), ("= 00", "= 01"), ("- - a", "- - b")] {
        assert!(message.contains(from), "{message}");
        assert_eq!(check(&ring, &message.replacen(from, to, 1)), Check::Bad(key.fingerprint()), "{from}");
    }
}

#[test]
fn line_ends_and_blanks_at_them_are_not_signed() {
    let key = TestKey::new(1, "a <a@example.org>");
    let message = key.clear_sign(TEXT);
    let ring = ring(&[key.file()]);
    for other in [message.replace('\n', "\r\n"), message.replace("version=1", "version=1 \t")] {
        assert_eq!(check(&ring, &other), Check::Good(key.fingerprint()));
    }
    assert_eq!(check(&ring, &message.replace("version=1", " version=1")), Check::Bad(key.fingerprint()));
    assert_eq!(check(&ring, &message.replace(";# End\n", ";# End\n\n")), Check::Bad(key.fingerprint()));
}

#[test]
fn a_foreign_key_is_no_key_of_the_ring() {
    let (key, other) = (TestKey::new(1, "a <a@example.org>"), TestKey::new(2, "a <a@example.org>"));
    assert_eq!(check(&ring(&[key.file()]), &other.clear_sign(TEXT)), Check::NoKey);
    let both = ring(&[key.file(), other.file()]);
    assert_eq!(check(&both, &other.clear_sign(TEXT)), Check::Good(other.fingerprint()));
}

#[test]
fn a_signing_subkey_counts_for_its_primary_key() {
    let key = TestKey::new(1, "a <a@example.org>");
    assert_eq!(check(&ring(&[key.file()]), &key.clear_sign_by_subkey(TEXT)), Check::Good(key.fingerprint()));
}

#[test]
fn a_subkey_that_another_key_adopts_does_not_count_for_it() {
    // The packets of a subkey may be put behind any key; only the binding says whose it is.
    let (victim, other) = (TestKey::new(1, "a <a@example.org>"), TestKey::new(2, "b <b@example.org>"));
    let mut adopted = victim.public();
    adopted.public_subkeys = other.public().public_subkeys;
    let file = pgp::ser::Serialize::to_bytes(&adopted).unwrap();
    let found = check(&ring(&[file]), &other.clear_sign_by_subkey(TEXT));
    assert_eq!(found, Check::NoKey);
}

#[test]
fn sha1_is_told_and_times_are_read() {
    let key = TestKey::rsa(3, "a <a@example.org>");
    let how = How { hash: HashAlgorithm::Sha1, made: 1_600_000_000, lives: Some(1000) };
    let message = key.clear_sign_as(TEXT, how);
    let read = ClearSigned::read(message.as_bytes());
    let signed = clear_signed(&read).unwrap().remove(0);
    assert!(signed.is_sha1() && !signed.is_strong());
    assert_eq!(signed.hash(), "SHA1");
    assert_eq!(signed.made(), Some(Timestamp::new(1_600_000_000, 0)));
    assert_eq!(signed.expires(), Some(Timestamp::new(1_600_001_000, 0)));
    assert_eq!(ring(&[key.file()]).check(&signed), Check::Good(key.fingerprint()));
}

#[test]
fn revocations_count_when_they_are_by_whom_they_say() {
    let (key, master, stranger) = (
        TestKey::new(1, "a <a@example.org>"),
        TestKey::new(2, "m <m@example.org>"),
        TestKey::new(3, "s <s@example.org>"),
    );
    let print = key.fingerprint();
    assert!(!ring(&[key.file()]).is_revoked(&print, &[]));
    assert!(ring(&[key.file(), key.revoked_file()]).is_revoked(&print, &[]), "any copy may have it");
    let disowned = ring(&[key.file_disowned_by(&master), master.file(), stranger.file()]);
    assert!(disowned.is_revoked(&print, &[master.fingerprint()]));
    assert!(!disowned.is_revoked(&print, &[stranger.fingerprint()]));
    // A revocation packet of another key is anybody's to put there.
    let mut forged = key.public();
    forged.details.revocation_signatures =
        ring(&[stranger.revoked_file()]).first(&stranger.fingerprint()).unwrap().details.revocation_signatures.clone();
    assert!(!ring(&[pgp::ser::Serialize::to_bytes(&forged).unwrap()]).is_revoked(&print, &[]));
}

#[test]
fn a_signed_file_is_opened_and_checked() {
    let key = TestKey::new(1, "a <a@example.org>");
    let content = b"an archive".repeat(1000);
    let file = key.sign_file(&content);
    let opened = signed_message(&file, 1 << 20).unwrap();
    assert_eq!(opened.content, content);
    assert_eq!(ring(&[key.file()]).check(&opened.signatures[0]), Check::Good(key.fingerprint()));
    assert!(matches!(signed_message(&file, 100), Err(OpenPgpError::TooLarge { .. })));
}

#[test]
fn a_compressed_bomb_stops_at_its_limit() {
    let key = TestKey::new(1, "a <a@example.org>");
    let file = key.sign_file(&vec![0; 8 << 20]);
    assert!(file.len() < 1 << 20);
    assert!(matches!(signed_message(&file, 1 << 20), Err(OpenPgpError::TooLarge { limit: 1_048_576, .. })));
}

#[test]
fn what_is_no_key_or_message_is_an_error() {
    for bytes in [&b""[..], b"x", b"-----BEGIN PGP PUBLIC KEY BLOCK-----", &[0x99, 0xff, 0xff, 0xff]] {
        assert!(KeyRing::read(bytes).is_err());
        assert!(signed_message(bytes, 1000).is_err());
    }
    // A blob that says it has no length would be read for ever.
    let mut endless = TestKey::new(1, "a <a@example.org>").keybox();
    endless[32..36].fill(0);
    assert!(KeyRing::read(&endless).is_err());
}

#[test]
fn fingerprints_are_forty_digits() {
    let text = "456D051E9204C27C37D4811BB53D215A755231A3";
    let print: Fingerprint = text.to_lowercase().parse().unwrap();
    assert_eq!((print.to_string().as_str(), print.key_id().as_str()), (text, "B53D215A755231A3"));
    for bad in ["", "456D", &format!("{text}0"), &text.replace('4', "g"), &"é".repeat(20)] {
        assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hostile_packets_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = KeyRing::read(&bytes);
        let _ = signed_message(&bytes, 10_000);
    }

    #[test]
    fn a_damaged_key_is_another_key_or_none(at in 0_usize..200, bit in 0_u8..8) {
        let key = TestKey::new(1, "a <a@example.org>");
        let mut packets = key.packets();
        let at = at % packets.len();
        packets[at] ^= 1 << bit;
        if let Ok(ring) = KeyRing::read(&packets) {
            let found = check(&ring, &key.clear_sign(TEXT));
            // Its fingerprint is over all of it, so that no changed key can be taken for it.
            let is_same = ring.first(&key.fingerprint()).is_some_and(|found| found.primary_key == key.public().primary_key);
            prop_assert!(found == Check::NoKey || is_same, "byte {at} bit {bit}: {found:?}");
        }
    }
}
