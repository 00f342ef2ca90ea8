//! Asterisk's control socket, asked as `asterisk -rx` asks it (`main/asterisk.c`, `ast_remotecontrol` and `netconsole`).
//!
//! The server greets with `host/pid/version` and a newline. `cli quit after `, a command and a NUL byte make it answer as it would on its
//! console and close. Only the fixed questions of this module are ever sent; none of them changes anything. Who answers is believed as far
//! as a file would be: an intruder can listen there too.

use crate::model::RawText;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

use super::patience::Patience;

/// Where Asterisk listens, by the packages of Debian and the Red Hat family.
pub const SOCKETS: [&str; 2] = ["/run/asterisk/asterisk.ctl", "/var/run/asterisk/asterisk.ctl"];

/// What is asked, the most volatile first.
pub(super) const COMMANDS: [&str; 6] = [
    "core show channels concise",
    "core show channels count",
    "pjsip show contacts",
    "sip show peers",
    "manager show connected",
    "core show uptime seconds",
];
/// The most bytes of an answer.
const MAX_ANSWER: u64 = 8 << 20;
/// The longest greeting.
const MAX_GREETING: usize = 1024;

/// Why Asterisk gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AsteriskError {
    /// Nobody listens, or it broke off.
    #[error("asking Asterisk at `{socket}`")]
    Io {
        /// The socket, escaped.
        socket: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It took too long.
    #[error("Asterisk at `{socket}` did not answer in time")]
    Late {
        /// The socket, escaped.
        socket: String,
    },
    /// What listens there does not speak as Asterisk does.
    #[error("what listens at `{socket}` does not answer as Asterisk does")]
    Foreign {
        /// The socket, escaped.
        socket: String,
    },
}

/// What Asterisk answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The text, without log lines that it mixes in.
    pub text: RawText,
    /// Says that there was more, or that it did not end in time.
    pub is_cut: bool,
}

/// Says whether there is a socket of that name.
pub(super) fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// How many calls are in progress; none where no Asterisk runs.
///
/// # Errors
/// When something listens and gives no answer that can be read: then calls have to be assumed.
pub fn active_calls(socket: &Path, limit: Duration) -> Result<Option<u32>, AsteriskError> {
    let answer = match ask(socket, "core show channels count", limit) {
        Err(AsteriskError::Io { source, .. })
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
        {
            return Ok(None);
        }
        answer => answer?,
    };
    let count = answer.text.as_bytes().split(|&b| b == b'\n').find_map(|line| {
        let words: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [number, b"active", b"call" | b"calls"] => std::str::from_utf8(number).ok()?.parse().ok(),
            // With a limit of calls set it is `1 of 10 max active calls ( 10.00% of capacity)`.
            [number, b"of", _, b"max", b"active", b"call" | b"calls", ..] => {
                std::str::from_utf8(number).ok()?.parse().ok()
            }
            _ => None,
        }
    });
    count.map(Some).ok_or_else(|| AsteriskError::Foreign { socket: shown(socket) })
}

/// Asks one question, and waits no longer than `limit` in all.
///
/// # Errors
/// [`AsteriskError`]; an answer that began and did not end is no error.
pub(super) fn ask(socket: &Path, command: &str, limit: Duration) -> Result<Answer, AsteriskError> {
    let (path, question) = (socket.to_owned(), format!("cli quit after {command}\0"));
    // Connecting can block for ever too, where nobody accepts and the queue is full.
    let answered = Patience::new().wait(limit + Duration::from_secs(1), move || exchange(&path, &question, limit));
    answered.map_err(|_| AsteriskError::Late { socket: shown(socket) })?
}

fn exchange(path: &PathBuf, question: &str, limit: Duration) -> Result<Answer, AsteriskError> {
    let begin = Instant::now();
    let fail = |source: io::Error| match source.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AsteriskError::Late { socket: shown(path) },
        _ => AsteriskError::Io { socket: shown(path), source },
    };
    let mut stream = UnixStream::connect(path).map_err(fail)?;
    let left = || limit.checked_sub(begin.elapsed()).filter(|left| !left.is_zero());
    let late = || AsteriskError::Late { socket: shown(path) };
    let mut greeting = Vec::new();
    let mut byte = [0];
    while byte != [b'\n'] {
        stream.set_read_timeout(Some(left().ok_or_else(late)?)).map_err(fail)?;
        if greeting.len() > MAX_GREETING || stream.read(&mut byte).map_err(fail)? == 0 {
            return Err(AsteriskError::Foreign { socket: shown(path) });
        }
        greeting.extend(byte);
    }
    if greeting.split(|&b| b == b'/').nth(2).is_none() {
        return Err(AsteriskError::Foreign { socket: shown(path) });
    }
    stream.set_write_timeout(Some(left().ok_or_else(late)?)).map_err(fail)?;
    stream.write_all(question.as_bytes()).map_err(fail)?;
    let (mut bytes, mut is_cut) = (Vec::new(), false);
    let mut buffer = [0; 16 << 10];
    loop {
        let Some(left) = left() else {
            is_cut = true;
            break;
        };
        stream.set_read_timeout(Some(left)).map_err(fail)?;
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What was answered until then is kept.
            Err(_) => {
                is_cut = true;
                break;
            }
        }
        if bytes.len() as u64 >= MAX_ANSWER {
            is_cut = true;
            break;
        }
    }
    Ok(Answer { text: RawText::from(without_log(&bytes)), is_cut })
}

