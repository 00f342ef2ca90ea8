use super::*;
use std::io::Write as _;

/// The members of an uncompressed bundle, as a list that an attacker can change.
struct Members(Vec<(tar::Header, String, Vec<u8>)>);

impl Members {
    fn of(at: &Path) -> Self {
        let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(std::fs::File::open(at).unwrap()));
        let mut members = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            members.push((entry.header().clone(), name, content));
        }
        Self(members)
    }

    fn named(&mut self, end: &str) -> &mut (tar::Header, String, Vec<u8>) {
        self.0.iter_mut().find(|(_, name, _)| name.ends_with(end)).unwrap()
    }

    fn write(self, to: &Path) {
        let mut bytes = Vec::new();
        for (mut header, name, content) in self.0 {
            if name.len() < 100 && name.is_ascii() {
                let ustar = header.as_ustar_mut().unwrap();
                ustar.prefix = [0; 155];
                ustar.name = [0; 100];
                ustar.name[..name.len()].copy_from_slice(name.as_bytes());
            } else {
                let mut builder = tar::Builder::new(Vec::new());
                builder.append_pax_extensions([("path", name.as_bytes())]).unwrap();
                let extension = builder.into_inner().unwrap();
                bytes.extend_from_slice(&extension[..extension.len() - 1024]);
            }
            header.set_size(content.len() as u64);
            header.set_cksum();
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(&content);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
        bytes.extend_from_slice(&[0; 1024]);
        std::fs::write(to, bytes).unwrap();
    }
}

fn attacked(attack: impl FnOnce(&mut Members)) -> Vec<String> {
    let dir = TempDir::new().unwrap();
    let mut members = Members::of(&sample_at(&dir, BundleFormat::TarGz));
    attack(&mut members);
    let at = dir.path().join("attacked.tar");
    members.write(&at);
    failures(&at)
}

#[track_caller]
fn has(failures: &[String], part: &str) {
    assert!(failures.iter().any(|failure| failure.contains(part)), "`{part}` is not in {failures:#?}");
}

#[test]
fn a_bundle_put_together_again_is_not_taken_for_the_original() {
    // The very same members in a tar of another writer: only the index shows it.
    let found = attacked(|_| ());
    assert!(found.iter().all(|failure| failure.starts_with("triage/index.bin")), "{found:?}");
}

#[test]
fn altered_byte_is_named() {
    let found = attacked(|members| members.named("data/files/etc/passwd").2[0] = b'R');
    has(&found, "data/files/etc/passwd: its SHA-256 is ");
    has(&found, "and its record says");
    has(&found, "and the manifest says");
    let found = attacked(|members| members.named("triage/manifest.json").2[30] ^= 1);
    has(&found, "triage/manifest.json: its SHA-256 is ");
}

#[test]
fn altered_file_with_a_mended_manifest_is_still_named() {
    let found = attacked(|members| {
        let (_, _, content) = members.named("data/files/etc/passwd");
        let old = Digest::of(content).to_string();
        content[0] = b'R';
        let new = Digest::of(content).to_string();
        let (_, _, manifest) = members.named("manifest-sha256.txt");
        *manifest = String::from_utf8(manifest.clone()).unwrap().replace(&old, &new).into_bytes();
    });
    has(&found, "data/files/etc/passwd: its SHA-256");
    has(&found, "manifest-sha256.txt: its SHA-256 is");
}

#[test]
fn tar_entry_escapes_bag() {
    for name in
        ["../../etc/cron.d/x", "/etc/cron.d/x", "ROOT/../x", "ROOT/data/files/a/../../x", "ROOT\\..\\x", "elsewhere/x"]
    {
        let found = attacked(|members| {
            let root = members.0[0].1.split('/').next().unwrap().to_owned();
            let (mut header, _, _) = members.0[0].clone();
            header.set_mode(0o644);
            members.0.insert(3, (header, name.replace("ROOT", &root), b"x".to_vec()));
        });
        assert!(
            found
                .iter()
                .any(|f| ["leaves the bag", "is absolute", "backslash", "outside"].iter().any(|why| f.contains(why))),
            "{name}: {found:?}"
        );
    }
}

#[test]
fn repeated_entry_name_is_refused() {
    let found = attacked(|members| {
        let mut copy = members.named("data/files/etc/passwd").clone();
        copy.2 = b"root::0:0::/:/bin/sh\n".to_vec();
        members.0.insert(0, copy);
    });
    has(&found, "data/files/etc/passwd: it is in the bag more than once");
}

#[test]
fn second_spelling_of_a_payload_is_refused() {
    let found = attacked(|members| {
        let mut copy = members.named("data/files/etc/passwd").clone();
        copy.1 = copy.1.replace("passwd", "~70asswd");
        members.0.insert(0, copy);
    });
    has(&found, "its name is not what the format gives to any file");
    has(&found, "it is in the bag and no manifest lists it");
}

