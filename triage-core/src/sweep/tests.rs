#![allow(clippy::unwrap_used)]

use super::*;
use crate::model::FileKind;
use crate::source::Entry;
use crate::source::{DirectorySource, SourceKind};
use std::fs;
use std::io;
use std::ops::ControlFlow;

#[derive(Default)]
struct Log {
    kept: Vec<(String, Option<Digest>)>,
    gaps: Vec<Gap>,
}

impl Store for Log {
    fn store(&mut self, path: &EvidencePath, _: &FileMeta, body: Body<'_>) -> Result<Stored, StoreError> {
        let sha256 = match body {
            Body::None => None,
            Body::Whole { bytes, sha256 } => {
                assert_eq!(Digest::of(bytes), sha256);
                Some(sha256)
            }
            Body::Stream { reader, .. } => {
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes)?;
                Some(Digest::of(&bytes))
            }
        };
        self.kept.push((path.to_string(), sha256));
        Ok(Stored { sha256, gap: None })
    }

    fn gap(&mut self, gap: &Gap) -> Result<(), StoreError> {
        self.gaps.push(gap.clone());
        Ok(())
    }
}

#[derive(Default)]
struct Seen(Mutex<Vec<(String, Option<Digest>, bool)>>);

impl Visitor for Seen {
    fn visit(&self, file: &Swept<'_>) {
        self.0.lock().unwrap().push((file.path.to_string(), file.sha256, file.content.is_some()));
    }
}

fn run(
    root: &std::path::Path,
    options: Options,
    store: Option<&mut dyn Store>,
    cancel: &(dyn Fn() -> bool + Sync),
) -> (Summary, Vec<(String, Option<Digest>, bool)>) {
    let source = DirectorySource::open(root, SourceKind::Root).unwrap();
    let seen = Seen::default();
    let sweep = Sweep {
        source: &source,
        selection: &Selection::everything(),
        listed_only: &Selection::default(),
        options,
        visitors: &[&seen],
        known: None,
        store,
        budget: &(),
        progress: &(),
        cancel,
    };
    let summary = sweep.run().unwrap();
    let mut seen = seen.0.into_inner().unwrap();
    seen.sort();
    (summary, seen)
}

fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for n in 0..200 {
        fs::write(root.path().join(format!("f{n:03}")), vec![b'x'; n * 40]).unwrap();
    }
    fs::create_dir(root.path().join("d")).unwrap();
    fs::write(root.path().join("d/last"), b"end").unwrap();
    root
}

#[test]
fn the_store_gets_the_listing_in_order_whatever_the_number_of_threads() {
    let root = tree();
    let mut reference = None;
    for threads in [1, 2, 7] {
        let options = Options { threads: NonZeroUsize::new(threads).unwrap(), memory_cap: 4000, ..Options::default() };
        let mut log = Log::default();
        let (summary, seen) = run(root.path(), options, Some(&mut log), &|| false);
        assert_eq!((summary.objects, summary.files, summary.is_interrupted), (203, 201, false));
        assert_eq!(log.kept.len(), 203);
        // 4,000 bytes fit, more does not and is only hashed.
        assert_eq!(seen.iter().filter(|(_, _, has_content)| *has_content).count(), 102);
        assert_eq!(summary.gaps.len(), 0);
        assert_eq!(log.gaps, summary.gaps);
        let result = (log.kept, seen, summary);
        assert_eq!(*reference.get_or_insert(result.clone()), result);
    }
}

#[test]
fn digests_are_the_same_with_and_without_a_store() {
    let root = tree();
    let options = Options { memory_cap: 1000, ..Options::default() };
    let (_, with) = run(root.path(), options, Some(&mut Log::default()), &|| false);
    let (_, without) = run(root.path(), options, None, &|| false);
    assert_eq!(with, without);
}

#[test]
fn sparse_giant_and_fifo_are_gaps_and_take_no_time() {
    let root = tempfile::tempdir().unwrap();
    fs::File::create(root.path().join("giant")).unwrap().set_len(100 << 30).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let mut log = Log::default();
    let (summary, _) = run(root.path(), Options::default(), Some(&mut log), &|| false);
    let reasons: Vec<_> = summary.gaps.iter().map(|gap| gap.reason).collect();
    assert_eq!(reasons, [GapReason::TooLarge, GapReason::NotRegular]);
    assert_eq!(log.kept.len(), 3, "their metadata is kept all the same");
}

