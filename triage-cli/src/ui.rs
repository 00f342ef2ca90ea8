//! The only place that prints. Standard output is data; everything else goes to standard error.
//!
//! Text that holds names from the evidence has been through `model::escape` before it comes here: types that hold such names
//! print themselves escaped.

use anstyle::{AnsiColor, Style};
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();
const STRONG: Style = Style::new().bold();

/// The terminal, or what stands in for it. Clones share it.
#[derive(Clone)]
pub(crate) struct Ui {
    verbosity: u8,
    is_quiet: bool,
    /// A bar that has to step aside while a line is printed.
    bar: Arc<Mutex<Option<indicatif::ProgressBar>>>,
}

#[expect(
    clippy::unused_self,
    reason = "a terminal is asked and told through its handle, also where it keeps no state for that"
)]
impl Ui {
    pub(crate) fn new(verbosity: u8, is_quiet: bool) -> Self {
        Self { verbosity, is_quiet, bar: Arc::default() }
    }

    /// Prints data on standard output. A reader that has gone away (`| head`) ends the program quietly, as it does for `cat`.
    pub(crate) fn data(&self, text: &str) -> anyhow::Result<()> {
        let mut out = anstream::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(141),
            written => Ok(written?),
        }
    }

    /// Tells what is going on; nothing is no news.
    pub(crate) fn note(&self, text: &str) {
        if !self.is_quiet && !text.is_empty() {
            self.line(text);
        }
    }

    /// Tells a detail, with `-v`.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbosity > 0 {
            self.line(text);
        }
    }

    /// A heading.
    pub(crate) fn heading(&self, text: &str) {
        if !self.is_quiet {
            self.line(&format!("{STRONG}{text}{STRONG:#}"));
        }
    }

    pub(crate) fn warning(&self, text: &str) {
        self.line(&format!("{WARNING}warning:{WARNING:#} {text}"));
    }

    pub(crate) fn error(&self, text: &str) {
        self.line(&format!("{ERROR}error:{ERROR:#} {text}"));
    }

    pub(crate) fn hint(&self, text: &str) {
        self.line(&format!("{HINT} hint:{HINT:#} {text}"));
    }

    fn line(&self, text: &str) {
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        let print = || {
            // Where standard error is gone there is nobody to tell.
            let _ = writeln!(anstream::stderr().lock(), "{text}");
        };
        match &*bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Asks a question whose only yes is `yes`. Without a terminal the answer is no.
    pub(crate) fn confirm(&self, question: &str) -> bool {
        if !io::stdin().is_terminal() {
            return false;
        }
        let _ = write!(anstream::stderr().lock(), "{STRONG}{question}{STRONG:#} Type `yes` to go on: ");
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).is_ok() && answer.trim() == "yes"
    }

    /// Asks for one line. None where there is no terminal, or at its end.
    pub(crate) fn ask(&self, question: &str) -> Option<String> {
        if !io::stdin().is_terminal() {
            return None;
        }
        let _ = write!(anstream::stderr().lock(), "{STRONG}{question}{STRONG:#} ");
        let mut answer = String::new();
        let count = io::stdin().read_line(&mut answer).ok()?;
        (count > 0).then(|| answer.trim().to_owned())
    }

    /// Asks for a password on the terminal, also where standard input is something else. It is not shown while it is typed.
    pub(crate) fn secret(&self, question: &str) -> Option<String> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
        let fd = rustix::fs::open("/dev/tty", flags, rustix::fs::Mode::empty()).ok()?;
        let before = tcgetattr(&fd).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&fd, OptionalActions::Flush, &silent).ok()?;
        let mut terminal = std::fs::File::from(fd);
        let _ = terminal.write_all(question.as_bytes());
        let mut answer = String::new();
        let read = io::BufReader::new(&terminal).read_line(&mut answer);
        let _ = tcsetattr(&terminal, OptionalActions::Flush, &before);
        let _ = terminal.write_all(b"\n");
        read.ok()?;
        Some(answer.trim_end_matches(['\n', '\r']).to_owned())
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Says whether progress can be drawn.
    pub(crate) fn has_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// Puts a bar on the screen, or takes it away.
    pub(crate) fn show_bar(&self, bar: Option<indicatif::ProgressBar>) {
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = bar;
    }
}
