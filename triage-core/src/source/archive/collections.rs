//! Collections of other tools, built here as the tools write them. The tools themselves are run by `tests/real`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods)]
use super::tests::{Tar, gzip, of_tar, put, walked};
use super::*;
use std::io::Write as _;
use std::process::{Command, Stdio};
use tempfile::TempDir;

fn at(path: &str) -> EvidencePath {
    EvidencePath::new(path).unwrap()
}

#[test]
fn uac_gives_the_files_and_the_times_of_its_bodyfile() {
    let dir = TempDir::new().unwrap();
    let bodyfile = "0|/mnt/pbx|2|drwxr-xr-x|0|0|4096|1|2|3|4\n\
        0|/mnt/pbx/etc/passwd|77|-rw-------|0|0|4|1700000001|1700000000|1700000002|1600000000\n";
    let tar = Tar::new()
        .file("uac.log", "INF Unix-like Artifacts Collector 3.3.0")
        .file("bodyfile/bodyfile.txt", bodyfile)
        .file("live_response/process/ps.txt", "ps")
        .file("[root]/etc/passwd", "root")
        .file("[root]/var/log/auth.log", "log")
        .link(tar::EntryType::Link, "[root]/etc/passwd-", "[root]/etc/passwd")
        .end();
    for bytes in [tar.clone(), gzip(&tar)] {
        let source = ArchiveSource::open(&put(&dir, &bytes)).unwrap();
        assert_eq!((source.layout(), source.kind()), (Layout::Uac, SourceKind::Collection));
        let meta = source.metadata(&at("/etc/passwd")).unwrap().unwrap();
        assert_eq!((meta.inode, meta.ctime), (Some(77), Some(Timestamp::new(1_700_000_002, 0))));
        assert_eq!(meta.btime, Some(Timestamp::new(1_600_000_000, 0)));
        assert_eq!(meta.mtime, Some(Timestamp::new(1_700_000_000, 0)));
        assert_eq!(source.read(&at("/etc/passwd-"), 9).unwrap().unwrap(), b"root");
        let notes = source.notes();
        assert!(notes[0].starts_with("a UAC collection (tar") && notes[0].ends_with("is `/[root]`"), "{notes:?}");
        assert!(notes[1].contains("1 objects are from its bodyfile"), "{notes:?}");
    }
    let found = of_tar(&tar);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[3].contains("in `live_response`, were not read"), "{found:?}");
}

#[test]
fn acquire_gives_the_files_and_what_it_failed_to_collect() {
    let dir = TempDir::new().unwrap();
    let tar = Tar::new().file("fs/$rootfs$/etc/passwd", "root").file("fs/$rootfs$/var/a%41", "a").end();
    std::fs::write(dir.path().join("pbx1_2026.tar"), tar).unwrap();
    let report = r#"{"Etc":{"failure":[{"artifact_type":"path","artifact_value":"/etc/secret","details":"OSError"}]}}"#;
    std::fs::write(dir.path().join("pbx1_2026.report.json"), report).unwrap();
    let path = dir.path().join("pbx1_2026.tar");
    let source = ArchiveSource::open(&path).unwrap();
    assert_eq!(source.layout(), Layout::Acquire);
    assert!(!source.kept().modes && !source.kept().owners && source.kept().mtimes);
    assert!(source.notes().iter().any(|note| note.contains("made up")));
    assert_eq!(
        walked(&path),
        [
            "file /etc/passwd root",
            "file /var/a%41 a",
            "gap /etc/secret: unreadable: acquire could not collect `/etc/secret`: OSError",
        ]
    );
}