#[test]
fn what_is_only_listed_is_met_and_not_opened() {
    let root = tree();
    let source = DirectorySource::open(root.path(), SourceKind::Root).unwrap();
    let seen = Seen::default();
    let listed = Selection::new(vec![crate::source::Pattern::new("/d/**").unwrap()], Vec::new());
    let sweep = Sweep {
        source: &source,
        selection: &Selection::everything(),
        listed_only: &listed,
        options: Options::default(),
        visitors: &[&seen],
        known: None,
        store: None,
        budget: &(),
        progress: &(),
        cancel: &|| false,
    };
    let summary = sweep.run().unwrap();
    assert_eq!((summary.files, summary.gaps.len()), (200, 0));
    assert!(seen.0.into_inner().unwrap().contains(&("/d/last".into(), None, false)));
}

#[test]
fn a_stop_ends_the_run_and_is_told() {
    let root = tree();
    let asked = AtomicU64::new(0);
    let (summary, _) = run(root.path(), Options::default(), None, &|| asked.fetch_add(1, Ordering::Relaxed) > 50);
    assert!(summary.is_interrupted);
    assert!(summary.objects < 203);
}

#[test]
fn a_full_store_ends_the_run_with_its_error() {
    struct Full;
    impl Store for Full {
        fn store(&mut self, _: &EvidencePath, _: &FileMeta, _: Body<'_>) -> Result<Stored, StoreError> {
            Err("no space left".into())
        }
        fn gap(&mut self, _: &Gap) -> Result<(), StoreError> {
            Ok(())
        }
    }
    let root = tree();
    let source = DirectorySource::open(root.path(), SourceKind::Root).unwrap();
    let sweep = Sweep {
        source: &source,
        selection: &Selection::everything(),
        listed_only: &Selection::default(),
        options: Options::default(),
        visitors: &[],
        known: None,
        store: Some(&mut Full),
        budget: &(),
        progress: &(),
        cancel: &|| false,
    };
    assert!(matches!(sweep.run(), Err(SweepError::Store { .. })));
}

mod budgets {
    use super::*;
    use crate::model::Mode;
    use crate::source::{Content, Opened};
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// So many bytes of content.
    struct Total(AtomicU64, u64);

    impl Budget for Total {
        fn admit(&self, size: u64) -> Result<(), Spent> {
            let fits = |taken: u64| Some(taken + size).filter(|sum| *sum <= self.1);
            let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
            taken.map(|_| ()).map_err(|_| Spent { what: "the total".to_owned() })
        }
        fn over(&self) -> Option<Spent> {
            None
        }
    }

    fn sweep(source: &dyn Source, options: Options, budget: &dyn Budget) -> (Summary, Log) {
        let mut log = Log::default();
        let sweep = Sweep {
            source,
            selection: &Selection::everything(),
            listed_only: &Selection::default(),
            options,
            visitors: &[],
            known: None,
            store: Some(&mut log),
            budget,
            progress: &(),
            cancel: &|| false,
        };
        let summary = sweep.run().unwrap();
        (summary, log)
    }

    #[test]
    fn a_total_is_spent_on_what_is_small_and_everything_is_listed_all_the_same() {
        let root = tempfile::tempdir().unwrap();
        for (name, size) in [("a-large-log", 6000), ("b-larger-log", 9000), ("c-small", 100), ("d-small", 100)] {
            fs::write(root.path().join(name), vec![b'x'; size]).unwrap();
        }
        let source = DirectorySource::open(root.path(), SourceKind::Root).unwrap();
        for threads in [1, 2, 5] {
            let threads = NonZeroUsize::new(threads).unwrap();
            let options = Options { threads, late_size: Some(1000), ..Options::default() };
            let (summary, log) = sweep(&source, options, &Total(AtomicU64::new(0), 7000));
            let kept: Vec<_> = log.kept.iter().map(|(path, sha256)| (path.as_str(), sha256.is_some())).collect();
            let order = [
                ("/", false),
                ("/c-small", true),
                ("/d-small", true),
                ("/a-large-log", true),
                ("/b-larger-log", false),
            ];
            assert_eq!(kept, order);
            assert_eq!((summary.bytes, summary.refused, summary.is_interrupted), (6200, 1, false));
            let gaps: Vec<_> = summary.gaps.iter().map(ToString::to_string).collect();
            assert_eq!(
                gaps,
                [
                    "/b-larger-log: budget_spent: the total, and it has 9000 bytes",
                    "/: budget_spent: the total: 1 files with 9000 bytes were left out; their metadata is there"
                ]
            );
            assert_eq!(log.gaps, summary.gaps);
        }
    }