#[test]
fn symlink_in_bag_is_refused() {
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Char, tar::EntryType::Fifo] {
        let found = attacked(|members| {
            let member = members.named("data/files/etc/passwd");
            member.0.set_entry_type(kind);
            member.0.set_link_name("/etc/shadow").unwrap();
            member.2.clear();
        });
        has(&found, "has no place in a bag");
        has(&found, "it is listed and not in the bag");
    }
    let dir = TempDir::new().unwrap();
    let bag = sample_at(&dir, BundleFormat::Dir);
    std::fs::remove_file(bag.join("data/files/etc/passwd")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", bag.join("data/files/etc/passwd")).unwrap();
    has(&failures(&bag), "data/files/etc/passwd: an object of type symlink has no place in a bag");
}

#[test]
fn file_slipped_in_is_named() {
    let found = attacked(|members| {
        let mut extra = members.named("data/files/etc/passwd").clone();
        extra.1 = extra.1.replace("passwd", "planted");
        members.0.insert(1, extra);
    });
    has(&found, "data/files/etc/planted: it is in the bag and no manifest lists it");
}

#[test]
fn file_taken_out_is_named() {
    let found = attacked(|members| members.0.retain(|(_, name, _)| !name.ends_with("index.php")));
    has(&found, "data/files/var/www/html/index.php: it is listed and not in the bag");
    has(&found, "bag-info.txt: the payload is");
}

#[test]
fn log_that_was_cut_short_shows() {
    // Everything is consistent but the chain: the attacker mended both manifests and the index is gone.
    let found = attacked(|members| {
        members.0.retain(|(_, name, _)| !name.ends_with("index.bin"));
        let (_, _, log) = members.named("triage/collection/000002.jsonl");
        let old = Digest::of(log).to_string();
        let text = String::from_utf8(log.clone()).unwrap();
        let kept: Vec<&str> = text.split_inclusive('\n').filter(|line| !line.contains("\"gap\"")).collect();
        *log = kept.concat().into_bytes();
        let new = Digest::of(log).to_string();
        let (_, _, manifest) = members.named("tagmanifest-sha256.txt");
        let mended = String::from_utf8(manifest.clone()).unwrap().replace(&old, &new);
        let mended: Vec<&str> = mended.split_inclusive('\n').filter(|line| !line.contains("index.bin")).collect();
        *manifest = mended.concat().into_bytes();
    });
    assert_eq!(found, ["triage/manifest.json: the collection log does not end where it says"]);
}

#[test]
fn what_follows_the_end_of_the_tar_is_seen() {
    let dir = TempDir::new().unwrap();
    let at = dir.path().join("a.tar");
    Members::of(&sample_at(&dir, BundleFormat::TarGz)).write(&at);
    let hidden = std::fs::read(&at).unwrap();
    std::fs::OpenOptions::new().append(true).open(&at).unwrap().write_all(&hidden).unwrap();
    has(&failures(&at), "something follows the end of the tar");
}

#[test]
fn zip_central_directory_lies() {
    let dir = TempDir::new().unwrap();
    let at = sample_at(&dir, BundleFormat::Zip);
    let original = std::fs::read(&at).unwrap();
    // The directory calls a member by another name than its local header does.
    let mut bytes = original.clone();
    let name = b"data/files/var/www/html/index.php";
    let last = bytes.windows(name.len()).rposition(|window| window == name).unwrap();
    bytes[last + name.len() - 9] = b'I';
    std::fs::write(&at, &bytes).unwrap();
    let found = failures(&at);
    has(&found, "truncated: ");
    // A member that only the local headers know.
    let first = original.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    let mut bytes = original[..first].to_vec();
    let mut hidden = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    hidden.start_file("x/data/files/hidden.php", options).unwrap();
    hidden.write_all(b"<?php exit;").unwrap();
    let hidden = hidden.finish().unwrap().into_inner();
    let hidden_end = hidden.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    bytes.extend_from_slice(&hidden[..hidden_end]);
    let directory = bytes.len() as u32;
    bytes.extend_from_slice(&original[first..]);
    let end = bytes.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
    bytes[end + 16..end + 20].copy_from_slice(&directory.to_le_bytes());
    std::fs::write(&at, &bytes).unwrap();
    has(&failures(&at), "it holds bytes that its directory does not tell of");
}

