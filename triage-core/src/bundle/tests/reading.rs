use super::*;
use crate::source::{Item, Opened, Selection, Source, SourceKind};
use std::io::Read as _;
use std::ops::ControlFlow;
use std::time::Instant;

/// A line for each thing that a walk gives, contents read on the spot.
fn walked(source: &dyn Source, selection: &Selection) -> Vec<String> {
    let mut lines = Vec::new();
    source
        .walk(selection, &mut |item| {
            lines.push(match item {
                Item::Gap(gap) => format!("gap {gap}"),
                Item::Entry(entry) => {
                    let kind = entry.meta.kind.as_str();
                    let content = entry.content.map_or("-".into(), |open| match open() {
                        Ok(opened) => digest(opened),
                        Err(error) => format!("{}: {error}", error.reason),
                    });
                    format!("{kind} {} {content}", entry.path)
                }
            });
            ControlFlow::Continue(())
        })
        .unwrap();
    lines
}

fn digest(mut opened: Opened) -> String {
    let mut bytes = Vec::new();
    match opened.reader.read_to_end(&mut bytes) {
        Ok(_) if opened.reader.expected() == Some(Digest::of(&bytes)) => format!("{} bytes", bytes.len()),
        Ok(_) => "not what the record says".into(),
        Err(error) => format!("error: {error}"),
    }
}

fn open(at: &Path) -> BundleSource {
    BundleSource::open(at).unwrap()
}

