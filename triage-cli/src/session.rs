//! What every command needs: the terminal, the clock, the state folder, and whether somebody pressed Ctrl-C.

use crate::args::Args;
use crate::exit::Failure;
use crate::ui::Ui;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use triage_core::model::{Clock, Timestamp};

/// The state folder of root.
const SYSTEM_STATE: &str = "/var/lib/triage";

/// One call of the program.
pub(crate) struct Session {
    pub(crate) ui: Ui,
    pub(crate) clock: SystemClock,
    pub(crate) started: Instant,
    state: Option<PathBuf>,
    interrupted: Arc<AtomicBool>,
}

impl Session {
    pub(crate) fn start(args: &Args, ui: Ui) -> Result<Self, Failure> {
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&interrupted);
        let screen = ui.clone();
        // The first Ctrl-C asks for an orderly end; the second one is the user's right.
        ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            screen.note("stopping; once more to stop at once");
        })?;
        start_log(args.verbose);
        raise_open_files();
        Ok(Self { ui, clock: SystemClock, started: Instant::now(), state: args.state.clone(), interrupted })
    }

    /// The same session with another state folder.
    pub(crate) fn with_state(&self, state: PathBuf) -> Self {
        let (ui, interrupted) = (self.ui.clone(), Arc::clone(&self.interrupted));
        Self { ui, clock: self.clock, started: self.started, state: Some(state), interrupted }
    }

    /// Says whether the user wants it to stop.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// The folder that holds the runs. It need not exist yet.
    pub(crate) fn state(&self) -> Result<PathBuf, Failure> {
        if let Some(state) = &self.state {
            return Ok(state.clone());
        }
        if rustix::process::geteuid().is_root() {
            return Ok(PathBuf::from(SYSTEM_STATE));
        }
        #[expect(clippy::disallowed_methods, reason = "the command line is where the environment is read")]
        let (xdg, home) = (std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"));
        match (xdg.map(PathBuf::from).filter(|dir| dir.is_absolute()), home) {
            (Some(xdg), _) => Ok(xdg.join("triage")),
            (None, Some(home)) => Ok(Path::new(&home).join(".local/state/triage")),
            (None, None) => Err(Failure::hinted(
                anyhow::anyhow!("there is no home folder to keep runs in"),
                "name a folder with `--state DIR`",
            )),
        }
    }

    /// The version of this program.
    pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// The name and version that go into everything this program writes.
    pub(crate) fn tool() -> String {
        format!("triage {}", Self::VERSION)
    }
}

/// The machine's clock.
#[derive(Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
    fn now(&self) -> Timestamp {
        let now = jiff::Timestamp::now();
        Timestamp::new(now.as_second(), now.subsec_nanosecond().unsigned_abs())
    }
}

fn start_log(verbosity: u8) {
    let level = match verbosity {
        0 => return,
        1 => tracing::Level::INFO,
        2 => tracing::Level::DEBUG,
        _ => tracing::Level::TRACE,
    };
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_ansi(false).init();
}

/// A walk keeps folders open; the usual soft limit of 1,024 files is a matter of habit, the hard one is the system's.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
