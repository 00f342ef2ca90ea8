//! Progress of long work: a line on a terminal after 250 ms and at most ten times a second, elsewhere one log line each 10 s.

use crate::ui::Ui;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use triage_core::model::EvidencePath;
use triage_core::sweep;

const PATIENCE: Duration = Duration::from_millis(250);
const DRAW: Duration = Duration::from_millis(100);
const LOG: Duration = Duration::from_secs(10);

/// The progress of one piece of work.
pub(crate) struct Progress {
    ui: Ui,
    verb: &'static str,
    started: Instant,
    state: Mutex<State>,
}

struct State {
    last: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins; `verb` says what is done: `collecting`.
    pub(crate) fn start(ui: &Ui, verb: &'static str) -> Self {
        let now = Instant::now();
        Self { ui: ui.clone(), verb, started: now, state: Mutex::new(State { last: now, bar: None }) }
    }

    /// Tells how far it is. Cheap when it is too early to tell again.
    pub(crate) fn tell(&self, text: impl FnOnce(Duration) -> String) {
        if self.ui.is_quiet() {
            return;
        }
        // Whoever finds it busy is not missed: the next one tells more.
        let Ok(mut state) = self.state.try_lock() else { return };
        let elapsed = self.started.elapsed();
        let pause = match (self.ui.has_terminal(), &state.bar) {
            (true, None) => PATIENCE,
            (true, Some(_)) => DRAW,
            (false, _) => LOG,
        };
        if state.last.elapsed() < pause {
            return;
        }
        state.last = Instant::now();
        let text = text(elapsed);
        if !self.ui.has_terminal() {
            self.ui.note(&format!("{} {text}", self.verb));
            return;
        }
        let bar = state.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            bar.set_style(
                ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or(ProgressStyle::default_spinner()),
            );
            self.ui.show_bar(Some(bar.clone()));
            bar
        });
        bar.set_message(format!("{} {text}", self.verb));
        bar.tick();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.ui.show_bar(None);
        if let Ok(state) = self.state.lock()
            && let Some(bar) = &state.bar
        {
            bar.finish_and_clear();
        }
    }
}

impl sweep::Progress for Progress {
    fn advanced(&self, objects: u64, bytes: u64, path: &EvidencePath) {
        self.tell(|elapsed| {
            let rate = bytes.checked_div(elapsed.as_secs().max(1)).unwrap_or(0);
            let path = elided_left(&path.to_string(), 48);
            format!("{objects} objects, {}, {}/s  {path}", human_bytes(bytes), human_bytes(rate))
        });
    }
}

/// The end of a long text: of a path, the end says more.
fn elided_left(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    let tail: String = text.chars().skip(count - width + 1).collect();
    format!("…{tail}")
}

/// `1.4 GiB`, `812 KiB`, `17 B`.
pub(crate) fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = "KiB";
    for next in UNITS.into_iter().skip(1) {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    if tenths < 100 { format!("{}.{} {unit}", tenths / 10, tenths % 10) } else { format!("{} {unit}", tenths / 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        assert_eq!(human_bytes(0), "0 B");
        assert_eq!(human_bytes(1536), "1.5 KiB");
        assert_eq!(human_bytes(100 << 30), "100 GiB");
        assert_eq!(human_bytes(u64::MAX), "16383 PiB");
    }

    #[test]
    fn long_paths_lose_their_head() {
        assert_eq!(elided_left("/a/b", 10), "/a/b");
        assert_eq!(elided_left("/very/long/path", 8), "…ng/path");
    }
}
