//! Runs a reading on a thread of its own, which is given up when it does not come back: a server may hang, and the library that speaks with it
//! may fail on what an intruder answers.

use crate::model::{EvidencePath, Gap, GapReason};
use crate::source::Observation;
use std::ops::ControlFlow;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How many observations may wait.
const WAITING: usize = 1024;

/// Gives everything that `read` tells to `sink`, for no longer than `limit`.
pub(super) fn run(
    place: &EvidencePath,
    limit: Duration,
    sink: &mut dyn FnMut(Observation) -> ControlFlow<()>,
    read: impl FnOnce(&mut dyn FnMut(Observation) -> ControlFlow<()>) + Send + 'static,
) -> ControlFlow<()> {
    let (give, take) = sync_channel::<Option<Observation>>(WAITING);
    let worker = move || {
        // Nobody may be listening any more.
        let told = |observation| match give.send(Some(observation)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        let mut told = told;
        read(&mut told);
        let _ = give.send(None);
    };
    let gap = |reason, detail: &str| Observation::Gap(Gap::new(place.clone(), reason, detail));
    let Ok(handle) = thread::Builder::new().name("triage-database".to_owned()).spawn(worker) else {
        return sink(gap(GapReason::ReadFailed, "no thread could be started for the database"));
    };
    let end = Instant::now() + limit;
    loop {
        match take.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Some(observation)) => sink(observation)?,
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