#[test]
fn a_bundle_shows_the_same_in_each_format() {
    let dir = TempDir::new().unwrap();
    let expected = [
        "directory /etc -".to_owned(),
        "file /etc/passwd 32 bytes".into(),
        "file /var/www/html/index.php 21 bytes".into(),
        "file /var/www/html/new\\nline\\\\\\xff.php 12 bytes".into(),
        format!("file /srv/{} 36 bytes", "é".repeat(120)),
        format!("file /tmp/{} 35 bytes", "\\xfe".repeat(200)),
        "file /empty 0 bytes".into(),
        "gap /run/fifo: not_regular: a FIFO".into(),
    ];
    for format in FORMATS {
        let at = sample_at(&dir, format);
        assert!(is_bundle(&at), "{format:?}");
        let source = open(&at);
        assert_eq!(walked(&source, &Selection::everything()), expected, "{format:?}");
        assert_eq!(source.kind(), SourceKind::Bundle);
        assert_eq!(source.host().hostname.to_string(), "pbx1");
        assert_eq!(source.gaps().len(), 1);
        assert_eq!(source.kinds().collect::<Vec<_>>(), ["accounts", "files"]);
        let mut accounts = Vec::new();
        source
            .records("accounts", &mut |record| {
                accounts.push(record);
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(accounts, [account("root")]);
        // Look-ups by path.
        let content = source.read(&path("/etc/passwd"), 5).unwrap();
        assert_eq!(content.as_deref(), Some(&b"root:"[..]));
        let odd = path(b"/var/www/html/new\nline\\\xff.php");
        assert_eq!(source.read(&odd, 99).unwrap().unwrap(), b"<?php exit;\n");
        assert_eq!(source.metadata(&odd).unwrap().unwrap().mode, Mode::new(0o644));
        assert!(source.open(&path("/etc/shadow")).unwrap().is_none());
        assert!(source.open(&path("/etc")).unwrap().is_none());
        assert_eq!(source.metadata(&path("/var/www")).unwrap().unwrap().kind, FileKind::Directory, "implied");
        assert!(source.metadata(&path("/var/lib")).unwrap().is_none());
    }
}

#[test]
fn a_selection_leaves_out_what_it_does_not_name() {
    let dir = TempDir::new().unwrap();
    let etc = Selection::new(vec![crate::source::Pattern::new("/etc/**").unwrap()], Vec::new());
    for format in FORMATS {
        let lines = walked(&open(&sample_at(&dir, format)), &etc);
        assert_eq!(lines, ["directory /etc -", "file /etc/passwd 32 bytes"], "{format:?}");
    }
}

#[test]
fn other_archives_are_no_bundles() {
    let dir = TempDir::new().unwrap();
    let at = dir.path().join("a.tar");
    let mut builder = tar::Builder::new(std::fs::File::create(&at).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    builder.append_data(&mut header, "bag/bagit.txt", &b"x"[..]).unwrap();
    builder.into_inner().unwrap();
    assert!(!is_bundle(&at), "a bag of somebody else's");
    assert!(!is_bundle(dir.path()) && !is_bundle(Path::new("/dev/null")) && !is_bundle(&dir.path().join("none")));
}

/// Contents beyond what is kept in memory, read on other threads while the archive passes.
#[test]
fn large_contents_are_read_on_other_threads() {
    let dir = TempDir::new().unwrap();
    for format in FORMATS {
        let at = dir.path().join(format.as_str());
        let mut writer = BundleWriter::create(BundleSink::path(&at, format), info()).unwrap();
        for n in 0..4_u8 {
            store(&mut writer, &path(format!("/large/{n}")), &vec![n; (9 << 20) + usize::from(n)]);
            store(&mut writer, &path(format!("/small/{n}")), &[n; 10]);
        }
        writer.finish(Ending::Complete, start()).unwrap();
        let source = open(&at);
        let (sender, receiver) = std::sync::mpsc::sync_channel::<crate::source::Opener>(2);
        let worker =
            std::thread::spawn(move || receiver.iter().map(|open| digest(open().unwrap())).collect::<Vec<_>>());
        source
            .walk(&Selection::everything(), &mut |item| {
                if let Item::Entry(entry) = item {
                    sender.send(entry.content.unwrap()).unwrap();
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        drop(sender);
        let found = worker.join().unwrap();
        assert_eq!(found.len(), 8);
        assert!(found.iter().all(|line| line.ends_with(" bytes")), "{format:?}: {found:?}");
    }
}

#[test]
fn one_file_is_found_without_reading_all() {
    let dir = TempDir::new().unwrap();
    let at = dir.path().join("b.tar.zst");
    let mut writer = BundleWriter::create(BundleSink::path(&at, BundleFormat::TarZst), info()).unwrap();
    let mut noise: u64 = 1;
    for n in 0..40 {
        let content: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 56) as u8
        })
        .take(1 << 20)
        .collect();
        store(&mut writer, &path(format!("/f/{n}")), &content);
    }
    let sealed = writer.finish(Ending::Complete, start()).unwrap();
    let source = open(&at);
    let before = source.bytes_read();
    let begun = Instant::now();
    assert_eq!(source.read(&path("/f/31"), u64::MAX).unwrap().unwrap().len(), 1 << 20);
    let read = source.bytes_read() - before;
    assert!(read < sealed.bytes / 4, "{read} of {} bytes in {:?}", sealed.bytes, begun.elapsed());
}

#[test]
fn altered_content_does_not_pass_for_evidence() {
    let dir = TempDir::new().unwrap();
    let bag = sample_at(&dir, BundleFormat::Dir);
    std::fs::write(bag.join("data/files/etc/passwd"), "root::0:0:root:/root:/bin/bash--").unwrap();
    std::fs::remove_file(bag.join("data/files/empty")).unwrap();
    let lines = walked(&open(&bag), &Selection::everything());
    assert!(lines.contains(&"file /etc/passwd not what the record says".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"file /empty damaged: the bundle does not hold its content".to_owned()), "{lines:#?}");
}

#[test]
fn altered_records_are_a_gap_and_not_evidence() {
    let dir = TempDir::new().unwrap();
    let bag = sample_at(&dir, BundleFormat::Dir);
    let records = bag.join("data/records/files/000001.jsonl");
    let text = std::fs::read_to_string(&records).unwrap().replace("/etc/passwd\"", "/etc/passwe\"");
    std::fs::write(&records, text).unwrap();
    let lines = walked(&open(&bag), &Selection::everything());
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[1].contains("is not what the collection log says"), "{lines:#?}");
}

#[test]
fn symlink_out_of_the_bag_is_not_followed() {
    let dir = TempDir::new().unwrap();
    let bag = sample_at(&dir, BundleFormat::Dir);
    let outside = dir.path().join("outside");
    std::fs::write(&outside, "x").unwrap();
    std::fs::remove_file(bag.join("data/files/etc/passwd")).unwrap();
    std::os::unix::fs::symlink(&outside, bag.join("data/files/etc/passwd")).unwrap();
    std::fs::rename(bag.join("data/files/var"), dir.path().join("var")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("var"), bag.join("data/files/var")).unwrap();
    let source = open(&bag);
    for name in ["/etc/passwd", "/var/www/html/index.php"] {
        assert!(!matches!(source.open(&path(name)), Ok(Some(_))), "{name}");
    }
}

#[test]
fn a_cut_bundle_is_read_as_far_as_it_goes() {
    let dir = TempDir::new().unwrap();
    for format in [BundleFormat::TarZst, BundleFormat::TarGz] {
        let at = dir.path().join(format.as_str());
        let mut writer = BundleWriter::create(BundleSink::path(&at, format), info()).unwrap();
        let mut noise: u32 = 7;
        for n in 0..80 {
            let content: Vec<u8> = std::iter::repeat_with(|| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            })
            .take(1 << 20)
            .collect();
            store(&mut writer, &path(format!("/f/{n}")), &content);
        }
        writer.finish(Ending::Complete, start()).unwrap();
        let length = std::fs::metadata(&at).unwrap().len();
        std::fs::OpenOptions::new().write(true).open(&at).unwrap().set_len(length * 9 / 10).unwrap();
        assert!(is_bundle(&at));
        let source = open(&at);
        assert_eq!(source.host().hostname.to_string(), "pbx1");
        assert!(source.manifest().interrupted.is_some());
        let lines = walked(&source, &Selection::everything());
        let whole = lines.iter().filter(|line| line.ends_with(" 1048576 bytes")).count();
        assert_eq!(whole, 64, "{format:?}");
        assert!(lines.iter().any(|line| line.contains("the bundle is cut")), "{lines:#?}");
        std::fs::remove_file(&at).unwrap();
    }
}

#[test]
fn hostile_seek_table_or_index_gives_no_wrong_content() {
    let dir = TempDir::new().unwrap();
    let at = sample_at(&dir, BundleFormat::TarZst);
    let original = std::fs::read(&at).unwrap();
    let honest = walked(&open(&at), &Selection::everything());
    for place in original.len() - 120..original.len() {
        for bit in [0x01, 0x80] {
            let mut bytes = original.clone();
            bytes[place] ^= bit;
            std::fs::write(&at, &bytes).unwrap();
            let Ok(source) = BundleSource::open(&at) else { continue };
            for line in walked(&source, &Selection::everything()) {
                let is_told = ["gap ", " damaged", "error: "].iter().any(|word| line.contains(word));
                assert!(is_told || honest.contains(&line), "{place}: {line}");
            }
        }
    }
    assert!(matches!(BundleSource::open(&dir.path().join("none")), Err(BundleError::Container(_))));
}
