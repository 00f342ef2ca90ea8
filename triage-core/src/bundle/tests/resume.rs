//! Collections that were killed, and went on.

use super::seal::noise;
use super::*;
use crate::source::{Item, Selection, Source};
use std::io::Read as _;
use std::ops::ControlFlow;

const RESUMABLE: [BundleFormat; 3] = [BundleFormat::TarZst, BundleFormat::Zip, BundleFormat::Dir];
/// So many that their records fill several segments.
const FILES: usize = 9_000;

fn object(n: usize) -> (EvidencePath, FileMeta, Vec<u8>) {
    let content = if n.is_multiple_of(3000) { noise(3 << 20) } else { format!("content of {n}\n").into_bytes() };
    let mut meta = FileMeta::bare(FileKind::File, Mode::new(0o644), content.len() as u64);
    meta.inode = Some(n as u64);
    meta.mtime = Some(Timestamp::new(1_700_000_000, 5));
    meta.ctime = Some(Timestamp::new(1_700_000_001, 6));
    (path(format!("/srv/files/{n:05}")), meta, content)
}

fn put(writer: &mut BundleWriter, n: usize) {
    let (at, meta, content) = object(n);
    let stored = writer.payload(&at, content.len() as u64, meta.mtime, &mut content.as_slice()).unwrap();
    let (sha256, payload) = (Some(stored.sha256), Some(stored.payload));
    writer.record(&Record::File(FileRecord { sha256, payload, ..FileRecord::new(at, meta) })).unwrap();
    if n.is_multiple_of(1000) {
        writer.gap(Gap::new(path(format!("/gaps/{n}")), GapReason::NotRegular, "a FIFO")).unwrap();
        writer.record(&account(&format!("user{n}"))).unwrap();
    }
}

/// What a bundle holds, in an order that does not depend on when it was put there.
fn contents(at: &Path) -> Vec<String> {
    let source = BundleSource::open(at).unwrap();
    let mut lines: Vec<String> = Vec::new();
    source
        .walk(&Selection::everything(), &mut |item| {
            lines.push(match item {
                Item::Gap(gap) => format!("gap {gap}"),
                Item::Entry(entry) => {
                    let mut bytes = Vec::new();
                    entry.content.unwrap()().unwrap().reader.read_to_end(&mut bytes).unwrap();
                    format!("{} {:?} {}", entry.path, entry.meta, Digest::of(&bytes))
                }
            });
            ControlFlow::Continue(())
        })
        .unwrap();
    lines.sort();
    lines
}

