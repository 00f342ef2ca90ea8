//! Which part of the evidence is looked at.

pub use crate::model::{Pattern, PatternError};

use crate::model::EvidencePath;
use std::ops::Range;

/// A set of patterns less a set of exceptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    /// Exceptions from some of what is included, so that one definition cannot hide what another asks for.
    less: Vec<Exception>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    /// The part of `include` that it takes from.
    of: Range<usize>,
    pattern: Pattern,
}

impl Selection {
    /// Everything.
    pub fn everything() -> Self {
        Self { include: vec![Pattern::tree(&EvidencePath::root())], exclude: Vec::new(), less: Vec::new() }
    }

    /// What one of `include` names and none of `exclude` does.
    pub fn new(include: Vec<Pattern>, exclude: Vec<Pattern>) -> Self {
        Self { include, exclude, less: Vec::new() }
    }

    /// Adds what one of `include` names and none of `less` does; `less` takes from these only.
    pub fn add(&mut self, include: Vec<Pattern>, less: Vec<Pattern>) {
        let start = self.include.len();
        self.include.extend(include);
        let of = start..self.include.len();
        self.less.extend(less.into_iter().map(|pattern| Exception { of: of.clone(), pattern }));
    }

    /// What is asked for, as text for a manifest. What is taken from with exceptions is put in brackets, which no pattern begins with: a
    /// reader must not call a thing missing that was an exception.
    pub fn texts(&self) -> Vec<String> {
        self.include
            .iter()
            .enumerate()
            .map(|(index, pattern)| {
                let less: Vec<&str> = self
                    .less
                    .iter()
                    .filter(|less| less.of.contains(&index))
                    .map(|less| less.pattern.as_str())
                    .collect();
                if less.is_empty() {
                    pattern.as_str().to_owned()
                } else {
                    format!("({} less {})", pattern.as_str(), less.join(", "))
                }
            })
            .collect()
    }

    /// The patterns of what is included.
    pub fn included(&self) -> &[Pattern] {
        &self.include
    }

    /// The patterns of what is left out of that.
    pub fn excluded(&self) -> &[Pattern] {
        &self.exclude
    }

    /// Says whether this path is selected.
    pub fn selects(&self, path: &EvidencePath) -> bool {
        let is_included = |(index, pattern): (usize, &Pattern)| pattern.matches(path) && !self.is_taken(index, path);
        self.include.iter().enumerate().any(is_included) && !self.excludes(path)
    }

    /// Says whether something beneath this directory may be selected.
    pub fn reaches_into(&self, directory: &EvidencePath) -> bool {
        let is_open =
            |(index, pattern): (usize, &Pattern)| pattern.reaches_into(directory) && !self.is_taken(index, directory);
        self.include.iter().enumerate().any(is_open) && !self.excludes(directory)
    }

    fn is_taken(&self, index: usize, path: &EvidencePath) -> bool {
        self.less.iter().any(|less| less.of.contains(&index) && less.pattern.matches(path))
    }

    fn excludes(&self, path: &EvidencePath) -> bool {
        self.exclude.iter().any(|pattern| pattern.matches(path))
    }
}

/// A place in the tree together with the patterns that are still possible there, so that a walk does not match whole paths
/// against every pattern: what cannot match any more is dropped on the way down.
#[derive(Clone, Debug)]
pub struct Cursor<'s> {
    selection: &'s Selection,
    include: Vec<State>,
    exclude: Vec<State>,
    less: Vec<State>,
}

/// A pattern of the list, and how many of its parts are used up.
type State = (usize, usize);

impl Selection {
    /// The cursor at the root.
    pub fn cursor(&self) -> Cursor<'_> {
        fn start<P: AsPattern>(patterns: &[P]) -> Vec<State> {
            close(patterns, (0..patterns.len()).map(|index| (index, 0)).collect())
        }
        Cursor {
            selection: self,
            include: start(&self.include),
            exclude: start(&self.exclude),
            less: start(&self.less),
        }
    }
}

