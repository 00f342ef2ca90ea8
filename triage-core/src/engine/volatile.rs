//! A host's volatile state, once, before its files: into the bundle and past the detectors.

use super::Reading;
use super::Target;
use crate::collect::Collector;
use crate::detect::Detectors;
use crate::model::{Digest, Gap, GapReason};
use crate::source::{Entry, Observation, Opened, ReadError};
use crate::sweep::{Body, Store as _, SweepError, Swept, Visitor as _};
use std::io::{self, Read as _};
use std::ops::ControlFlow;

/// Gives every record of the target to the store and the detectors, and says what could not be told.
///
/// # Errors
/// When the target as a whole cannot be read, or the store refuses.
pub(super) fn observe(
    target: &Target,
    mut store: Option<&mut Collector>,
    detectors: Option<&Detectors>,
    reading: Reading<'_>,
) -> Result<Vec<Gap>, SweepError> {
    let mut gaps = Vec::new();
    let mut failed = None;
    target.source.records(&mut |observation| {
        if (reading.cancel)() {
            return ControlFlow::Break(());
        }
        let at = match &observation {
            Observation::Record(record) => record.folder().to_owned(),
            Observation::File(entry) => entry.path.to_string(),
            Observation::Gap(gap) => gap.path.to_string(),
        };
        match take(observation, store.as_deref_mut(), detectors, reading) {
            Ok(gap) => {
                gaps.extend(gap);
                ControlFlow::Continue(())
            }
            Err(source) => {
                failed = Some(SweepError::Store { path: at, source });
                ControlFlow::Break(())
            }
        }
    })?;
    failed.map_or(Ok(gaps), Err)
}

type Failure = crate::sweep::StoreError;

fn take(
    observation: Observation,
    store: Option<&mut Collector>,
    detectors: Option<&Detectors>,
    reading: Reading<'_>,
) -> Result<Option<Gap>, Failure> {
    match observation {
        Observation::Record(record) => {
            if let Some(detectors) = detectors {
                detectors.consider(&record);
            }
            if let Some(store) = store {
                store.record(&record)?;
            }
            Ok(None)
        }
        Observation::File(entry) => file(*entry, store, detectors, reading),
        Observation::Gap(gap) => {
            if let Some(store) = store {
                store.gap(&gap)?;
            }
            Ok(Some(gap))
        }
    }
}

/// Reads one file as the sweep does: whole where it fits into memory, else past the store only.
fn file(
    entry: Entry,
    mut store: Option<&mut Collector>,
    detectors: Option<&Detectors>,
    reading: Reading<'_>,
) -> Result<Option<Gap>, Failure> {
    let Entry { path, meta, content } = entry;
    let options = reading.options;
    let mut gap = None;
    let opened = match content.map(|open| open()) {
        Some(Ok(opened)) if opened.meta.size <= options.size_cap => Some(opened),
        Some(Ok(opened)) => {
            let detail = format!("{} bytes are more than the {} that are read", opened.meta.size, options.size_cap);
            gap = Some(Gap::new(path.clone(), GapReason::TooLarge, detail));
            None
        }
        Some(Err(ReadError { reason, detail })) => {
            gap = Some(Gap::new(path.clone(), reason, detail));
            None
        }
        None => None,
    };
    let (mut sha256, mut bytes) = (None, None);
    let body = match opened {
        Some(Opened { meta, reader }) if meta.size <= options.memory_cap => {
            let mut all = Vec::new();
            match reader.take(meta.size).read_to_end(&mut all) {
                Ok(_) => {
                    let digest = Digest::of(&all);
                    sha256 = Some(digest);
                    Body::Whole { bytes: bytes.insert(all), sha256: digest }
                }
                Err(error) => {
                    gap = Some(Gap::new(path.clone(), GapReason::ReadFailed, error.to_string()));
                    Body::None
                }
            }
        }
        Some(Opened { meta: opened, mut reader }) => {
            if let Some(store) = store.take() {
                let stored = store.store(&path, &meta, Body::Stream { size: opened.size, reader: &mut reader })?;
                sha256 = stored.sha256;
                if let Some(gap) = &stored.gap {
                    store.gap(gap)?;
                }
                gap = stored.gap;
            } else {
                let mut hashed = Hashed::default();
                match io::copy(&mut reader, &mut hashed) {
                    Ok(_) => sha256 = Some(hashed.0.finish()),
                    Err(error) => gap = Some(Gap::new(path.clone(), GapReason::ReadFailed, error.to_string())),
                }
            }
            Body::None
        }
        None => Body::None,
    };
    if let Some(store) = store {
        let stored = store.store(&path, &meta, body)?;
        gap = gap.or(stored.gap);
        if let Some(gap) = &gap {
            store.gap(gap)?;
        }
    }
    if let Some(detectors) = detectors {
        detectors.visit(&Swept { path: &path, meta: &meta, sha256, content: bytes.as_deref() });
    }
    Ok(gap)
}