#[test]
fn truncated_bundle_verifies_as_far_as_it_goes() {
    let dir = TempDir::new().unwrap();
    for format in [BundleFormat::TarZst, BundleFormat::TarGz, BundleFormat::Zip] {
        let at = dir.path().join("cut");
        let mut writer = BundleWriter::create(BundleSink::path(&at, format), info()).unwrap();
        let mut noise: u32 = 1;
        for n in 0..160 {
            let content: Vec<u8> = std::iter::repeat_with(|| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            })
            .take(1 << 20)
            .collect();
            store(&mut writer, &path(format!("/files/{n}")), &content);
        }
        writer.finish(Ending::Complete, start()).unwrap();
        let whole = std::fs::metadata(&at).unwrap().len();
        std::fs::OpenOptions::new().write(true).open(&at).unwrap().set_len(whole * 7 / 8).unwrap();
        let result = check(&at);
        assert_eq!(result.failures, [], "{format:?}");
        let truncated = result.truncated.unwrap();
        assert_eq!(truncated.covered_files, 128, "two checkpoints of 64 MiB: {format:?} {truncated:?}");
        assert!((130..160).contains(&truncated.files), "{truncated:?}");
        std::fs::remove_file(&at).unwrap();
    }
}

#[test]
fn an_aborted_bundle_leaves_a_partial_that_does_not_pass() {
    let dir = TempDir::new().unwrap();
    for format in FORMATS {
        let at = dir.path().join(format.as_str());
        let mut writer = BundleWriter::create(BundleSink::path(&at, format), info()).unwrap();
        store(&mut writer, &path("/a"), &vec![b'x'; 500_000]);
        writer.abort();
        assert!(!at.exists());
        let partial = dir.path().join(format!("{}.partial", format.as_str()));
        assert!(partial.exists());
        if let Ok(result) = verify(&partial, &mut |_| (), &|| false) {
            assert!(!result.is_intact(), "{format:?}");
        }
    }
}

#[test]
fn altered_compressed_byte_is_never_intact() {
    let dir = TempDir::new().unwrap();
    for format in [BundleFormat::TarZst, BundleFormat::TarGz, BundleFormat::Zip] {
        let at = sample_at(&dir, format);
        let original = std::fs::read(&at).unwrap();
        // Without its footer a seek table is none, and the bundle is read from its beginning; nothing else depends on it.
        let end = if format == BundleFormat::TarZst { original.len() - 9 } else { original.len() };
        for place in (12..end).step_by(97).chain(end - 24..end) {
            let mut bytes = original.clone();
            bytes[place] ^= 0x10;
            std::fs::write(&at, &bytes).unwrap();
            if let Ok(result) = verify(&at, &mut |_| (), &|| false) {
                let is_time = format == BundleFormat::Zip && result.is_intact();
                assert!(is_time || !result.is_intact(), "{format:?} at {place} of {}", original.len());
            }
        }
    }
}

#[test]
fn cancel_is_heard() {
    let dir = TempDir::new().unwrap();
    let at = sample_at(&dir, BundleFormat::TarZst);
    assert!(matches!(verify(&at, &mut |_| (), &|| true), Err(BundleError::Cancelled)));
}

/// Frames that a decoder of the stream skips, and a seek table that leads into them: one file, two bundles.
#[test]
fn seek_table_that_leads_elsewhere_is_named() {
    let dir = TempDir::new().unwrap();
    let at = sample_at(&dir, BundleFormat::TarZst);
    let original = std::fs::read(&at).unwrap();
    let table = zeekstd::SeekTable::from_seekable(&mut std::io::Cursor::new(&original)).unwrap();
    let frames: Vec<(u32, u32)> = (0..table.num_frames())
        .map(|n| (table.frame_size_comp(n).unwrap() as u32, table.frame_size_decomp(n).unwrap() as u32))
        .collect();
    let start = |n: usize| frames[..n].iter().map(|frame| frame.0 as usize).sum::<usize>();
    let plain = |n: usize| zstd::bulk::decompress(&original[start(n)..start(n + 1)], frames[n].1 as usize).unwrap();
    let holds = |bytes: &[u8]| bytes.windows(5).position(|window| window == b"root:");
    let victim = (0..frames.len()).find(|&n| holds(&plain(n)).is_some()).unwrap();
    // The genuine frame, hidden from the table; in its stead the table names what lies in a skippable frame.
    let mut other = plain(victim);
    let name = holds(&other).unwrap();
    other[name] = b'R';
    let other = zstd::bulk::compress(&other, 3).unwrap();
    let mut bytes = original[..start(victim + 1)].to_vec();
    bytes.extend_from_slice(&0x184D_2A50_u32.to_le_bytes());
    bytes.extend_from_slice(&(other.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&other);
    bytes.extend_from_slice(&original[start(victim + 1)..start(frames.len())]);
    let mut forged = zeekstd::SeekTable::new();
    for (n, &(packed, size)) in frames.iter().enumerate() {
        if n == victim {
            forged.log_frame(packed + 8, 0).unwrap();
            forged.log_frame(other.len() as u32, size).unwrap();
        } else {
            forged.log_frame(packed, size).unwrap();
        }
    }
    let mut serializer = forged.into_serializer();
    let mut buffer = [0; 256];
    let length = serializer.write_into(&mut buffer);
    bytes.extend_from_slice(&buffer[..length]);
    std::fs::write(&at, &bytes).unwrap();
    assert_eq!(failures(&at), ["the seek table: the seek table does not agree with the frames"]);
}
