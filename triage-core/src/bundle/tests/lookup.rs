//! One file out of a bundle, and indexes that lie.

use super::*;
use crate::source::Identities;
use std::io::Read as _;

fn read(at: &Path, of: &str) -> Result<Option<Vec<u8>>, String> {
    let lookup = Lookup::open(at, &Identities::default()).map_err(|error| error.to_string())?;
    let Some(mut found) = lookup.find(&path(of)).map_err(|error| error.to_string())? else { return Ok(None) };
    let mut bytes = Vec::new();
    found.reader.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(Some(bytes))
}

#[test]
fn one_file_is_found_in_each_format() {
    let dir = TempDir::new().unwrap();
    for format in FORMATS {
        let at = sample_at(&dir, format);
        assert_eq!(read(&at, "/etc/passwd").unwrap().unwrap(), b"root:x:0:0:root:/root:/bin/bash\n", "{format:?}");
        assert_eq!(read(&at, &format!("/srv/{}", "é".repeat(120))).unwrap().unwrap().len(), 36);
        assert_eq!(read(&at, "/empty").unwrap().unwrap(), b"");
        assert_eq!(read(&at, "/etc").unwrap(), None);
        assert_eq!(read(&at, "/etc/shadow").unwrap(), None);
    }
    for format in ["tar.zst", "tar.gz", "zip"] {
        let old = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../testdata/bundles/v1.{format}"));
        assert_eq!(read(&old, "/etc/passwd").unwrap().unwrap(), b"root:x:0:0:root:/root:/bin/bash\n", "{format}");
    }
}

#[test]
fn altered_content_is_an_error_at_its_end() {
    let dir = TempDir::new().unwrap();
    let at = sample_at(&dir, BundleFormat::Dir);
    std::fs::write(at.join("data/files/etc/passwd"), b"root::0:0:root:/root:/bin/bash\n\n").unwrap();
    assert!(read(&at, "/etc/passwd").unwrap_err().contains("digest"));
    // A mended manifest is not what the tag manifest says.
    let manifest = std::fs::read_to_string(at.join("manifest-sha256.txt")).unwrap();
    std::fs::write(at.join("manifest-sha256.txt"), manifest.replacen('a', "b", 1)).unwrap();
    assert!(read(&at, "/etc/passwd").unwrap_err().contains("not what the tag manifest says"));
}

/// The sample with another last frame: what an attacker would write who can also mend the tag manifest.
fn with_index(dir: &TempDir, mends: bool, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let at = sample_at(dir, BundleFormat::TarZst);
    let original = std::fs::read(&at).unwrap();
    let table = zeekstd::SeekTable::from_seekable(&mut std::io::Cursor::new(&original)).unwrap();
    let last = table.num_frames() - 1;
    let start = table.frame_start_comp(last).unwrap() as usize;
    let end = table.frame_end_comp(last).unwrap() as usize;
    let plain = zstd::stream::decode_all(&original[start..end]).unwrap();
    let mut members: Vec<(tar::Header, Vec<u8>)> = Vec::new();
    for entry in tar::Archive::new(plain.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        members.push((entry.header().clone(), content));
    }
    let old = Digest::of(&members[0].1).to_string();
    change(&mut members[0].1);
    if mends {
        let new = Digest::of(&members[0].1).to_string();
        members[1].1 = String::from_utf8(members[1].1.clone()).unwrap().replace(&old, &new).into_bytes();
    }
    let mut forged = Vec::new();
    for (mut header, content) in members {
        header.set_size(content.len() as u64);
        header.set_cksum();
        forged.extend_from_slice(header.as_bytes());
        forged.extend_from_slice(&content);
        forged.resize(forged.len().next_multiple_of(512), 0);
    }
    forged.extend_from_slice(&[0; 1024]);
    let packed = zstd::bulk::compress(&forged, 3).unwrap();
    let mut bytes = original[..start].to_vec();
    bytes.extend_from_slice(&packed);
    let mut seek = zeekstd::SeekTable::new();
    for n in 0..last {
        seek.log_frame(table.frame_size_comp(n).unwrap() as u32, table.frame_size_decomp(n).unwrap() as u32).unwrap();
    }
    seek.log_frame(packed.len() as u32, forged.len() as u32).unwrap();
    let mut serializer = seek.into_serializer();
    let mut buffer = [0; 4096];
    let length = serializer.write_into(&mut buffer);
    bytes.extend_from_slice(&buffer[..length]);
    let forged = at.with_extension("forged");
    std::fs::write(&forged, bytes).unwrap();
    std::fs::remove_file(at).unwrap();
    forged
}

/// The entry of a file in the bytes of an index.
fn entry<'a>(index: &'a mut [u8], of: &str) -> &'a mut [u8] {
    let digest = Digest::of(of.as_bytes());
    let key = &digest.as_bytes()[..16];
    let at = (24..index.len()).step_by(56).find(|&at| &index[at..at + 16] == key).unwrap();
    &mut index[at..at + 56]
}

#[test]
fn index_that_was_altered_is_refused() {
    let dir = TempDir::new().unwrap();
    let untouched = with_index(&dir, false, |_| ());
    assert!(read(&untouched, "/empty").unwrap().is_some(), "the forging itself is sound");
    let at = with_index(&dir, false, |index| entry(index, "/empty")[16] ^= 2);
    let error = read(&at, "/empty").unwrap_err();
    assert!(error.contains("index.bin") && error.contains("damaged"), "{error}");
}

#[test]
fn hostile_index_leads_nowhere() {
    let dir = TempDir::new().unwrap();
    // Out of the bundle, by far and by an overflow.
    for place in [1_u64 << 40, u64::MAX - 511] {
        let at = with_index(&dir, true, |index| entry(index, "/empty")[16..24].copy_from_slice(&place.to_le_bytes()));
        assert!(read(&at, "/empty").is_err(), "{place}");
    }
    // To where no member begins, and to another member.
    let at = with_index(&dir, true, |index| entry(index, "/empty")[16..24].copy_from_slice(&7_u64.to_le_bytes()));
    assert!(read(&at, "/empty").is_err());
    let at = with_index(&dir, true, |index| {
        let other = entry(index, "/etc/passwd")[16..24].to_vec();
        entry(index, "/empty")[16..24].copy_from_slice(&other);
    });
    assert!(read(&at, "/empty").unwrap_err().contains("leads to another member"));
    assert!(read(&at, "/etc/passwd").unwrap().is_some(), "the rest is as it was");
    // A digest that is not the content's.
    let at = with_index(&dir, true, |index| entry(index, "/etc/passwd")[30] ^= 1);
    assert!(read(&at, "/etc/passwd").unwrap_err().contains("digest"));
    // More entries than there are, and not sorted.
    let at = with_index(&dir, true, |index| index[16..24].copy_from_slice(&(1_u64 << 60).to_le_bytes()));
    assert!(read(&at, "/empty").is_err());
    let at = with_index(&dir, true, |index| index[24..].rotate_left(56));
    assert!(read(&at, "/empty").is_err());
    assert!(failures(&at).iter().any(|failure| failure.starts_with("triage/index.bin")), "verify tells it too");
}
