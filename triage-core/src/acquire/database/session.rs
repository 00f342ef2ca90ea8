//! Runs a reading on a thread of its own, which is given up when it does not come back: a server may hang, and the library that speaks with it
//! may fail on what an intruder answers.

use crate::model::{EvidencePath, Gap, GapReason, Record};
use crate::source::Observation;
use std::ops::ControlFlow;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How many parcels may wait.
const WAITING: usize = 16;

/// How many calls are in a parcel. There can be millions of them, and to wake somebody for each takes longer than to read it.
const TOGETHER: usize = 256;

/// What goes to the thread that asked: observations in their order, or the end.
type Parcel = Option<Vec<Observation>>;

/// Gathers calls; everything else goes on its way at once, so that a server that hangs takes nothing else with it.
struct Post {
    give: SyncSender<Parcel>,
    held: Vec<Observation>,
}

impl Post {
    fn take(&mut self, observation: Observation) -> ControlFlow<()> {
        let is_call = matches!(&observation, Observation::Record(record) if matches!(**record, Record::Call(_)));
        self.held.push(observation);
        if is_call && self.held.len() < TOGETHER { ControlFlow::Continue(()) } else { self.send() }
    }

    fn send(&mut self) -> ControlFlow<()> {
        // Nobody may be listening any more.
        match self.give.send(Some(std::mem::take(&mut self.held))) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

impl Drop for Post {
    /// Also when the reading failed half-way: what it told until then counts.
    fn drop(&mut self) {
        if !self.held.is_empty() {
            let _ = self.send();
        }
    }
}

/// Gives everything that `read` tells to `sink`, for no longer than `limit`.
pub(super) fn run(
    place: &EvidencePath,
    limit: Duration,
    sink: &mut dyn FnMut(Observation) -> ControlFlow<()>,
    read: impl FnOnce(&mut dyn FnMut(Observation) -> ControlFlow<()>) + Send + 'static,
) -> ControlFlow<()> {
    let (give, take) = sync_channel::<Parcel>(WAITING);
    let worker = move || {
        let mut post = Post { give: give.clone(), held: Vec::with_capacity(TOGETHER) };
        read(&mut |observation| post.take(observation));
        // ORDER: what it holds, then the end.
        drop(post);
        let _ = give.send(None);
    };
    let gap = |reason, detail: &str| Observation::Gap(Gap::new(place.clone(), reason, detail));
    let Ok(handle) = thread::Builder::new().name("triage-database".to_owned()).spawn(worker) else {
        return sink(gap(GapReason::ReadFailed, "no thread could be started for the database"));
    };
    let end = Instant::now() + limit;
    loop {
        match take.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Some(parcel)) => parcel.into_iter().try_for_each(&mut *sink)?,
            Ok(None) => {
                // It has nothing left to do but to take leave of the server.
                let _ = handle.join();
                return ControlFlow::Continue(());
            }
            Err(RecvTimeoutError::Timeout) => {
                return sink(gap(GapReason::LimitReached, "the database server did not answer in time"));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return sink(gap(GapReason::Unreadable, "reading the database failed on what its server answered"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CallRecord;

    fn place() -> EvidencePath {
        EvidencePath::root()
    }

    fn call(number: usize) -> Observation {
        let mut call = CallRecord::at(place());
        call.dst = number.to_string().as_str().into();
        Observation::Record(Box::new(Record::Call(Box::new(call))))
    }

    fn told(read: impl FnOnce(&mut dyn FnMut(Observation) -> ControlFlow<()>) + Send + 'static) -> Vec<String> {
        let mut all = Vec::new();
        let _ = run(
            &place(),
            Duration::from_secs(20),
            &mut |observation| {
                all.push(match observation {
                    Observation::Record(record) => match *record {
                        Record::Call(call) => call.dst.to_string(),
                        _ => "record".to_owned(),
                    },
                    Observation::Gap(gap) => gap.detail,
                    Observation::File(_) => "file".to_owned(),
                });
                ControlFlow::Continue(())
            },
            read,
        );
        all
    }

    #[test]
    fn calls_that_are_gathered_arrive_whole_and_in_order() {
        let count = 2 * TOGETHER + 7;
        let all = told(move |sink| {
            let _ = (0..count).try_for_each(|number| sink(call(number)));
            let _ = sink(Observation::Gap(Gap::new(place(), GapReason::LimitReached, "between")));
            let _ = sink(call(count));
        });
        let mut expected: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        expected.extend(["between".to_owned(), count.to_string()]);
        assert_eq!(all, expected);
    }

    #[test]
    fn what_was_told_before_a_failure_counts() {
        let all = told(|sink| {
            let _ = sink(call(1));
            panic!("on purpose");
        });
        assert_eq!(all, ["1", "reading the database failed on what its server answered"]);
    }

    #[test]
    fn a_reader_that_nobody_listens_to_stops() {
        let flow = run(&place(), Duration::from_secs(20), &mut |_| ControlFlow::Break(()), |sink| {
            while sink(call(0)).is_continue() {}
        });
        assert!(flow.is_break());
    }
}