fn partial(at: &Path) -> PathBuf {
    let mut name = at.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// Goes on with a partial bundle; gives how many objects it had.
fn go_on(partial: PathBuf, is_to_end: bool) -> usize {
    let mut now = info();
    now.start = Timestamp::new(1_767_400_000, 0);
    now.version = "0.2.0".into();
    let mut writer = BundleWriter::create(BundleSink::Resume { partial }, now).unwrap();
    let already = std::sync::Arc::clone(writer.already().unwrap());
    for n in 0..FILES {
        let (at, meta, _) = object(n);
        match already.had(&at, &meta) {
            Had::Unchanged => {}
            Had::No => put(&mut writer, n),
            Had::Changed => panic!("{at}"),
        }
    }
    if is_to_end {
        writer.finish(Ending::Complete, Timestamp::new(1_767_400_001, 0)).unwrap();
    }
    already.len()
}

fn cut(at: &Path, to: u64) {
    std::fs::OpenOptions::new().write(true).open(at).unwrap().set_len(to).unwrap();
}

#[test]
fn a_killed_collection_goes_on_from_wherever_it_was_cut() {
    let dir = TempDir::new().unwrap();
    for format in RESUMABLE {
        let whole = dir.path().join(format!("whole.{}", format.as_str()));
        let mut writer = BundleWriter::create(BundleSink::path(&whole, format), info()).unwrap();
        (0..FILES).for_each(|n| put(&mut writer, n));
        writer.finish(Ending::Complete, start()).unwrap();
        let expected = contents(&whole);
        // One left alone, and several that lost more or less of their end.
        for (round, tenths) in [10, 9, 7, 5].into_iter().enumerate() {
            let at = dir.path().join(format!("{round}.{}", format.as_str()));
            let mut writer = BundleWriter::create(BundleSink::path(&at, format), info()).unwrap();
            (0..FILES * tenths / 10).for_each(|n| put(&mut writer, n));
            writer.abort();
            let partial = partial(&at);
            if format == BundleFormat::Dir {
                // Half a file, and half a segment that the log does not name.
                std::fs::write(partial.join("data/files/srv/files/08999"), b"con").unwrap();
                std::fs::write(partial.join("data/records/files/000099.jsonl"), b"{\"kind\":\"seg").unwrap();
            } else {
                let length = std::fs::metadata(&partial).unwrap().len();
                cut(&partial, length - length / 7 * round as u64 / 2);
            }
            let had = go_on(partial.clone(), tenths == 7);
            if tenths != 7 {
                // Killed once more while it went on.
                if format != BundleFormat::Dir {
                    let length = std::fs::metadata(&partial).unwrap().len();
                    cut(&partial, length - length / 11);
                }
                let has = go_on(partial.clone(), true);
                assert!(has >= had || format != BundleFormat::Dir, "what was kept is kept");
            }
            // The others may have lost the end of their first frames with all that it vouches for.
            if round == 0 || format == BundleFormat::Dir && tenths >= 7 {
                assert!(had > 1000, "{format:?} {tenths}: only {had}");
            }
            assert_eq!(failures(&at), NONE, "{format:?} {tenths}");
            let result = check(&at);
            let manifest = result.manifest.unwrap();
            // The second cut of an archive may have taken the first resumption with it.
            let is_second_kept = tenths != 7 && (format == BundleFormat::Dir || manifest.resumed.len() == 2);
            assert_eq!(manifest.resumed.len(), if is_second_kept { 2 } else { 1 });
            assert_eq!((manifest.totals.files, manifest.totals.gaps), (FILES as u64, 9));
            assert_eq!((manifest.start, manifest.name), (start(), info().name()));
            assert_eq!(contents(&at), expected, "{format:?} {tenths}");
            assert!(!partial.exists());
        }
    }
}

#[test]
fn another_collection_is_not_gone_on_with() {
    let dir = TempDir::new().unwrap();
    for format in RESUMABLE {
        let at = dir.path().join(format.as_str());
        let mut writer = BundleWriter::create(BundleSink::path(&at, format), info()).unwrap();
        (0..4000).for_each(|n| put(&mut writer, n));
        // One that is still being written.
        let sink = || BundleSink::Resume { partial: partial(&at) };
        assert!(matches!(BundleWriter::create(sink(), info()), Err(BundleError::Busy { .. })), "{format:?}");
        writer.abort();
        let others: [fn(&mut BundleInfo); 4] = [
            |info| info.host.digest = Digest::of(b"another"),
            |info| info.profile = "web".into(),
            |info| info.selection.push("/opt/**".into()),
            |info| info.root = "/mnt".into(),
        ];
        for change in others {
            let mut info = info();
            change(&mut info);
            let refused = BundleWriter::create(sink(), info);
            assert!(matches!(refused, Err(BundleError::OtherCollection { .. })), "{format:?}");
        }
        assert!(BundleWriter::create(sink(), info()).is_ok(), "refusing left it as it was: {format:?}");
    }
}

#[test]
fn what_cannot_be_gone_on_with_says_why() {
    let dir = TempDir::new().unwrap();
    let refused = |at: &Path| match BundleWriter::create(BundleSink::Resume { partial: at.to_owned() }, info()) {
        Ok(_) => panic!("{}", at.display()),
        Err(error) => error.to_string(),
    };
    let gz = dir.path().join("b.tar.gz");
    let mut writer = BundleWriter::create(BundleSink::path(&gz, BundleFormat::TarGz), info()).unwrap();
    (0..100).for_each(|n| put(&mut writer, n));
    writer.abort();
    assert!(refused(&partial(&gz)).contains("gzip"), "{}", refused(&partial(&gz)));
    let whole = sample_at(&dir, BundleFormat::Zip);
    assert!(refused(&whole).contains("does not end in `.partial`"));
    // Cut before the first frame was whole: nothing tells whose it is.
    let at = dir.path().join("c.tar.zst");
    BundleWriter::create(BundleSink::path(&at, BundleFormat::TarZst), info()).unwrap().abort();
    let before = std::fs::metadata(partial(&at)).unwrap().len();
    refused(&partial(&at));
    assert_eq!(std::fs::metadata(partial(&at)).unwrap().len(), before);
}

#[test]
fn a_partial_whose_kept_part_was_altered_loses_that_part_or_is_refused() {
    let dir = TempDir::new().unwrap();
    let at = dir.path().join("b");
    let mut writer = BundleWriter::create(BundleSink::path(&at, BundleFormat::Dir), info()).unwrap();
    (0..8000).for_each(|n| put(&mut writer, n));
    writer.abort();
    std::fs::write(partial(&at).join("data/files/srv/files/00005"), b"altered").unwrap();
    let refused = BundleWriter::create(BundleSink::Resume { partial: partial(&at) }, info());
    assert!(matches!(refused, Err(BundleError::Damaged { .. })));

    let at = dir.path().join("b.zip");
    let mut writer = BundleWriter::create(BundleSink::path(&at, BundleFormat::Zip), info()).unwrap();
    (0..8000).for_each(|n| put(&mut writer, n));
    writer.abort();
    let mut bytes = std::fs::read(partial(&at)).unwrap();
    let middle = bytes.len() * 95 / 100;
    bytes[middle] ^= 1;
    std::fs::write(partial(&at), bytes).unwrap();
    go_on(partial(&at), true);
    assert_eq!(failures(&at), NONE);
}
