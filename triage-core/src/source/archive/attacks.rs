//! What a hostile archive can try, one test each; beside those in `tests.rs` for names, damage and bombs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use super::tests::{Tar, gzip, of_tar, put, walked};
use super::*;
use std::io::Write as _;
use tempfile::TempDir;

/// An extended header of POSIX.1-2001 with these records.
fn extended(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (rest + 1..rest + 20).find(|length| rest + length.to_string().len() == *length).unwrap();
        out.extend_from_slice(format!("{length} {key}=").as_bytes());
        out.extend_from_slice(value);
        out.push(b'\n');
    }
    out
}

fn with_header(tar: Tar, records: &[(&str, &[u8])]) -> Tar {
    let header = extended(records);
    tar.raw(b"PaxHeaders/x", tar::EntryType::XHeader, header.len() as u64, &header, b"")
}

fn zip_of(names: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in names {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn absolute_name_stays_in_the_root() {
    let found = of_tar(&Tar::new().file("/etc/passwd", "evidence").file("//etc//shadow", "too").end());
    assert_eq!(found, ["file /etc/passwd evidence", "file /etc/shadow too"]);
}

#[test]
fn file_behind_a_link_of_the_archive_is_a_file_of_the_archive() {
    // A reader that unpacks would write through the link.
    let tar = Tar::new()
        .file("etc/passwd", "root")
        .link(tar::EntryType::Symlink, "etc/out", "/tmp")
        .file("etc/out/evil", "inside")
        .end();
    assert_eq!(of_tar(&tar), ["file /etc/passwd root", "symlink /etc/out -> /tmp -", "file /etc/out/evil inside"]);
}

#[test]
fn devices_and_fifos_are_told_and_have_no_content() {
    let tar = Tar::new()
        .file("etc/passwd", "root")
        .raw(b"dev/mem", tar::EntryType::Char, 0, b"", b"")
        .raw(b"dev/sda", tar::EntryType::Block, 0, b"", b"")
        .raw(b"tmp/fifo", tar::EntryType::Fifo, 0, b"", b"")
        .end();
    assert_eq!(
        of_tar(&tar)[1..],
        ["char_device /dev/mem -", "block_device /dev/sda -", "fifo /tmp/fifo -"].map(str::to_owned)
    );
}

#[test]
fn nul_in_a_name_does_not_cut_it() {
    let dir = TempDir::new().unwrap();
    let mut bytes = zip_of(&[("etc/passwd", "root"), ("etc/shadow#.txt", "evil")]);
    while let Some(at) = bytes.windows(11).position(|window| window == b"etc/shadow#") {
        bytes[at + 10] = 0;
    }
    let found = walked(&put(&dir, &bytes));
    assert_eq!(found.len(), 2);
    assert!(found[1].starts_with("gap /: unreadable") && found[1].contains("NUL"), "{found:?}");
}

#[test]
fn windows_separators_are_letters_of_a_name() {
    let dir = TempDir::new().unwrap();
    let bytes = zip_of(&[
        ("uploads.json", "{}"),
        ("uploads/auto/etc/passwd", "root"),
        ("uploads/auto/..\\..\\etc\\shadow", "evil"),
        ("uploads/auto/a%5C..%5Cb", "evil"),
        ("uploads/auto/C%3A/Windows", "x"),
    ]);
    let found = walked(&put(&dir, &bytes));
    assert_eq!(
        found,
        [
            "file /etc/passwd root",
            "file /..\\\\..\\\\etc\\\\shadow evil",
            "file /a\\\\..\\\\b evil",
            "file /C:/Windows x",
        ]
    );
}

#[test]
fn encoded_parents_and_separators_are_refused() {
    let dir = TempDir::new().unwrap();
    let bytes = zip_of(&[
        ("uploads.json", "{}"),
        ("uploads/auto/etc/passwd", "root"),
        ("uploads/auto/%2E%2E/%2E%2E/etc/shadow", "evil"),
        ("uploads/auto/%2e/x", "evil"),
        ("uploads/auto/a%2F..%2F..%2Fetc", "evil"),
        ("uploads/auto/a%00b", "evil"),
    ]);
    let found = walked(&put(&dir, &bytes));
    assert_eq!(found[0], "file /etc/passwd root");
    assert_eq!(found.len(), 5, "{found:?}");
    assert!(found[1..].iter().all(|line| line.contains("decodes to no name")), "{found:?}");
}

#[test]
fn overlong_name_is_kept_whole() {
    let name = format!("etc/{}", "deep/".repeat(1000)) + &"n".repeat(300);
    let tar = with_header(Tar::new(), &[("path", name.as_bytes())]).file("short", "x").end();
    assert_eq!(of_tar(&tar), [format!("file /{name} x")]);
}

#[test]
fn extended_size_smuggles_no_entry() {
    // CVE-2026-33055: a reader that takes the header's size of 0 sees what is content as the next entry.
    let inner = Tar::new().file("etc/cron.d/evil", "x").0;
    let tar = with_header(Tar::new().file("etc/passwd", "root"), &[("size", inner.len().to_string().as_bytes())])
        .raw(b"etc/blob", tar::EntryType::Regular, 0, &inner, b"")
        .end();
    let found = of_tar(&tar);
    assert!(
        !found.iter().any(|line| line.contains("/etc/cron.d/evil ") && line.starts_with("file /etc/cron.d")),
        "{found:?}"
    );
    assert!(found.iter().any(|line| line.starts_with("file /etc/blob")), "{found:?}");
}

#[test]
fn extended_header_that_renames_all_that_follows_is_refused() {
    let header = extended(&[("path", b"etc/shadow")]);
    let tar = Tar::new()
        .file("etc/passwd", "root")
        .raw(b"pax_global_header", tar::EntryType::XGlobalHeader, header.len() as u64, &header, b"")
        .file("etc/harmless", "evil")
        .end();
    let found = of_tar(&tar);
    assert_eq!(found[0], "file /etc/passwd root");
    assert!(found[1].contains("global header"), "{found:?}");
}

#[test]
fn archive_in_an_archive_is_one_file() {
    let dir = TempDir::new().unwrap();
    let bomb = gzip(&vec![0; 8 << 20]);
    let nested = gzip(&gzip(&bomb));
    let mut tar = Tar::new().file("etc/passwd", "root");
    tar = tar.raw(b"var/nested.gz", tar::EntryType::Regular, nested.len() as u64, &nested, b"");
    let source = ArchiveSource::open(&put(&dir, &tar.end())).unwrap();
    let path = EvidencePath::new("/var/nested.gz").unwrap();
    assert_eq!(source.read(&path, 1 << 20).unwrap().unwrap(), nested);
}

#[test]
fn local_header_that_says_another_name_than_the_directory_is_told() {
    let dir = TempDir::new().unwrap();
    let mut bytes = zip_of(&[("etc/passwd", "root"), ("etc/hidden", "evil")]);
    // One reader goes by the directory at the end, another by the local headers.
    let at = bytes.windows(10).position(|window| window == b"etc/hidden").unwrap();
    bytes[at..at + 10].copy_from_slice(b"etc/shadow");
    let found = walked(&put(&dir, &bytes));
    assert!(found.iter().any(|line| line.starts_with("gap /: damaged")), "{found:?}");
    assert!(!found.iter().any(|line| line.starts_with("file /etc/hidden evil")), "{found:?}");
}

#[test]
fn sizes_that_contradict_each_other_in_a_zip_are_told() {
    let dir = TempDir::new().unwrap();
    let mut bytes = zip_of(&[("etc/passwd", "root of all")]);
    // The size in the directory (46 bytes before its end mark are the header; offset 24 is the size).
    let central = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    bytes[central + 24] ^= 0x7f;
    let found = walked(&put(&dir, &bytes));
    assert!(found.iter().all(|line| !line.starts_with("file /etc/passwd root of all")), "{found:?}");
    assert!(found.iter().any(|line| line.contains("damaged") || line.contains("error")), "{found:?}");
}

#[test]
fn the_digest_is_that_of_the_whole_file_however_it_is_read() {
    let dir = TempDir::new().unwrap();
    let tar = Tar::new().file("etc/passwd", "root").file("etc/x", &"y".repeat(300_000)).end();
    let mut trailing = gzip(&tar);
    trailing.extend_from_slice(b"rubbish behind the end");
    for bytes in [
        tar.clone(),
        gzip(&tar),
        zstd::bulk::compress(&tar, 1).unwrap(),
        trailing,
        zip_of(&[("a", "b")]),
        tar[..5000].to_vec(),
    ] {
        let source = ArchiveSource::open(&put(&dir, &bytes)).unwrap();
        assert_eq!(source.sha256().unwrap(), Some(Digest::of(&bytes)));
    }
}
