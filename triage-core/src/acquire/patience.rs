//! Reads that may never come back.
//!
//! Whoever asks for the arguments of a process takes a lock of its memory, and a process that waits for a dead disk may hold that for
//! ever. So such reads are done on a thread that is given up when it does not answer in time: nobody ever joins it. Since Linux 5.2
//! that wait ends when we end; on older kernels the thread, and with it our exit, may have to wait for the disk.

use std::fmt;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

/// How many threads may be given up before nothing more is risked.
const MAX_LOST: usize = 16;

type Job = Box<dyn FnOnce() + Send>;

/// Something did not answer in its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// It was waited for.
    After(Duration),
    /// It was not asked, because too much else had not answered.
    NotAsked,
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(time) => write!(f, "the kernel gave no answer within {time:?}"),
            Self::NotAsked => f.write_str("not asked, because the kernel answers too many questions not at all"),
        }
    }
}

/// A thread for reads that may hang, and the next one when it does.
#[derive(Default)]
pub(super) struct Patience {
    worker: Option<Sender<Job>>,
    lost: usize,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Runs `job` elsewhere and waits for it no longer than `limit`.
    pub(super) fn wait<T: Send + 'static>(
        &mut self,
        limit: Duration,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Late> {
        if self.lost >= MAX_LOST {
            return Err(Late::NotAsked);
        }
        let (give, take) = channel();
        let job: Job = Box::new(move || {
            // Nobody may be waiting any more.
            let _ = give.send(job());
        });
        let sent = self.worker().is_some_and(|worker| worker.send(job).is_ok());
        if let Some(Ok(answer)) = sent.then(|| take.recv_timeout(limit)) {
            return Ok(answer);
        }
        self.worker = None;
        self.lost += 1;
        Err(Late::After(limit))
    }

    fn worker(&mut self) -> Option<&Sender<Job>> {
        if self.worker.is_none() {
            let (give, take) = channel::<Job>();
            let run = move || take.into_iter().for_each(|job| job());
            self.worker = thread::Builder::new().name("triage-proc".to_owned()).spawn(run).ok().map(|_| give);
        }
        self.worker.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_never_comes_back_is_given_up_and_the_next_is_answered() {
        let mut patience = Patience::new();
        let (_never, wait) = channel::<()>();
        let hung = patience.wait(Duration::from_millis(20), move || wait.recv().is_ok());
        assert_eq!(hung, Err(Late::After(Duration::from_millis(20))));
        assert_eq!(patience.wait(Duration::from_mins(1), || 7), Ok(7));
        for _ in 1..MAX_LOST {
            let (never, wait) = channel::<()>();
            assert!(patience.wait(Duration::from_millis(1), move || wait.recv().is_ok()).is_err());
            std::mem::forget(never);
        }
        assert_eq!(patience.wait(Duration::from_mins(1), || 7), Err(Late::NotAsked));
    }
}