#[test]
fn velociraptor_gives_decoded_names_and_sparse_files_with_their_holes() {
    let dir = TempDir::new().unwrap();
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let index = r#"{"ranges":[{"file_offset":0,"original_offset":0,"file_length":2,"length":2},{"original_offset":2,"length":2},{"file_offset":2,"original_offset":4,"file_length":1,"length":1}]}"#;
    for (name, content) in [
        ("uploads/auto/var/log/a%20b%25.log", "log"),
        ("uploads/file/etc/passwd", "by file"),
        ("uploads/auto/etc/passwd", "by auto"),
        ("uploads/auto/sparse", "abc"),
        ("uploads/auto/sparse.idx", index),
        ("uploads/auto/real.idx", "no index of anything"),
        ("uploads.json", "{}"),
        ("results/Linux.Sys.Pslist.json", "{}"),
    ] {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    let path = put(&dir, &writer.finish().unwrap().into_inner());
    let found = walked(&path);
    assert_eq!(
        found[..4],
        [
            "file /var/log/a b%.log log".to_owned(),
            "file /etc/passwd by file".to_owned(),
            "file /sparse ab\0\0c".to_owned(),
            "file /real.idx no index of anything".to_owned(),
        ]
    );
    assert!(found[4].contains("in `results`, were not read"), "{found:?}");
    assert!(found[5].starts_with("gap /etc/passwd: damaged"), "{found:?}");
    let source = ArchiveSource::open(&path).unwrap();
    assert_eq!(source.metadata(&at("/sparse")).unwrap().unwrap().size, 5);
    assert_eq!(source.read(&at("/sparse"), 99).unwrap().unwrap(), b"ab\0\0c");
}

#[test]
fn a_root_three_folders_down_is_found_and_said() {
    let dir = TempDir::new().unwrap();
    let tar = Tar::new().file("case/7/pbx/etc/passwd", "root").file("case/notes.txt", "n").end();
    let source = ArchiveSource::open(&put(&dir, &tar)).unwrap();
    assert_eq!(source.notes()[0], "a tar of 1 objects; the host's root in it is `/case/7/pbx`");
    assert_eq!(source.read(&at("/etc/passwd"), 9).unwrap().unwrap(), b"root");
}

#[test]
fn xz_of_one_stream_or_several_is_read_and_damage_is_told() {
    let xz = |bytes: &[u8]| -> Option<Vec<u8>> {
        let mut child =
            Command::new("xz").args(["-c", "-0"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let mut input = child.stdin.take()?;
        let bytes = bytes.to_vec();
        let writer = std::thread::spawn(move || input.write_all(&bytes));
        let output = child.wait_with_output().ok()?;
        writer.join().ok()?.ok()?;
        Some(output.stdout)
    };
    let tar = Tar::new().file("etc/passwd", "root").file("var/big", &"0123456789".repeat(50_000)).end();
    let (Some(whole), Some(first), Some(second)) = (xz(&tar), xz(&tar[..3000]), xz(&tar[3000..])) else {
        println!("skipped: there is no xz on this machine");
        return;
    };
    let dir = TempDir::new().unwrap();
    let expected = walked(&put(&dir, &tar));
    assert_eq!(walked(&put(&dir, &whole)), expected);
    assert_eq!(walked(&put(&dir, &[first, second].concat())), expected);
    let source = ArchiveSource::open(&put(&dir, &whole)).unwrap();
    assert_eq!(source.read(&at("/etc/passwd"), 9).unwrap().unwrap(), b"root");
    assert_eq!(source.sha256().unwrap(), Some(Digest::of(&whole)));
    let cut = walked(&put(&dir, &whole[..whole.len() / 2]));
    assert!(cut.iter().any(|line| line.starts_with("gap /: damaged")), "{cut:?}");
    for place in (20..whole.len()).step_by(whole.len() / 40 + 1) {
        let mut broken = whole.clone();
        broken[place] ^= 0x55;
        let found = ArchiveSource::open(&put(&dir, &broken)).map(|_| walked(&put(&dir, &broken)));
        assert!(found.map_or(true, |lines| lines != expected || place > whole.len() - 80), "byte {place}");
    }
}

#[test]
fn what_is_compressed_otherwise_is_refused_with_the_command_that_helps() {
    let dir = TempDir::new().unwrap();
    let error = ArchiveSource::open(&put(&dir, b"BZh91AY&SY")).err().unwrap().to_string();
    assert!(error.contains("`bzip2 -dk FILE`"), "{error}");
}
