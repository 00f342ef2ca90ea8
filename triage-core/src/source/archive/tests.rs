#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods)]
use super::*;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use tempfile::TempDir;

/// Builds a tar entry by entry, with names that the `tar` crate's own builder would refuse.
pub(super) struct Tar(pub(super) Vec<u8>);

impl Tar {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn raw(mut self, name: &[u8], kind: tar::EntryType, size: u64, content: &[u8], link: &[u8]) -> Self {
        let mut header = tar::Header::new_ustar();
        let ustar = header.as_ustar_mut().unwrap();
        ustar.name[..name.len()].copy_from_slice(name);
        ustar.linkname[..link.len()].copy_from_slice(link);
        header.set_entry_type(kind);
        header.set_mode(0o640);
        header.set_uid(33);
        header.set_gid(34);
        header.set_mtime(1_700_000_000);
        header.set_size(size);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(super) fn file(self, name: &str, content: &str) -> Self {
        self.raw(name.as_bytes(), tar::EntryType::Regular, content.len() as u64, content.as_bytes(), b"")
    }

    pub(super) fn folder(self, name: &str) -> Self {
        self.raw(name.as_bytes(), tar::EntryType::Directory, 0, b"", b"")
    }

    pub(super) fn link(self, kind: tar::EntryType, name: &str, target: &str) -> Self {
        self.raw(name.as_bytes(), kind, 0, b"", target.as_bytes())
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn put(dir: &TempDir, bytes: &[u8]) -> PathBuf {
    let at = dir.path().join("archive");
    File::create(&at).unwrap().write_all(bytes).unwrap();
    at
}

pub(super) fn walked(at: &Path) -> Vec<String> {
    let source = ArchiveSource::open(at).unwrap();
    let mut lines = Vec::new();
    source
        .walk(&Selection::everything(), &mut |item| {
            lines.push(match item {
                Item::Gap(gap) => format!("gap {gap}"),
                Item::Entry(entry) => {
                    let content = entry.content.map_or("-".into(), |open| match open() {
                        Ok(mut opened) => {
                            let mut text = String::new();
                            opened
                                .reader
                                .read_to_string(&mut text)
                                .map_or_else(|error| format!("error {error}"), |_| text)
                        }
                        Err(error) => format!("{}: {error}", error.reason),
                    });
                    let link = entry.meta.link_target.map(|target| format!(" -> {target}")).unwrap_or_default();
                    format!("{} {}{link} {content}", entry.meta.kind.as_str(), entry.path)
                }
            });
            ControlFlow::Continue(())
        })
        .unwrap();
    lines
}

/// What a plain tar gives, having seen that its compressed forms give the same.
#[track_caller]
pub(super) fn of_tar(tar: &[u8]) -> Vec<String> {
    let dir = TempDir::new().unwrap();
    let plain = walked(&put(&dir, tar));
    assert_eq!(walked(&put(&dir, &gzip(tar))), plain);
    assert_eq!(walked(&put(&dir, &zstd::bulk::compress(tar, 1).unwrap())), plain);
    plain
}

#[test]
fn a_tar_of_a_root_is_a_root() {
    let tar = Tar::new()
        .folder("./etc/")
        .file("./etc/passwd", "root")
        .file("/var/www/a.php", "<?php exit;")
        .link(tar::EntryType::Symlink, "etc/mtab", "/proc/mounts")
        .link(tar::EntryType::Link, "etc/hard", "./etc/passwd")
        .raw(b"dev/sda", tar::EntryType::Block, 0, b"", b"")
        .end();
    assert_eq!(
        of_tar(&tar),
        [
            "directory /etc -",
            "file /etc/passwd root",
            "file /var/www/a.php <?php exit;",
            "symlink /etc/mtab -> /proc/mounts -",
            "file /etc/hard root",
            "block_device /dev/sda -",
        ]
    );
}

#[test]
fn the_folder_that_holds_the_root_is_taken_off() {
    for prefix in ["[root]", "rootfs", "case-17/pbx1", "collection/uploads/auto"] {
        let tar = Tar::new()
            .folder(prefix)
            .file(&format!("{prefix}/etc/passwd"), "root")
            .file(&format!("{prefix}/srv/a"), "a")
            .end();
        assert_eq!(
            of_tar(&tar).into_iter().filter(|line| line.starts_with("file")).collect::<Vec<_>>(),
            ["file /etc/passwd root", "file /srv/a a"],
            "{prefix}"
        );
    }
    let tar = Tar::new().file("[root]/etc/passwd", "root").file("live_response/ps.txt", "ps").end();
    let found = of_tar(&tar);
    assert_eq!(found.len(), 2);
    assert!(found[1].contains("1 entries outside the host's root, in `live_response`"), "{found:?}");
}

#[test]
fn tar_entry_escapes_root() {
    let found =
        of_tar(&Tar::new().file("etc/passwd", "root").file("../../etc/shadow", "evil").file("a/../../b", "evil").end());
    assert_eq!(found[0], "file /etc/passwd root");
    assert_eq!(found.len(), 3);
    assert!(found[1..].iter().all(|line| line.starts_with("gap /: unreadable") && line.contains("`..`")), "{found:?}");
}

#[test]
fn second_entry_of_a_name_does_not_replace_the_first() {
    let found = of_tar(&Tar::new().file("etc/passwd", "first").file("./etc//passwd", "second").end());
    assert_eq!(found[0], "file /etc/passwd first");
    assert!(found[1].starts_with("gap /etc/passwd: damaged"), "{found:?}");
}

#[test]
fn hard_link_to_the_outside_is_told_and_not_opened() {
    let tar = Tar::new()
        .file("etc/passwd", "root")
        .link(tar::EntryType::Link, "etc/a", "etc/none")
        .link(tar::EntryType::Link, "etc/b", "../../etc/shadow")
        .link(tar::EntryType::Link, "etc/loop", "etc/loop")
        .end();
    let found = of_tar(&tar);
    assert!(found[1].starts_with("file /etc/a unsupported: a hard link to"), "{found:?}");
    assert!(found[2].starts_with("file /etc/loop unsupported: a hard link to"), "{found:?}");
    assert!(found[3].starts_with("gap /etc/b: unreadable"), "{found:?}");
}

#[test]
fn cut_archive_gives_what_is_before_the_cut() {
    let tar = Tar::new().file("etc/passwd", "root").file("etc/group", &"x".repeat(2000)).end();
    let found = of_tar(&tar[..1024 + 1500]);
    assert_eq!(found[0], "file /etc/passwd root");
    assert!(found[1].starts_with("file /etc/group error the archive is damaged here"), "{found:?}");
    assert!(found.iter().any(|line| line.starts_with("gap /: damaged")), "{found:?}");
}

#[test]
fn what_follows_the_end_of_the_archive_is_told() {
    let mut tar = Tar::new().file("etc/passwd", "root").end();
    tar.extend(Tar::new().file("etc/hidden", "x").end());
    let found = of_tar(&tar);
    assert!(found.iter().any(|line| line.contains("something follows the end")), "{found:?}");
}

#[test]
fn size_on_an_entry_without_content_is_refused() {
    // GNU tar takes what follows for headers, others for content.
    let inner = Tar::new().file("etc/cron.d/x", "x").0;
    let tar = Tar::new().file("etc/passwd", "root").raw(b"etc/l", tar::EntryType::Symlink, 1024, &inner, b"x").end();
    let found = of_tar(&tar);
    assert_eq!(found.len(), 2);
    assert!(found[1].contains("states a size"), "{found:?}");
}

#[test]
fn contradicting_long_names_are_refused() {
    let extended = b"19 path=etc/passwd\n18 path=etc/other\n";
    let tar =
        Tar::new().raw(b"x", tar::EntryType::XHeader, extended.len() as u64, extended, b"").file("short", "x").end();
    let found = of_tar(&tar);
    assert!(found.iter().all(|line| line.starts_with("gap /: damaged")), "{found:?}");
}

#[test]
fn endless_long_name_does_not_fill_memory() {
    let name = vec![b'a'; 5 << 20];
    let tar = Tar::new().raw(b"././@LongLink", tar::EntryType::GNULongName, name.len() as u64, &name, b"");
    let mut tar = tar.file("etc/passwd", "root").end();
    // The `tar` crate takes a long name only from an entry with the GNU magic.
    tar[257..265].copy_from_slice(b"ustar  \0");
    let mut header = tar::Header::from_byte_slice(&tar[..512]).clone();
    header.set_cksum();
    tar[..512].copy_from_slice(header.as_bytes());
    let found = of_tar(&tar);
    assert!(found[0].contains("headers of one entry are too long"), "{found:?}");
}

#[test]
fn sparse_file_of_gnu_tar_is_read_with_its_holes() {
    let mut header = tar::Header::new_gnu();
    let gnu = header.as_gnu_mut().unwrap();
    gnu.name[..10].copy_from_slice(b"etc/sparse");
    gnu.set_real_size(2048);
    gnu.sparse[0].set_offset(1024);
    gnu.sparse[0].set_length(4);
    gnu.sparse[1].set_offset(2048);
    gnu.sparse[1].set_length(0);
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_size(4);
    header.set_cksum();
    let mut tar = header.as_bytes().to_vec();
    tar.extend_from_slice(b"data");
    tar.resize(1024, 0);
    tar.extend(Tar::new().file("etc/passwd", "root").end());
    let found = of_tar(&tar);
    assert_eq!(found[0], format!("file /etc/sparse {}data{}", "\0".repeat(1024), "\0".repeat(1020)));
    assert_eq!(found[1], "file /etc/passwd root");
}

#[test]
fn looked_up_files_are_the_walked_ones() {
    let dir = TempDir::new().unwrap();
    let tar = Tar::new().file("pbx/etc/passwd", "root").file("pbx/var/a", "a").end();
    for bytes in [tar.clone(), gzip(&tar)] {
        let source = ArchiveSource::open(&put(&dir, &bytes)).unwrap();
        let path = |text: &str| EvidencePath::new(text).unwrap();
        assert_eq!(source.read(&path("/etc/passwd"), 9).unwrap().unwrap(), b"root");
        assert_eq!(source.metadata(&path("/var")).unwrap().unwrap().kind, FileKind::Directory);
        assert_eq!(source.metadata(&path("/va")).unwrap(), None);
        assert!(source.open(&path("/var")).unwrap().is_none());
        let meta = source.metadata(&path("/var/a")).unwrap().unwrap();
        assert_eq!((meta.uid, meta.gid, meta.mode.bits()), (33, 34, 0o640));
        assert_eq!(meta.mtime, Some(Timestamp::new(1_700_000_000, 0)));
    }
}

#[test]
fn zip_gives_files_links_and_repeated_names() {
    let dir = TempDir::new().unwrap();
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, content) in [("etc/passwd", "root"), ("etc/passwx", "evil"), ("../up", "evil")] {
        writer.start_file(name, options).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.add_symlink("etc/link", "/etc/shadow", options).unwrap();
    let mut bytes = writer.finish().unwrap().into_inner();
    while let Some(at) = bytes.windows(10).position(|window| window == b"etc/passwx") {
        bytes[at + 9] = b'd';
    }
    let found = walked(&put(&dir, &bytes));
    assert_eq!(found[0], "file /etc/passwd root");
    assert_eq!(found[1], "symlink /etc/link -> /etc/shadow -");
    assert!(found[2].starts_with("gap /: unreadable"), "{found:?}");
    assert!(found[3].starts_with("gap /etc/passwd: damaged"), "{found:?}");
    // One bit of the content: the checksum shows it.
    let at = bytes.windows(4).position(|window| window == b"root").unwrap_or(45);
    bytes[at] ^= 1;
    let found = walked(&put(&dir, &bytes));
    assert!(found[0].starts_with("file /etc/passwd error"), "{found:?}");
}

#[test]
fn zip_that_lost_its_directory_is_read_by_its_local_headers() {
    let dir = TempDir::new().unwrap();
    let mut writer = zip::ZipWriter::new_stream(Vec::new());
    let options = zip::write::SimpleFileOptions::default();
    for name in ["etc/passwd", "etc/group", "etc/last"] {
        writer.start_file(name, options).unwrap();
        writer.write_all(name.repeat(50).as_bytes()).unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    let cut = bytes.windows(8).position(|window| window == b"etc/last").unwrap() + 12;
    let found = walked(&put(&dir, &bytes[..cut]));
    assert_eq!(found[0], format!("file /etc/passwd {}", "etc/passwd".repeat(50)));
    assert_eq!(found[1], format!("file /etc/group {}", "etc/group".repeat(50)));
    assert!(found[2].starts_with("gap /: damaged"), "{found:?}");
}

#[test]
fn bomb_stops_at_its_limits() {
    use crate::source::Limits;
    let dir = TempDir::new().unwrap();
    let zeros = "\0".repeat(20 << 20);
    let tar = Tar::new().file("etc/passwd", "root").file("bomb", &zeros).end();
    let limits = Limits { ratio_free: 1 << 20, max_ratio: 100, ..Limits::default() };
    let listed = |at: &Path, limits: Limits| {
        let container = Container::open(at).unwrap().with_limits(limits);
        container.for_each(&mut |_, _| ControlFlow::Continue(()))
    };
    for bytes in [gzip(&tar), zstd::bulk::compress(&tar, 3).unwrap()] {
        let at = put(&dir, &bytes);
        assert!(matches!(listed(&at, limits.clone()), Err(ContainerError::LimitReached { entries: 1, .. })));
        assert!(listed(&at, Limits::default()).is_ok());
        let few = Limits { max_entries: 1, ..Limits::default() };
        assert!(matches!(listed(&at, few), Err(ContainerError::LimitReached { .. })));
        let short = Limits { max_total: 1 << 20, ..Limits::default() };
        assert!(matches!(listed(&at, short), Err(ContainerError::LimitReached { .. })));
    }
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("bomb", zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(zeros.as_bytes()).unwrap();
    let at = put(&dir, &writer.finish().unwrap().into_inner());
    assert!(matches!(listed(&at, limits), Err(ContainerError::LimitReached { .. })));
}

#[test]
fn what_is_no_archive_is_refused() {
    let dir = TempDir::new().unwrap();
    for bytes in [&b""[..], b"just text", &gzip(&[b'x'; 600]), &[b'x'; 600]] {
        assert!(matches!(ArchiveSource::open(&put(&dir, bytes)), Err(SourceError::Unsupported { .. })));
    }
    assert!(matches!(ArchiveSource::open(dir.path()), Err(SourceError::Unsupported { .. })));
    assert!(matches!(ArchiveSource::open(&dir.path().join("none")), Err(SourceError::Io { .. })));
}

proptest::proptest! {
    #[test]
    fn damaged_archives_never_panic(place in 0_usize..4000, byte in proptest::prelude::any::<u8>(), cut in 0_usize..4000) {
        let tar = Tar::new().folder("etc/").file("etc/passwd", "root").file("etc/x", &"y".repeat(700)).end();
        let dir = TempDir::new().unwrap();
        let mut tar = tar;
        let length = tar.len();
        tar[place % length] = byte;
        tar.truncate(length - cut % length / 3);
        for bytes in [gzip(&tar), tar] {
            if let Ok(source) = ArchiveSource::open(&put(&dir, &bytes)) {
                let _ = source.walk(&Selection::everything(), &mut |item| {
                    if let Item::Entry(Entry { content: Some(open), .. }) = item && let Ok(mut opened) = open() {
                        let _ = opened.reader.read_to_end(&mut Vec::new());
                    }
                    ControlFlow::Continue(())
                });
            }
        }
    }
}