    #[test]
    fn ten_thousand_refused_files_are_one_thousand_gaps_and_one_that_counts() {
        let root = tempfile::tempdir().unwrap();
        for n in 0..1500 {
            fs::write(root.path().join(n.to_string()), b"xy").unwrap();
        }
        let source = DirectorySource::open(root.path(), SourceKind::Root).unwrap();
        let (summary, log) = sweep(&source, Options::default(), &Total(AtomicU64::new(0), 0));
        assert_eq!((summary.gaps.len(), summary.refused, log.kept.len()), (1001, 1500, 1501));
        let last = summary.gaps.last().unwrap();
        assert!(last.path.is_root() && last.detail.contains("1500 files with 3000 bytes"), "{last}");
    }

    #[test]
    fn a_run_whose_time_is_up_ends_whole_and_says_where() {
        struct Time(AtomicU64);
        impl Budget for Time {
            fn admit(&self, _: u64) -> Result<(), Spent> {
                Ok(())
            }
            fn over(&self) -> Option<Spent> {
                let asked = self.0.fetch_add(1, Ordering::Relaxed);
                (asked > 60).then(|| Spent { what: "the time is up".to_owned() })
            }
        }
        let root = tree();
        let source = DirectorySource::open(root.path(), SourceKind::Root).unwrap();
        let options = Options { late_size: Some(7000), ..Options::default() };
        let (summary, log) = sweep(&source, options, &Time(AtomicU64::new(0)));
        assert!(summary.is_interrupted);
        assert_eq!(summary.ended_by.as_deref(), Some("the time is up"));
        let last = summary.gaps.last().unwrap();
        assert!(last.reason == GapReason::BudgetSpent && last.detail.contains("the run ended at `/"), "{last}");
        assert_eq!(log.gaps, summary.gaps);
    }

    /// A root on a file system whose server has gone away: files named `hang` block for as long as the test holds on.
    struct Dead {
        names: Vec<&'static str>,
        held: Mutex<Vec<Sender<()>>>,
        opened: AtomicU64,
    }

    struct Silent(Option<Receiver<()>>, usize);

