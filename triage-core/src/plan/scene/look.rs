//! Looking at the host: each object once, the links of units, and what accounts are made of.

use super::{MAX_LINKS, Scene, Seen};
use crate::action::{EDIT_LIMIT, Present, State, groups_with, observe};
use crate::model::{EvidencePath, Gap, GapReason, Pattern, RawText};
use crate::plan::login::{self, Found};
use crate::source::{Item, Selection, Source, SourceError};
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

impl Scene<'_> {
    /// Looks at an object as the steps so far leave it, with its content.
    pub(in crate::plan) fn look(&mut self, path: &EvidencePath) -> Arc<Seen> {
        let seen = match self.objects.get(path) {
            Some(seen) if !seen.is_bare => return Arc::clone(seen),
            Some(bare) => {
                // Between two looks it may have become another.
                let mut seen = see(self.source, path, EDIT_LIMIT);
                if !seen.state.differences(&bare.state).is_empty() {
                    let why = "it changed while the plan was made".to_owned();
                    seen.obstacle.get_or_insert(why);
                    (seen.state, seen.content) = (bare.state.clone(), None);
                }
                seen
            }
            None => see(self.source, path, EDIT_LIMIT),
        };
        self.keep(path, seen)
    }

    /// The same without its content, which is most of what there is to be kept of thousands of files.
    pub(in crate::plan) fn look_at_state(&mut self, path: &EvidencePath) -> Arc<Seen> {
        if let Some(seen) = self.objects.get(path) {
            return Arc::clone(seen);
        }
        let seen = see(self.source, path, 0);
        self.keep(path, seen)
    }

    fn keep(&mut self, path: &EvidencePath, seen: Seen) -> Arc<Seen> {
        let seen = Arc::new(seen);
        self.objects.insert(path.clone(), Arc::clone(&seen));
        seen
    }

    /// The links in the folders of systemd that start the unit at `path`, or give it another name.
    pub(in crate::plan) fn unit_links(&mut self, path: &EvidencePath) -> Vec<EvidencePath> {
        let unit = path.file_name();
        if self.links.is_none() {
            let links = self.find_links();
            self.links = Some(links);
        }
        let points_to = |target: &RawText| target.as_bytes().rsplit(|&byte| byte == b'/').next() == Some(unit);
        let is_mask = |link: &EvidencePath, target: &RawText| link == path || target.as_bytes() == crate::action::MASK;
        let all = self.links.iter().flatten();
        all.filter(|(link, target)| (link.file_name() == unit || points_to(target)) && !is_mask(link, target))
            .map(|(link, _)| link.clone())
            .collect()
    }

    fn find_links(&mut self) -> Vec<(EvidencePath, RawText)> {
        let folders = ["/etc/systemd/system", "/etc/systemd/user"];
        let below = ["*", "*.wants/*", "*.requires/*", "*.upholds/*"];
        let patterns = folders.iter().flat_map(|folder| below.iter().map(move |part| format!("{folder}/{part}")));
        let patterns = patterns.filter_map(|text| Pattern::new(&text).ok()).collect();
        let mut links = Vec::new();
        let mut is_cut = false;
        let walked = self.source.walk(&Selection::new(patterns, Vec::new()), &mut |item| {
            if let Item::Entry(entry) = item
                && let Some(target) = entry.meta.link_target
            {
                if links.len() == MAX_LINKS {
                    is_cut = true;
                    return ControlFlow::Break(());
                }
                links.push((entry.path, target));
            }
            ControlFlow::Continue(())
        });
        let gap = |detail: String| {
            Gap::new(EvidencePath::root().join(b"etc").join(b"systemd"), GapReason::ReadFailed, detail)
        };
        if let Err(error) = walked {
            self.gaps.push(gap(format!("links of units could not be looked for: {}", reason(&error))));
        }
        if is_cut {
            self.gaps.push(gap(format!("only the first {MAX_LINKS} links of units were looked at")));
        }
        links
    }

    /// The files that add to the unit at `path`.
    pub(in crate::plan) fn unit_additions(&mut self, path: &EvidencePath) -> Vec<EvidencePath> {
        let folder = [path.file_name(), b".d"].concat();
        let at = path.parent().unwrap_or_else(EvidencePath::root).join(&folder);
        let mut found = Vec::new();
        let walked = self.source.walk(&Selection::new(vec![Pattern::tree(&at)], Vec::new()), &mut |item| {
            if let Item::Entry(entry) = item
                && entry.meta.is_file()
                && found.len() < MAX_LINKS
            {
                found.push(entry.path);
            }
            ControlFlow::Continue(())
        });
        if let Err(error) = walked {
            self.gaps.push(Gap::new(at, GapReason::ReadFailed, reason(&error)));
        }
        found
    }

    pub(in crate::plan) fn groups_with(&mut self, path: &EvidencePath, name: &RawText) -> Vec<RawText> {
        self.text(path).map(|content| groups_with(&content, name.as_bytes())).unwrap_or_default()
    }

    /// Says whether a file has a line that begins with `name` and `:`.
    pub(in crate::plan) fn has_line(&mut self, path: &EvidencePath, name: &RawText) -> bool {
        let start = [name.as_bytes(), b":"].concat();
        self.text(path).is_some_and(|content| content.split(|&byte| byte == b'\n').any(|line| line.starts_with(&start)))
    }

    /// The content of a file that matters for logins. That one cannot be read is no gap of the plan.
    pub(in crate::plan) fn text(&mut self, path: &EvidencePath) -> Option<Arc<Vec<u8>>> {
        self.look(path).content.clone()
    }
}