/// Log lines for consoles begin with a byte that says how verbose they are, 255 less the level, which begins no text.
fn without_log(bytes: &[u8]) -> Vec<u8> {
    let is_log = |line: &&[u8]| line.first().is_some_and(|&b| b >= 0xf5);
    bytes.split_inclusive(|&b| b == b'\n').filter(|line| !is_log(line)).flatten().copied().collect()
}

fn shown(path: &Path) -> String {
    crate::model::escape(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::thread;

    /// Answers once as Asterisk does, or as something else.
    fn stand_in(
        greeting: &'static [u8],
        answer: Vec<u8>,
        closes: bool,
    ) -> (tempfile::TempDir, PathBuf, thread::JoinHandle<Vec<u8>>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("asterisk.ctl");
        let listener = UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(greeting).unwrap();
            let mut question = Vec::new();
            let mut byte = [0];
            while stream.read(&mut byte).unwrap_or(0) == 1 && byte != [0] {
                question.push(byte[0]);
            }
            let _ = stream.write_all(&answer);
            if !closes {
                // Until the other side has had enough.
                let _ = stream.read(&mut byte);
            }
            question
        });
        (folder, path, server)
    }

    const GREETING: &[u8] = b"pbx/4711/Asterisk 20.5.0\n";

    #[test]
    fn calls_are_counted_and_log_lines_are_not_answers() {
        for (text, calls) in [
            (&b"3 active channels\n2 active calls\n7 calls processed\n"[..], 2),
            (b"\xfd[log] 9 active calls\n1 active channel\n1 active call\n1 call processed\n", 1),
            (b"0 active channels\n4 of 10 max active calls (40.00% of capacity)\n", 4),
        ] {
            let (_folder, path, server) = stand_in(GREETING, text.to_vec(), true);
            assert_eq!(active_calls(&path, Duration::from_secs(30)).unwrap(), Some(calls));
            assert_eq!(server.join().unwrap(), b"cli quit after core show channels count");
        }
    }

    #[test]
    fn no_socket_and_nobody_behind_it_are_no_asterisk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("asterisk.ctl");
        assert_eq!(active_calls(&path, Duration::from_secs(30)).unwrap(), None);
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(active_calls(&path, Duration::from_secs(30)).unwrap(), None);
    }

    #[test]
    fn a_stranger_on_the_socket_is_told_from_asterisk() {
        let (_folder, path, _server) = stand_in(b"SSH-2.0-x\n", Vec::new(), true);
        assert!(matches!(active_calls(&path, Duration::from_secs(30)), Err(AsteriskError::Foreign { .. })));
        let (_folder, path, _server) = stand_in(GREETING, b"lorem ipsum\n".to_vec(), true);
        assert!(matches!(active_calls(&path, Duration::from_secs(30)), Err(AsteriskError::Foreign { .. })));
    }

    #[test]
    fn an_answer_that_never_ends_is_cut() {
        let (_folder, path, server) = stand_in(GREETING, b"half an ans".to_vec(), false);
        let answer = ask(&path, "core show uptime seconds", Duration::from_millis(200)).unwrap();
        assert_eq!((answer.text.as_bytes(), answer.is_cut), (&b"half an ans"[..], true));
        server.join().unwrap();
        let flood = vec![b'x'; usize::try_from(MAX_ANSWER).unwrap() + (1 << 20)];
        let (_folder, path, _server) = stand_in(GREETING, flood, true);
        let answer = ask(&path, "sip show peers", Duration::from_mins(1)).unwrap();
        assert!(answer.is_cut && answer.text.as_bytes().len() < usize::try_from(MAX_ANSWER).unwrap() + (1 << 17));
    }

    #[test]
    fn a_listener_that_says_nothing_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("asterisk.ctl");
        let _listener = UnixListener::bind(&path).unwrap();
        let asked = active_calls(&path, Duration::from_millis(100));
        assert!(matches!(asked, Err(AsteriskError::Late { .. })), "{asked:?}");
    }
}