    impl Read for Silent {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.1 > 0 {
                let count = self.1.min(buffer.len());
                self.1 -= count;
                return Ok(count);
            }
            // It comes back when the sender is dropped, which is after the sweep.
            let _ = self.0.take().map(|silence| silence.recv());
            Ok(0)
        }
    }

    impl Content for Silent {}

    impl Source for Dead {
        fn kind(&self) -> SourceKind {
            SourceKind::Root
        }
        fn label(&self) -> String {
            "dead".to_owned()
        }
        fn may_hang(&self, _: &FileMeta) -> bool {
            true
        }
        fn walk(&self, _: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
            for name in &self.names {
                self.opened.fetch_add(1, Ordering::Relaxed);
                let mut meta = FileMeta::bare(FileKind::File, Mode::new(0o644), 5);
                meta.device = Some(7);
                let silence = name.starts_with("hang").then(|| {
                    let (sender, receiver) = channel();
                    self.held.lock().unwrap().push(sender);
                    receiver
                });
                let at_opening = name.ends_with("open");
                let truth = meta.clone();
                let opener = Box::new(move || {
                    if at_opening {
                        let _ = silence.as_ref().map(Receiver::recv);
                    }
                    Ok(Opened { meta: truth, reader: Box::new(Silent(silence, 5)) })
                });
                let path = EvidencePath::new(format!("/{name}")).unwrap();
                if sink(Item::Entry(Entry { path, meta, content: Some(opener) })).is_break() {
                    break;
                }
            }
            Ok(())
        }
        fn metadata(&self, _: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
            Ok(None)
        }
        fn open(&self, _: &EvidencePath) -> Result<Option<Opened>, SourceError> {
            Ok(None)
        }
    }

    #[test]
    fn a_read_that_never_comes_back_is_given_up_and_the_sweep_goes_on() {
        let names = vec!["a", "hang-at-open", "hang-in-the-middle", "z"];
        let dead = Dead { names, held: Mutex::default(), opened: AtomicU64::new(0) };
        for memory_cap in [0, 1 << 20] {
            let options = Options { patience: Duration::from_millis(200), memory_cap, ..Options::default() };
            let (summary, log) = sweep(&dead, options, &());
            let gaps: Vec<_> = summary.gaps.iter().map(|gap| (gap.path.to_string(), gap.reason)).collect();
            let hung = |name: &str| (name.to_owned(), GapReason::ReadFailed);
            assert_eq!(gaps, [hung("/hang-at-open"), hung("/hang-in-the-middle")], "{:?}", summary.gaps);
            assert!(summary.gaps.iter().all(|gap| gap.detail.contains("did not answer")));
            assert!(log.kept.iter().any(|(path, sha256)| path == "/z" && sha256.is_some()));
            assert!(log.kept.iter().any(|(path, sha256)| path == "/a" && sha256.is_some()));
        }
    }

    #[test]
    fn a_dead_file_system_costs_a_few_waits_and_not_one_for_each_file() {
        let mut names = vec!["hang-at-open"; 200];
        names.push("z");
        let dead = Dead { names, held: Mutex::default(), opened: AtomicU64::new(0) };
        let threads = NonZeroUsize::MIN;
        let options = Options { patience: Duration::from_millis(50), threads, ..Options::default() };
        let (summary, _) = sweep(&dead, options, &());
        let waited = summary.gaps.iter().filter(|gap| gap.detail.contains("did not answer within")).count();
        assert_eq!((waited, summary.gaps.len()), (HUNG_MOST as usize, 201));
    }

    #[test]
    fn memory_for_gaps_has_an_end() {
        struct Refusing;
        impl Source for Refusing {
            fn kind(&self) -> SourceKind {
                SourceKind::Root
            }
            fn label(&self) -> String {
                "refusing".to_owned()
            }
            fn walk(&self, _: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
                for n in 0..GAPS_OF_A_REASON + 5 {
                    let path = EvidencePath::new(format!("/{n:06}")).unwrap();
                    let _ = sink(Item::Gap(Gap::new(path, GapReason::PermissionDenied, "no")));
                }
                Ok(())
            }
            fn metadata(&self, _: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
                Ok(None)
            }
            fn open(&self, _: &EvidencePath) -> Result<Option<Opened>, SourceError> {
                Ok(None)
            }
        }
        let (summary, log) = sweep(&Refusing, Options::default(), &());
        assert_eq!(summary.gaps.len() as u64, GAPS_OF_A_REASON + 1);
        assert!(summary.gaps.last().unwrap().detail.contains("and 5 more"));
        assert_eq!(summary.more_gaps.get(&GapReason::PermissionDenied), Some(&5));
        assert_eq!(log.gaps.len() as u64, GAPS_OF_A_REASON + 5, "the store gets all");
    }
}

/// Counts how many large files are in memory at once.
#[derive(Default)]
struct Crowd {
    now: AtomicU64,
    most: AtomicU64,
    large: AtomicU64,
}

impl Visitor for Crowd {
    fn visit(&self, _: &Swept<'_>) {}

    fn visit_large(&self, file: &Swept<'_>) {
        assert_eq!(file.content.unwrap().len(), 5000);
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::yield_now();
        self.large.fetch_add(1, Ordering::SeqCst);
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn large_files_that_a_parser_wants_are_whole_and_in_memory_one_at_a_time() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..60 {
        fs::write(root.path().join(format!("{n:02}.journal")), [b'j'; 5000]).unwrap();
        fs::write(root.path().join(format!("{n:02}.other")), [b'o'; 5000]).unwrap();
    }
    fs::write(root.path().join("60.journal"), vec![b'j'; 20_000]).unwrap();
    let source = DirectorySource::open(root.path(), SourceKind::Root).unwrap();
    let large = Large { cap: 10_000, selects: |path| path.extension() == Some(b"journal") };
    let threads = NonZeroUsize::new(6).unwrap();
    let options = Options { threads, memory_cap: 1000, large: Some(large), ..Options::default() };
    // With a store, turns have to be kept as well: a deadlock would never end.
    for has_store in [true, false] {
        let (crowd, seen) = (Crowd::default(), Seen::default());
        let mut log = Log::default();
        let sweep = Sweep {
            source: &source,
            selection: &Selection::everything(),
            listed_only: &Selection::default(),
            options,
            visitors: &[&crowd, &seen],
            known: None,
            store: has_store.then_some(&mut log as &mut dyn Store),
            budget: &(),
            progress: &(),
            cancel: &|| false,
        };
        let summary = sweep.run().unwrap();
        assert_eq!((crowd.large.into_inner(), crowd.most.into_inner()), (60, 1));
        assert_eq!(summary.files, 121);
        assert!(seen.0.into_inner().unwrap().iter().all(|(_, _, has_content)| !has_content));
        assert_eq!(summary.gaps.len(), 0);
    }
}