impl login::Host for Scene<'_> {
    fn read(&mut self, path: &EvidencePath) -> Found {
        found(&self.look(path))
    }

    fn list(&mut self, folder: &EvidencePath) -> Vec<EvidencePath> {
        let planned = self.objects.iter().filter(|(_, seen)| seen.state.is_present()).map(|(path, _)| path);
        let mut all: Vec<EvidencePath> =
            planned.filter(|path| path.parent().as_ref() == Some(folder)).cloned().collect();
        all.sort();
        // What cannot be listed here is told where it is scanned.
        let _ = self.source.walk(&Selection::new(vec![Pattern::tree(folder)], Vec::new()), &mut |item| {
            if let Item::Entry(entry) = item
                && entry.path.parent().as_ref() == Some(folder)
                && !self.objects.contains_key(&entry.path)
            {
                all.push(entry.path);
            }
            if all.len() < MAX_LINKS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        all
    }
}

/// Looks at an object through a source, and keeps its content where that has at most `keep` bytes.
fn see(source: &dyn Source, path: &EvidencePath, keep: u64) -> Seen {
    match observe(source, path, keep) {
        Ok((state, content)) => {
            let is_file = matches!(&state, State::Present(present) if present.meta.is_file());
            let is_unknown = matches!(&state, State::Present(p) if p.meta.is_file() && p.sha256.is_none());
            let obstacle = is_unknown.then(|| format!("its content is not in {}", source.label()));
            let is_bare = keep < EDIT_LIMIT && is_file && !is_unknown;
            Seen { is_bare, obstacle, ..Seen::left(state, content.filter(|_| keep > 0)) }
        }
        Err(error) => {
            let why = reason(&error);
            let gap = Some(Gap::new(path.clone(), gap_reason(&error), why.clone()));
            let meta = source.metadata(path).ok().flatten();
            let is_dark = meta.is_none();
            let state = meta.map_or(State::Absent, |meta| State::Present(Box::new(Present { meta, sha256: None })));
            Seen { state, content: None, is_bare: false, obstacle: Some(why), gap, is_dark }
        }
    }
}

/// What a reader of the object finds.
pub(super) fn found(seen: &Seen) -> Found {
    match (&seen.content, &seen.state) {
        (Some(content), _) => Found::Content(content.to_vec()),
        (None, State::Absent) if !seen.is_dark => Found::Absent,
        _ => Found::Unknown,
    }
}

pub(super) fn reason(error: &SourceError) -> String {
    match error {
        SourceError::Io { source, .. } => format!("{error}: {source}"),
        error => error.to_string(),
    }
}

fn gap_reason(error: &SourceError) -> GapReason {
    match error {
        SourceError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            GapReason::PermissionDenied
        }
        SourceError::Io { .. } => GapReason::ReadFailed,
        SourceError::Damaged { .. } => GapReason::Damaged,
        _ => GapReason::Unsupported,
    }
}