impl Cursor<'_> {
    /// The cursor at `name` in this directory.
    #[must_use]
    pub fn enter(&self, name: &[u8]) -> Self {
        Self {
            selection: self.selection,
            include: step(&self.selection.include, &self.include, name),
            exclude: step(&self.selection.exclude, &self.exclude, name),
            less: step(&self.selection.less, &self.less, name),
        }
    }

    /// The included patterns that name this place, as indices into [`Selection::included`]; the exceptions are not looked at.
    pub fn accepted(&self) -> impl Iterator<Item = usize> {
        let is_used_up =
            |&&(index, used): &&State| self.selection.include.get(index).is_some_and(|pattern| used == pattern.len());
        self.include.iter().filter(is_used_up).map(|&(index, _)| index)
    }

    /// The included patterns that may still name something here or beneath, likewise.
    pub fn open(&self) -> impl Iterator<Item = usize> {
        self.include.iter().map(|&(index, _)| index)
    }

    /// Says whether everything that is selected beneath `other`, by its name from there on, is selected beneath this place too.
    pub fn covers(&self, other: &Cursor<'_>) -> bool {
        other.include.iter().all(|state| self.include.contains(state))
            && self.exclude.iter().all(|state| other.exclude.contains(state))
    }

    /// Says whether this place is selected.
    pub fn selects(&self) -> bool {
        self.include.iter().any(|state| is_accepted(&self.selection.include, state) && !self.is_taken(state.0))
            && !self.is_excluded()
    }

    /// Says whether something beneath this place may be selected.
    pub fn continues(&self) -> bool {
        let is_open = |&(index, used): &State| {
            self.selection.include.get(index).is_some_and(|pattern| used < pattern.len()) && !self.is_taken(index)
        };
        self.include.iter().any(is_open) && !self.is_excluded()
    }

    fn is_excluded(&self) -> bool {
        self.exclude.iter().any(|state| is_accepted(&self.selection.exclude, state))
    }

    fn is_taken(&self, index: usize) -> bool {
        self.less.iter().any(|state| {
            is_accepted(&self.selection.less, state)
                && self.selection.less.get(state.0).is_some_and(|less| less.of.contains(&index))
        })
    }
}

trait AsPattern {
    fn as_pattern(&self) -> &Pattern;
}

impl AsPattern for Pattern {
    fn as_pattern(&self) -> &Pattern {
        self
    }
}

impl AsPattern for Exception {
    fn as_pattern(&self) -> &Pattern {
        &self.pattern
    }
}

fn pattern_at<P: AsPattern>(patterns: &[P], index: usize) -> Option<&Pattern> {
    patterns.get(index).map(AsPattern::as_pattern)
}

fn is_accepted<P: AsPattern>(patterns: &[P], &(index, used): &State) -> bool {
    pattern_at(patterns, index).is_some_and(|pattern| used == pattern.len())
}

fn step<P: AsPattern>(patterns: &[P], states: &[State], name: &[u8]) -> Vec<State> {
    let mut next = Vec::new();
    for &(index, used) in states {
        if let Some(used) = pattern_at(patterns, index).and_then(|pattern| pattern.advance(used, name))
            && next.last() != Some(&(index, used))
        {
            next.push((index, used));
        }
    }
    close(patterns, next)
}

