//! How much this process asks of the host that it runs on.
//!
//! Threads inherit what is set here from the thread that starts them: the calls belong before the first worker. Nothing of the host is
//! changed; a refusal is told and is no reason to stop.

use rustix::process::setpriority_process;
use std::io;
use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};

/// The lowest priority of `nice(1)`.
const LAST: i32 = 19;
/// What `nice(1)` takes without being told.
const BEHIND_OTHERS: i32 = 10;

/// Lets others go first: nice 10, for the calling thread and those that it starts.
///
/// # Errors
/// As `setpriority(2)`.
pub fn step_back() -> io::Result<()> {
    Ok(setpriority_process(None, BEHIND_OTHERS)?)
}

/// Takes only what nobody else wants: the policy `SCHED_IDLE` and nice 19. Where no I/O class was set, the kernel derives the idle one
/// from that policy (`task_nice_ioclass` in `linux/ioprio.h`); its I/O schedulers BFQ and CFQ heed it, `none` and `mq-deadline` do not or hardly.
///
/// # Errors
/// As `sched_setscheduler(2)` and `setpriority(2)`.
pub fn idle() -> io::Result<()> {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let here = thread_priority::thread_native_id();
    thread_priority::set_thread_priority_and_policy(here, ThreadPriority::Min, policy).map_err(
        |error| match error {
            thread_priority::Error::OS(code) => io::Error::from_raw_os_error(code),
            other => io::Error::other(format!("{other:?}")),
        },
    )?;
    Ok(setpriority_process(None, LAST)?)
}

/// Makes this process the first that the kernel kills when memory runs out.
///
/// # Errors
/// Where `/proc` is not there or may not be written.
#[expect(clippy::disallowed_methods, reason = "a setting of our own process, which is no file of the host")]
pub fn die_first() -> io::Result<()> {
    std::fs::write("/proc/self/oom_score_adj", "1000")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    /// Fields 19 (nice) and 41 (policy) of `/proc/thread-self/stat`, `proc(5)`.
    fn nice_and_policy() -> (String, String) {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        (fields[19 - 3].to_owned(), fields[41 - 3].to_owned())
    }

    #[test]
    fn idle_is_the_idle_policy_and_is_inherited_by_threads() {
        std::thread::spawn(|| {
            super::idle().unwrap();
            assert_eq!(nice_and_policy(), ("19".to_owned(), "5".to_owned()));
            std::thread::spawn(|| assert_eq!(nice_and_policy(), ("19".to_owned(), "5".to_owned()))).join().unwrap();
        })
        .join()
        .unwrap();
        assert_eq!(nice_and_policy().1, "0", "others are left as they are");
    }

    #[test]
    fn stepping_back_is_nice_ten() {
        std::thread::spawn(|| {
            super::step_back().unwrap();
            assert_eq!(nice_and_policy(), ("10".to_owned(), "0".to_owned()));
        })
        .join()
        .unwrap();
    }
}
