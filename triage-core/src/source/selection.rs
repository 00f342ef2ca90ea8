//! Which part of the evidence is looked at.

pub use crate::model::{Pattern, PatternError};

use crate::model::EvidencePath;

/// A set of patterns less a set of exceptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

impl Selection {
    /// Everything.
    pub fn everything() -> Self {
        Self { include: vec![Pattern::tree(&EvidencePath::root())], exclude: Vec::new() }
    }

    /// What one of `include` names and none of `exclude` does.
    pub fn new(include: Vec<Pattern>, exclude: Vec<Pattern>) -> Self {
        Self { include, exclude }
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
        self.include.iter().any(|pattern| pattern.matches(path)) && !self.excludes(path)
    }

    /// Says whether something beneath this directory may be selected.
    pub fn reaches_into(&self, directory: &EvidencePath) -> bool {
        self.include.iter().any(|pattern| pattern.reaches_into(directory)) && !self.excludes(directory)
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
}

/// A pattern of the list, and how many of its parts are used up.
type State = (usize, usize);

impl Selection {
    /// The cursor at the root.
    pub fn cursor(&self) -> Cursor<'_> {
        let start = |patterns: &[Pattern]| close(patterns, (0..patterns.len()).map(|index| (index, 0)).collect());
        Cursor { selection: self, include: start(&self.include), exclude: start(&self.exclude) }
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
        }
    }

    /// Says whether this place is selected.
    pub fn selects(&self) -> bool {
        accepts(&self.selection.include, &self.include) && !accepts(&self.selection.exclude, &self.exclude)
    }

    /// Says whether something beneath this place may be selected.
    pub fn continues(&self) -> bool {
        let open =
            |&(index, used): &State| self.selection.include.get(index).is_some_and(|pattern| used < pattern.len());
        self.include.iter().any(open) && !accepts(&self.selection.exclude, &self.exclude)
    }
}

fn accepts(patterns: &[Pattern], states: &[State]) -> bool {
    states.iter().any(|&(index, used)| patterns.get(index).is_some_and(|pattern| used == pattern.len()))
}

fn step(patterns: &[Pattern], states: &[State], name: &[u8]) -> Vec<State> {
    let mut next = Vec::new();
    for &(index, used) in states {
        if let Some(used) = patterns.get(index).and_then(|pattern| pattern.advance(used, name)) {
            next.push((index, used));
        }
    }
    close(patterns, next)
}

/// Adds what `**` reaches by standing for nothing.
fn close(patterns: &[Pattern], mut states: Vec<State>) -> Vec<State> {
    let mut at = 0;
    while let Some(&(index, used)) = states.get(at) {
        if patterns.get(index).is_some_and(|pattern| pattern.is_any_depth(used)) && !states.contains(&(index, used + 1))
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
    fn the_cursor_agrees_with_the_patterns() {
        let selection = Selection::new(
            vec![pattern("/var/www/**"), pattern("/**/a?/*.php"), pattern("/home/*/.ssh/id_*"), pattern("/")],
            vec![pattern("/var/www/**/cache/**")],
        );
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
        ] {
            let place = path(place);
            let cursor = place.components().fold(selection.cursor(), |cursor, name| cursor.enter(name));
            assert_eq!(cursor.selects(), selection.selects(&place), "{place}");
            assert_eq!(cursor.continues(), selection.reaches_into(&place), "{place}");
        }
    }
}
