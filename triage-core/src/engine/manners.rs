//! How a run treats the host that it runs on: which priority it takes, with how many threads, and why.
//!
//! A telephone system in production comes first: while it carries calls, a run takes one thread and only what nobody else wants.

use crate::sys::priority;
use std::num::NonZeroUsize;

/// What a run asks of the processor, the disk and the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// What every program does.
    Normal,
    /// Others first: nice 10.
    Polite,
    /// Only what nobody else wants: `SCHED_IDLE`, nice 19 and thereby the idle I/O class, and the first to be killed when memory runs out.
    Idle,
}

/// How a run treats the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manners {
    /// What it asks for.
    pub priority: Priority,
    /// Threads that read.
    pub threads: NonZeroUsize,
    /// Why, for people.
    pub why: String,
}

impl Manners {
    /// What fits the host: calls (`calls`, as Asterisk tells, none where there is none to ask) take precedence over us, a live host is treated politely,
    /// evidence on a workstation needs no manners. What the user asked for (`asked`, `asked_threads`) holds in any case.
    pub fn fitting(
        is_live: bool,
        calls: Option<u32>,
        asked: Option<Priority>,
        asked_threads: Option<NonZeroUsize>,
        usual_threads: NonZeroUsize,
    ) -> Self {
        let calls = calls.filter(|calls| is_live && *calls > 0);
        let (priority, threads, why) = match calls {
            Some(calls) => (Priority::Idle, NonZeroUsize::MIN, format!("Asterisk has {calls} active calls")),
            None if is_live => (Priority::Polite, usual_threads, "this host is in production".to_owned()),
            None => (Priority::Normal, usual_threads, "the evidence is no running host".to_owned()),
        };
        let why = if asked.is_some_and(|asked| asked != priority) { format!("as asked, although {why}") } else { why };
        Self { priority: asked.unwrap_or(priority), threads: asked_threads.unwrap_or(threads), why }
    }

    /// Takes the priority, for this thread and those that it starts. Gives what the system refused, which is no reason to stop.
    pub fn take(&self) -> Vec<String> {
        let mut refused = Vec::new();
        let mut note = |what: &str, result: std::io::Result<()>| {
            refused.extend(result.err().map(|error| format!("{what}: {error}")));
        };
        match self.priority {
            Priority::Normal => {}
            Priority::Polite => note("nice 10", priority::step_back()),
            Priority::Idle => {
                note("idle scheduling", priority::idle());
                note("oom_score_adj", priority::die_first());
            }
        }
        refused
    }
}

impl std::fmt::Display for Manners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let priority = match self.priority {
            Priority::Normal => "normal priority",
            Priority::Polite => "nice 10",
            Priority::Idle => "idle scheduling and I/O class, nice 19, oom_score_adj 1000",
        };
        let threads =
            if self.threads.get() == 1 { "one thread".to_owned() } else { format!("{} threads", self.threads) };
        write!(f, "{priority}, {threads}: {}", self.why)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn active_calls_come_first_unless_the_user_says_otherwise() {
        let four = NonZeroUsize::new(4).unwrap();
        let calls = Manners::fitting(true, Some(3), None, None, four);
        assert_eq!((calls.priority, calls.threads.get()), (Priority::Idle, 1));
        let told = calls.to_string();
        assert!(told.contains("3 active calls") && told.contains("one thread") && told.contains("idle"), "{told}");
        let quiet = Manners::fitting(true, Some(0), None, None, four);
        assert_eq!((quiet.priority, quiet.threads), (Priority::Polite, four));
        let image = Manners::fitting(false, Some(3), None, None, four);
        assert_eq!((image.priority, image.threads), (Priority::Normal, four));
        let asked = Manners::fitting(true, Some(3), Some(Priority::Normal), Some(four), four);
        assert_eq!((asked.priority, asked.threads), (Priority::Normal, four));
        assert!(asked.to_string().contains("although Asterisk has 3 active calls"));
    }
}
