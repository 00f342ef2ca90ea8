//! Which programs of a web root were asked for and answered, so that a file that another detector names can be held against it.

use super::hits::{Answer, Counter, Sample, Span};
use crate::parse::access_log::AccessLine;
use crate::parse::uri;
use std::collections::HashMap;

/// The most programs of one file that are remembered.
const PROGRAMS: usize = 20_000;
/// The longest path.
const PATH: usize = 512;
/// The endings of programs.
const ENDINGS: [&[u8]; 7] = [b".php", b".phtml", b".phar", b".pl", b".cgi", b".jsp", b".py"];

/// How one program was used.
#[derive(Clone, Debug, Default)]
pub(super) struct Use {
    pub(super) requests: u64,
    pub(super) posts: u64,
    pub(super) span: Span,
    pub(super) sources: Counter,
    pub(super) sample: Option<Sample>,
}

impl Use {
    pub(super) fn join(&mut self, other: Self) {
        self.requests += other.requests;
        self.posts += other.posts;
        self.span.join(other.span);
        self.sources.join(other.sources);
        self.sample = self.sample.take().or(other.sample);
    }
}

/// The programs that one log tells of.
#[derive(Clone, Debug, Default)]
pub(super) struct Programs {
    by_path: HashMap<Vec<u8>, Use>,
    pub(super) is_full: bool,
}

impl Programs {
    /// Notes a request that was answered.
    pub(super) fn see(&mut self, number: u64, text: &[u8], line: &AccessLine<'_>) {
        if Answer::of(line.status) == Answer::Refused {
            return;
        }
        let (stem, _) = line.stem_and_query();
        let Some(end) = program_end(stem) else { return };
        let stem = stem.get(..end).unwrap_or(stem);
        let mut decoded = Vec::new();
        let path = if memchr::memchr2(b'%', b'\\', stem).is_some() {
            uri::percent_decode(stem, false, &mut decoded);
            decoded.as_slice()
        } else {
            stem
        };
        if path.len() > PATH {
            return;
        }
        if !self.by_path.contains_key(path) {
            if self.by_path.len() >= PROGRAMS {
                self.is_full = true;
                return;
            }
            self.by_path.insert(path.to_vec(), Use::default());
        }
        let Some(used) = self.by_path.get_mut(path) else { return };
        used.requests += 1;
        used.posts += u64::from(line.method == b"POST");
        used.span.add(line.time.seconds, line.time_raw);
        used.sources.add(line.client, 1);
        // What was posted says more than what was looked at.
        if used.sample.is_none() || (line.method == b"POST" && used.posts == 1) {
            used.sample = Some(Sample::new(number, text, None));
        }
    }

    /// Takes them out, in a certain order.
    pub(super) fn into_sorted(self) -> Vec<(Vec<u8>, Use)> {
        let mut all: Vec<_> = self.by_path.into_iter().collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

/// Where the name of a program ends in a path; what follows is for the program.
fn program_end(stem: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(dot) = memchr::memchr(b'.', stem.get(from..)?).map(|at| from + at) {
        let rest = stem.get(dot..)?;
        for ending in ENDINGS {
            let is_it = rest.get(..ending.len()).is_some_and(|head| head.eq_ignore_ascii_case(ending));
            let end = dot + ending.len();
            if is_it && matches!(stem.get(end), None | Some(b'/')) {
                return Some(end);
            }
        }
        from = dot + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_from_what_follows_it() {
        assert_eq!(program_end(b"/a/x.php"), Some(8));
        assert_eq!(program_end(b"/a/x.PHP/y.css"), Some(8));
        assert_eq!(program_end(b"/a.b/x.phps"), None);
        assert_eq!(program_end(b"/admin/assets/x.js"), None);
    }
}
