//! A scan of a host that was cleaned: the state folder says which runs stand.

use crate::session::Session;
use triage_core::engine::{CleanUp, Scan, Target};
use triage_core::journal::Runs;
use triage_core::model::{Verdict, escape};
use triage_core::report::CleanedUp;

/// Judges a scan by the runs that stand on its host. A state folder that cannot be read changes no verdict, and that is said.
pub(super) fn judge(scan: &mut Scan, target: &Target, session: &Session) {
    let Ok(state) = session.state() else { return };
    let listed = Runs::open(&state).and_then(|runs| runs.map(|runs| runs.list()).transpose());
    let runs = match listed {
        Ok(runs) => runs.unwrap_or_default(),
        Err(error) => {
            let state = escape(state.as_os_str().as_encoded_bytes());
            session.ui.warning(&format!("what was done to the host is not known: the runs in {state}: {error}"));
            return;
        }
    };
    let whole = runs.iter().filter_map(|(_, run)| run.as_ref().ok());
    if let Some(clean_up) = CleanUp::of(whole, &target.host) {
        scan.after(target, &clean_up);
    }
}

/// What is said of a verdict after a clean-up, in a sentence or two.
pub(super) fn sentence(verdict: Verdict, clean_up: &CleanedUp) -> String {
    let past = match clean_up.past.len() {
        0 => String::new(),
        1 => " One finding tells only of the time before and stays: it is evidence.".to_owned(),
        past => format!(" {past} findings tell only of the time before and stay: they are evidence."),
    };
    let run = &clean_up.run;
    match verdict {
        Verdict::ContainedRebuildAdvised => format!(
            "Contained after run {run}, rebuild advised: nothing that could act again was found, but the intruder was root and may have hidden what no tool finds.{past}"
        ),
        _ => format!("No known trace left after run {run}: nothing that could act again was found.{past}"),
    }
}

/// What is left to do on such a host.
pub(super) fn left_to_do(verdict: Verdict) -> &'static [&'static str] {
    const CLOSE: &str = "close the hole that let them in, and change every password and key that was on the host";
    const AGAIN: &str = "check again tomorrow and after the next restart, when what was not found would come back";
    match verdict {
        Verdict::ContainedRebuildAdvised => &["set the machine up anew once calls are safe", CLOSE, AGAIN],
        _ => &[CLOSE, AGAIN],
    }
}
