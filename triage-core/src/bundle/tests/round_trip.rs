use super::*;
use proptest::prelude::*;
use std::io::Read as _;
use std::process::Command;

#[test]
fn a_bundle_of_each_format_is_intact() {
    let dir = TempDir::new().unwrap();
    for format in FORMATS {
        let at = sample_at(&dir, format);
        assert_eq!(failures(&at), NONE, "{format:?}");
        let result = check(&at);
        assert!(result.is_intact());
        assert_eq!(result.verified_files, 6 + 2, "{format:?}");
        let manifest = result.manifest.unwrap();
        assert_eq!((manifest.totals.files, manifest.totals.gaps, manifest.gaps.len()), (6, 1, 1));
        assert_eq!(result.chain_head, Some(manifest.collection_head));
        assert!(!at.with_extension("partial").exists());
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let dir = TempDir::new().unwrap();
    for format in [BundleFormat::TarZst, BundleFormat::TarGz, BundleFormat::Zip] {
        let first = std::fs::read(sample_at(&dir, format)).unwrap();
        let second = std::fs::read(sample_at(&TempDir::new().unwrap(), format)).unwrap();
        assert!(first == second, "{format:?}");
    }
}

#[test]
fn a_stream_gets_what_a_file_gets() {
    #[derive(Clone, Default)]
    struct Sink(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let dir = TempDir::new().unwrap();
    for format in [BundleFormat::TarZst, BundleFormat::TarGz, BundleFormat::Zip] {
        let file = sample_at(&dir, format);
        let sink = Sink::default();
        let sealed = sample(BundleSink::stream(sink.clone(), format));
        let bytes = sink.0.lock().unwrap().clone();
        assert_eq!(sealed.sha256, Some(Digest::of(&bytes)));
        assert_eq!(check(&file).bundle_sha256, sealed.sha256);
    }
    assert!(BundleWriter::create(BundleSink::stream(Vec::new(), BundleFormat::Dir), info()).is_err());
}

#[test]
fn an_existing_file_is_not_overwritten_unless_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = TempDir::new().unwrap();
    for format in FORMATS {
        let at = sample_at(&dir, format);
        let Err(error) = BundleWriter::create(BundleSink::path(&at, format), info()) else { panic!("{format:?}") };
        assert!(matches!(error, BundleError::Exists { .. }), "{error}");
        let mode = std::fs::metadata(&at).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if format == BundleFormat::Dir { 0o700 } else { 0o600 });
    }
    let at = dir.path().join("other.zip");
    std::fs::write(&at, "mine").unwrap();
    sample(BundleSink::Path { path: at.clone(), format: BundleFormat::Zip, existing: Existing::Replace });
    assert!(check(&at).is_intact());
}

#[test]
fn a_file_that_appears_meanwhile_is_not_overwritten() {
    let dir = TempDir::new().unwrap();
    let at = dir.path().join("b.tar.zst");
    let writer = BundleWriter::create(BundleSink::path(&at, BundleFormat::TarZst), info()).unwrap();
    std::fs::write(&at, "mine").unwrap();
    assert!(matches!(writer.finish(Ending::Complete, start()), Err(BundleError::Exists { .. })));
    assert_eq!(std::fs::read(&at).unwrap(), b"mine");
}

#[test]
fn a_file_that_shrank_or_grew_is_stored_as_announced_and_said_so() {
    struct Fails;
    impl std::io::Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk"))
        }
    }
    let dir = TempDir::new().unwrap();
    let at = dir.path().join("b.tar.zst");
    let mut writer = BundleWriter::create(BundleSink::path(&at, BundleFormat::TarZst), info()).unwrap();
    let short = writer.payload(&path("/short"), 10, None, &mut &b"abc"[..]).unwrap();
    assert_eq!((short.missing, short.was_cut, short.sha256), (7, false, Digest::of(b"abc\0\0\0\0\0\0\0")));
    let long = writer.payload(&path("/long"), 2, None, &mut &b"abc"[..]).unwrap();
    assert_eq!((long.was_short(), long.was_cut, long.sha256), (false, true, Digest::of(b"ab")));
    let broken = writer.payload(&path("/broken"), 2, None, &mut b"a".as_slice().chain(Fails)).unwrap();
    assert_eq!((broken.missing, broken.error.unwrap().to_string()), (1, "the disk".to_owned()));
    assert!(matches!(writer.payload(&path("/short"), 1, None, &mut &b"x"[..]), Err(BundleError::Repeated { .. })));
    writer.finish(Ending::Interrupted { why: "SIGINT".into() }, start()).unwrap();
    let result = check(&at);
    assert_eq!(result.interrupted.as_deref(), Some("SIGINT"));
    assert!(result.is_intact(), "{:?}", result.failures);
}

