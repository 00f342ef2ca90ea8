//! A host in memory, for the tests of detectors.

use super::{Conclusion, Detector, Detectors, HostContext};
use crate::model::{Digest, EvidencePath, FileKind, FileMeta, Finding, Gap, Mode, Outcome};
use crate::sweep::{Swept, Visitor};

/// Objects that the detectors visit.
#[derive(Default)]
pub(super) struct Scene {
    objects: Vec<(EvidencePath, FileMeta, Option<Vec<u8>>)>,
    pub(super) gaps: Vec<Gap>,
    is_part: bool,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.file_with(path, content, 0o644, |_| {})
    }

    pub(super) fn file_with(
        mut self,
        path: &str,
        content: impl AsRef<[u8]>,
        mode: u32,
        change: impl FnOnce(&mut FileMeta),
    ) -> Self {
        let content = content.as_ref().to_vec();
        let mut meta = FileMeta::bare(FileKind::File, Mode::new(mode), content.len() as u64);
        change(&mut meta);
        self.objects.push((EvidencePath::new(path).unwrap(), meta, Some(content)));
        self
    }

    pub(super) fn directory(mut self, path: &str) -> Self {
        let meta = FileMeta::bare(FileKind::Directory, Mode::new(0o755), 0);
        self.objects.push((EvidencePath::new(path).unwrap(), meta, None));
        self
    }

    pub(super) fn link(mut self, path: &str, target: &str) -> Self {
        let mut meta = FileMeta::bare(FileKind::Symlink, Mode::new(0o777), target.len() as u64);
        meta.link_target = Some(target.into());
        self.objects.push((EvidencePath::new(path).unwrap(), meta, None));
        self
    }

    /// Of several objects of one path, keeps the last.
    pub(super) fn keep_last(&mut self) {
        let mut kept: Vec<(EvidencePath, FileMeta, Option<Vec<u8>>)> = Vec::new();
        for object in self.objects.drain(..) {
            kept.retain(|other| other.0 != object.0);
            kept.push(object);
        }
        self.objects = kept;
    }

    /// The evidence is only a part of a host.
    pub(super) fn part(mut self) -> Self {
        self.is_part = true;
        self
    }

    /// The findings; every test is at the same time one of the order of visits.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let forward = self.run(self.objects.iter());
        let backward = self.run(self.objects.iter().rev());
        assert_eq!(forward, backward, "the order of visits shows");
        forward.value
    }

    /// The same objects, met from the last to the first.
    pub(super) fn reversed(&self) -> Self {
        let objects = self.objects.iter().rev().cloned().collect();
        Self { objects, gaps: self.gaps.clone(), is_part: self.is_part }
    }

    /// What one detector says, alone.
    pub(super) fn judge(&self, detector: impl Detector + 'static) -> Outcome<Vec<Finding>> {
        self.visit(Detectors::new(vec![Box::new(detector)]), self.objects.iter())
    }

    /// What these detectors find.
    pub(super) fn findings_of(&self, detectors: Detectors) -> Vec<Finding> {
        self.visit(detectors, self.objects.iter()).value
    }

    /// All that these detectors say.
    pub(super) fn conclude(&self, detectors: Detectors, context: &HostContext) -> Conclusion {
        for (path, meta, content) in &self.objects {
            let sha256 = content.as_deref().map(Digest::of);
            detectors.visit(&Swept { path, meta, sha256, content: content.as_deref() });
        }
        detectors.conclude_all(context)
    }

    fn run<'a>(
        &self,
        objects: impl Iterator<Item = &'a (EvidencePath, FileMeta, Option<Vec<u8>>)>,
    ) -> Outcome<Vec<Finding>> {
        self.visit(Detectors::builtin(Vec::<Box<dyn Detector>>::new()).unwrap(), objects)
    }

    fn visit<'a>(
        &self,
        detectors: Detectors,
        objects: impl Iterator<Item = &'a (EvidencePath, FileMeta, Option<Vec<u8>>)>,
    ) -> Outcome<Vec<Finding>> {
        for (path, meta, content) in objects {
            let sha256 = content.as_deref().map(Digest::of);
            detectors.visit(&Swept { path, meta, sha256, content: content.as_deref() });
        }
        detectors.conclude(&HostContext { is_host: !self.is_part, gaps: &self.gaps, selects: &|_| true })
    }
}

/// Rule and severity of each finding, in order.
pub(super) fn ids(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{} {}", finding.rule, finding.severity)).collect()
}