/// Hashes what is written to it.
#[derive(Default)]
struct Hashed(crate::model::Hasher);

impl io::Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Collection, Target, bundle_info, collect, scan};
    use super::*;
    use crate::acquire::{LiveSource, Options};
    use crate::bundle::{BundleFormat, BundleSink, BundleSource, verify};
    use crate::collect::{Scope, identify};
    use crate::model::{Clock, EvidencePath, Finding, Record, Timestamp};
    use crate::source::{DirectorySource, Selection, SourceKind};
    use std::process::{Child, Command, Stdio};
    use std::sync::Arc;

    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            Timestamp::new(1_767_225_600, 0)
        }
    }

    /// Ends the test's own child.
    struct Ends(Child);

    impl Drop for Ends {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn detectors() -> Detectors {
        Detectors::builtin(Vec::new()).unwrap()
    }

    /// The running kernel beneath files that the test made.
    fn host(root: &std::path::Path) -> Target {
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
        std::fs::write(root.join("etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
        let files = DirectorySource::open(root, SourceKind::Root).unwrap();
        let host = identify(&files, None).unwrap();
        let options = Options { asterisk: Vec::new(), programs: Vec::new(), ..Options::live(Arc::new(Fixed)) };
        Target {
            source: Box::new(LiveSource::new(files, options)),
            scope: Scope::everything(),
            asked: Selection::everything(),
            profile: None,
            host,
            evidence: None,
            notes: Vec::new(),
            coverage: None,
        }
    }

    #[test]
    fn a_bundle_gives_what_the_live_host_gave() {
        if std::fs::metadata("/bin/sleep").is_err() {
            return println!("skipped: there is no /bin/sleep");
        }
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("worker");
        std::fs::copy("/bin/sleep", &program).unwrap();
        let child = Ends(Command::new(&program).arg("1000").stdin(Stdio::null()).spawn().unwrap());
        std::fs::remove_file(&program).unwrap();
        let target = host(&folder.path().join("host"));
        let path = folder.path().join("b.tar.zst");
        let reading = Reading { options: crate::sweep::Options::default(), progress: &(), cancel: &|| false };
        let collection = Collection {
            target: &target,
            info: bundle_info(&target, "0", Fixed.now(), 1),
            sink: BundleSink::path(path.clone(), BundleFormat::TarZst),
            seal: crate::bundle::Seal::default(),
            omits_secrets: false,
            detectors: Some(detectors()),
            care: crate::engine::Care::default(),
            clock: &Fixed,
        };
        let collected = collect(collection, reading).unwrap();
        let live = collected.scan.unwrap();
        assert!(verify(&path, &mut |_| {}, &|| false).unwrap().is_intact());

        let opening = super::super::Opening::new(Some(&path), std::path::Path::new("/"));
        let bundle = Target::open(&opening).unwrap();
        let again = scan(&bundle, detectors(), reading).unwrap();
        assert_eq!(live.findings, again.findings);
        assert_eq!(live.gaps, again.gaps);
        let at = |finding: &&Finding| finding.subject.path().as_bytes().ends_with(b"/worker");
        assert_eq!(again.findings.iter().find(at).unwrap().rule.0, "TR-PROC-0001");

        let copy = EvidencePath::new(format!("/proc/{}/exe", child.0.id())).unwrap();
        let content = bundle.source.read(&copy, u64::MAX).unwrap().unwrap();
        assert_eq!(content, std::fs::read("/bin/sleep").unwrap());
        let (mut first, mut processes) = (None, 0);
        let source = BundleSource::open(&path).unwrap();
        crate::source::Source::records(&source, &mut |observation| {
            if let Observation::Record(record) = observation {
                first.get_or_insert(record.folder());
                processes += usize::from(matches!(*record, Record::Process(_)));
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(first, Some("system_values"));
        assert!(processes >= 2);
    }

    #[test]
    fn a_stop_ends_the_reading_of_records_too() {
        let folder = tempfile::tempdir().unwrap();
        let target = host(folder.path());
        let reading = Reading { options: crate::sweep::Options::default(), progress: &(), cancel: &|| true };
        let scan = scan(&target, detectors(), reading).unwrap();
        assert!(scan.summary.is_interrupted && scan.findings.is_empty());
    }
}