#[test]
fn a_file_that_became_a_folder_meanwhile_does_not_stop_a_folder_bundle() {
    let dir = TempDir::new().unwrap();
    let at = dir.path().join("bag");
    let mut writer = BundleWriter::create(BundleSink::path(&at, BundleFormat::Dir), info()).unwrap();
    store(&mut writer, &path("/run/x"), b"a file");
    let inner = store(&mut writer, &path("/run/x/y"), b"beneath what is now a folder");
    assert!(inner.payload.starts_with("data/long/"));
    writer.finish(Ending::Complete, start()).unwrap();
    assert_eq!(failures(&at), NONE);
}

#[test]
fn many_records_make_many_chained_segments() {
    let dir = TempDir::new().unwrap();
    let at = dir.path().join("b.tar.zst");
    let mut writer = BundleWriter::create(BundleSink::path(&at, BundleFormat::TarZst), info()).unwrap();
    for n in 0..9_000 {
        store(&mut writer, &path(format!("/files/{n}")), format!("{n}").as_bytes());
    }
    let sealed = writer.finish(Ending::Complete, start()).unwrap();
    assert_eq!(sealed.totals.records["files"], 9_000);
    assert_eq!(failures(&at), NONE);
    assert!(check(&at).verified_files >= 9_002);
}

/// `sha256sum -c` is on every system: it has to agree without knowing anything of us.
#[test]
fn sha256sum_agrees_on_an_unpacked_bundle() {
    let dir = TempDir::new().unwrap();
    let run = |program: &str, args: &[&str], within: &Path| {
        let output = Command::new(program).args(args).current_dir(within).output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let bag = sample_at(&dir, BundleFormat::Dir);
    let tar = sample_at(&dir, BundleFormat::TarGz);
    run("tar", &["-xzf", tar.to_str().unwrap()], dir.path());
    for bag in [bag, dir.path().join(info().name())] {
        run("sha256sum", &["--quiet", "--strict", "-c", "manifest-sha256.txt"], &bag);
        run("sha256sum", &["--quiet", "--strict", "-c", "tagmanifest-sha256.txt"], &bag);
        assert_eq!(failures(&bag), NONE, "an unpacked bundle is a bundle");
    }
}

#[test]
fn the_zip_crate_reads_what_is_written() {
    let dir = TempDir::new().unwrap();
    let at = sample_at(&dir, BundleFormat::Zip);
    let mut archive = zip::ZipArchive::new(std::fs::File::open(at).unwrap()).unwrap();
    let name = format!("{}/data/files/etc/passwd", info().name());
    let mut content = String::new();
    archive.by_name(&name).unwrap().read_to_string(&mut content).unwrap();
    assert!(content.starts_with("root:x:0:0:"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_is_written_verifies_whatever_the_names(
        files in proptest::collection::btree_map(
            proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 1..5),
            proptest::collection::vec(any::<u8>(), 0..2_000),
            0..20,
        ),
        format in proptest::sample::select(FORMATS.to_vec()),
    ) {
        let dir = TempDir::new().unwrap();
        let at = dir.path().join("bundle");
        let mut writer = BundleWriter::create(BundleSink::path(&at, format), info()).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for (components, content) in &files {
            let Ok(path) = EvidencePath::new(components.join(&b'/')) else { continue };
            if !path.is_root() && seen.insert(path.clone()) {
                store(&mut writer, &path, content);
            }
        }
        writer.finish(Ending::Complete, start()).unwrap();
        prop_assert_eq!(failures(&at), NONE);
    }
}
