//! The listing side of a sweep: in which order objects are read, what the budget grants, and what it all came to.

use super::{BATCH, BATCH_BYTES, Batch, GAPS_OF_A_REASON, LATE_MOST, SMALL, Shared, Summary, SweepError, Task, lock};
use crate::model::{EvidencePath, FileMeta, Gap, GapReason};
use crate::source::{Entry, Item, Selection, SourceError};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;

/// What the listing came to.
pub(super) struct Listed {
    walked: Result<(), SourceError>,
    /// The last object that was met.
    last: EvidencePath,
    number: u64,
    /// Put-off files that were not read because of a stop, and their bytes.
    late: (u64, u64),
}

/// What is handed to the reading threads, and what waits until there is enough of it.
struct Batches<'s> {
    sender: &'s SyncSender<Batch>,
    pending: Vec<(u64, Task)>,
    bytes: u64,
    objects: u64,
    sent: u64,
}

impl Task {
    /// Bytes that it will have read.
    fn size(&self) -> u64 {
        match self {
            Self::Item(Item::Entry(entry)) if entry.content.is_some() => entry.meta.size,
            Self::Late(_, meta) => meta.size,
            Self::Item(_) | Self::Refused(..) => 0,
        }
    }
}

impl Shared<'_, '_> {
    /// Lists the source, then what was put off.
    pub(super) fn list(&self, selection: &Selection, sender: &SyncSender<Batch>) -> Listed {
        let mut listed = Listed { walked: Ok(()), last: EvidencePath::root(), number: 0, late: (0, 0) };
        let mut late: Vec<(u64, EvidencePath, FileMeta)> = Vec::new();
        let mut batches = Batches { sender, pending: Vec::new(), bytes: 0, objects: 0, sent: 0 };
        listed.walked = self.source.walk(selection, &mut |item| {
            let task = match item {
                Item::Gap(gap) => Task::Item(Item::Gap(gap)),
                Item::Entry(entry) => {
                    listed.last.clone_from(&entry.path);
                    if self.is_late(&entry) && late.len() < LATE_MOST {
                        late.push((entry.meta.size, entry.path, entry.meta));
                        return if self.should_stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
                    }
                    self.admit(entry)
                }
            };
            self.send(&mut batches, task)
        });
        late.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        let mut next = if self.should_stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        for (size, path, meta) in late {
            if next.is_break() {
                listed.late = (listed.late.0 + 1, listed.late.1.saturating_add(size));
                continue;
            }
            let task = match self.budget.admit(size) {
                Ok(()) => Task::Late(path, meta),
                Err(spent) => Task::Refused(path, meta, spent),
            };
            next = self.send(&mut batches, task);
            if next.is_break() {
                listed.late = (listed.late.0 + 1, listed.late.1.saturating_add(size));
            }
        }
        listed.number = batches.objects;
        self.flush(&mut batches);
        listed
    }

    /// Adds to the batch, and sends it when it is full.
    fn send(&self, batches: &mut Batches<'_>, task: Task) -> ControlFlow<()> {
        if self.should_stop() {
            return ControlFlow::Break(());
        }
        let size = task.size();
        if size > SMALL {
            self.flush(batches);
        }
        batches.pending.push((batches.objects, task));
        batches.objects += 1;
        batches.bytes += size;
        if size > SMALL || batches.pending.len() >= BATCH || batches.bytes >= BATCH_BYTES {
            self.flush(batches);
        }
        if self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn flush(&self, batches: &mut Batches<'_>) {
        if batches.pending.is_empty() {
            return;
        }
        batches.bytes = 0;
        let batch = Batch { number: batches.sent, tasks: std::mem::take(&mut batches.pending) };
        batches.sent += 1;
        // Sending fails when every reader has died, which only a panic in a visitor does.
        if batches.sender.send(batch).is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Says whether an object's content is wanted and may be read as far as its size is concerned.
    fn wants(&self, entry: &Entry) -> bool {
        entry.content.is_some() && entry.meta.size <= self.options.size_cap && !self.listed_only.selects(&entry.path)
    }

    fn is_late(&self, entry: &Entry) -> bool {
        self.options.late_size.is_some_and(|size| entry.meta.size > size)
            && self.wants(entry)
            // What is put off is opened by its path, on a thread that cannot be given up.
            && !self.source.may_hang(&entry.meta)
    }

    /// Asks the budget for an object's content. Asked here, where one thread lists in order, it gives the same answer each time.
    fn admit(&self, entry: Entry) -> Task {
        if !self.wants(&entry) {
            return Task::Item(Item::Entry(entry));
        }
        match self.budget.admit(entry.meta.size) {
            Ok(()) => Task::Item(Item::Entry(entry)),
            Err(spent) => Task::Refused(entry.path, entry.meta, spent),
        }
    }

    /// Puts the result together when all threads are done.
    pub(super) fn conclude(self, listed: Listed) -> Result<Summary, SweepError> {
        let mut refused = 0;
        for (what, (files, bytes)) in std::mem::take(&mut *lock(&self.refused)) {
            refused += files;
            let detail = format!("{what}: {files} files with {bytes} bytes were left out; their metadata is there");
            self.note(listed.number, Gap::new(EvidencePath::root(), GapReason::BudgetSpent, detail));
        }
        if let Some(spent) = self.ended_by.get() {
            let (files, bytes) = listed.late;
            let files = files + self.unread.load(Ordering::Relaxed);
            let detail = format!(
                "{}: the run ended at `{}`; what comes after that was not listed, and {files} files that were, {bytes} bytes of them put off for                  their size, were not read",
                spent.what, listed.last
            );
            self.note(listed.number, Gap::new(EvidencePath::root(), GapReason::BudgetSpent, detail));
        }
        if let Some(error) = self.error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        listed.walked?;
        let mut gaps = self.gaps.into_inner().unwrap_or_else(PoisonError::into_inner);
        gaps.named.sort();
        let mut named: Vec<Gap> = gaps.named.into_iter().map(|(_, gap)| gap).collect();
        let mut more_gaps = BTreeMap::new();
        for (reason, count) in gaps.counts {
            let more = count.saturating_sub(GAPS_OF_A_REASON);
            if more > 0 {
                named.push(Gap::new(EvidencePath::root(), reason, format!("and {more} more that are not named here")));
                more_gaps.insert(reason, more);
            }
        }
        Ok(Summary {
            objects: self.objects.into_inner(),
            files: self.files.into_inner(),
            bytes: self.bytes.into_inner(),
            gaps: named,
            refused,
            more_gaps,
            is_interrupted: self.stop.into_inner(),
            ended_by: self.ended_by.into_inner().map(|spent| spent.what),
        })
    }
}