/// Adds what `**` reaches by standing for nothing.
fn close<P: AsPattern>(patterns: &[P], mut states: Vec<State>) -> Vec<State> {
    let mut at = 0;
    while let Some(&(index, used)) = states.get(at) {
        if pattern_at(patterns, index).is_some_and(|pattern| pattern.is_skippable(used))
            && !states.contains(&(index, used + 1))
        {
            states.push((index, used + 1));
        }
        at += 1;
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EvidencePath {
        EvidencePath::new(text).unwrap()
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    #[test]
    fn a_walk_goes_only_where_something_may_be() {
        let selection = Selection::new(
            vec![pattern("/var/www/**"), pattern("/home/*/.ssh/id_*")],
            vec![pattern("/var/www/cache/**")],
        );
        for dir in ["/", "/var", "/var/www", "/var/www/x", "/home", "/home/bob", "/home/bob/.ssh"] {
            assert!(selection.reaches_into(&path(dir)), "{dir}");
        }
        for dir in ["/etc", "/home/bob/.ssh/id_rsa", "/home/bob/mail", "/var/www/cache", "/var/www/cache/x"] {
            assert!(!selection.reaches_into(&path(dir)), "{dir}");
        }
    }

    #[test]
    fn an_exception_takes_only_from_its_own_patterns() {
        let mut selection = Selection::new(vec![pattern("/etc/shadow")], Vec::new());
        selection.add(vec![pattern("/etc/**")], vec![pattern("/etc/**/shadow/**"), pattern("/etc/ssl/**")]);
        selection.add(vec![pattern("/etc/ssl/*.cnf")], Vec::new());
        for hit in ["/etc", "/etc/passwd", "/etc/shadow", "/etc/ssl/openssl.cnf"] {
            assert!(selection.selects(&path(hit)), "{hit}");
        }
        for miss in ["/etc/x/shadow", "/etc/ssl", "/etc/ssl/x.pem"] {
            assert!(!selection.selects(&path(miss)), "{miss}");
        }
        assert_eq!(
            selection.texts(),
            ["/etc/shadow", "(/etc/** less /etc/**/shadow/**, /etc/ssl/**)", "/etc/ssl/*.cnf"]
        );
        assert!(Pattern::new(&selection.texts()[1]).is_err());
    }

    #[test]
    fn the_cursor_agrees_with_the_patterns() {
        let mut selection = Selection::new(
            vec![pattern("/var/www/**"), pattern("/**/a?/*.php"), pattern("/home/*/.ssh/id_*"), pattern("/")],
            vec![pattern("/var/www/**/cache/**")],
        );
        selection.add(vec![pattern("/opt/**2/x.[ch]"), pattern("/**/deep/**")], vec![pattern("/opt/b/**")]);
        for place in [
            "/",
            "/var",
            "/var/www",
            "/var/www/x/y",
            "/var/www/x/cache",
            "/var/www/cache/a1/q.php",
            "/home/u/.ssh",
            "/home/u/.ssh/id_rsa",
            "/home/u/mail",
            "/opt/a1/x.php",
            "/a1/x.php",
            "/a12/x.php",
            "/a1/x.php/y",
            "/opt",
            "/opt/x.c",
            "/opt/b",
            "/opt/b/x.c",
            "/opt/b/deep/q",
            "/opt/c/d",
            "/opt/c/d/x.h",
            "/opt/c/d/e",
            "/opt/c/d/e/x.h",
        ] {
            let place = path(place);
            let cursor = place.components().fold(selection.cursor(), |cursor, name| cursor.enter(name));
            assert_eq!(cursor.selects(), selection.selects(&place), "{place}");
            assert_eq!(cursor.continues(), selection.reaches_into(&place), "{place}");
        }
    }

    proptest::proptest! {
        /// Whatever the patterns are, the walk and the match of a whole path agree, and neither takes forever.
        #[test]
        fn the_cursor_and_the_patterns_agree_on_anything(
            include in proptest::collection::vec("(/([ab]|\\*|\\*\\*|\\*\\*[0-3]|\\?|[ab]\\*|\\[!?[ab-]{1,3}\\]|\\[a)){1,5}", 1..4),
            less in proptest::collection::vec("(/([ab]|\\*\\*)){1,3}/\\*\\*", 0..2),
            place in "(/[ab]{1,2}){0,6}",
        ) {
            let patterns = |texts: Vec<String>| texts.iter().filter_map(|text| Pattern::new(text).ok()).collect::<Vec<_>>();
            let mut selection = Selection::default();
            selection.add(patterns(include), patterns(less));
            selection.add(vec![pattern("/a/b/**2")], Vec::new());
            let place = path(&place);
            let cursor = place.components().fold(selection.cursor(), |cursor, name| cursor.enter(name));
            proptest::prop_assert_eq!(cursor.selects(), selection.selects(&place));
            proptest::prop_assert_eq!(cursor.continues(), selection.reaches_into(&place));
        }
    }
}
