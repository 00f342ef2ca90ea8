//! Path patterns, matched component by component as bytes.

use super::path::EvidencePath;
use super::text::escape;
use thiserror::Error;

/// A path pattern: `/etc/cron.d/*`, `/home/*/.ssh/authorized_keys*`, `/var/www/**`.
///
/// In a component `*` stands for any bytes and `?` for one byte; a leading dot is nothing special. A component `**` stands for
/// any number of components, none included, so that `/var/www/**` is the folder itself and everything beneath it.
/// There is no escape character and there are no classes: what is not `*` or `?` stands for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    Glob(Vec<u8>),
    AnyDepth,
}

/// What is wrong with a pattern.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("pattern `{text}`: {detail}")]
pub struct PatternError {
    text: String,
    detail: &'static str,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it does not begin with `/`, or has `..` or a NUL in it.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let wrong = |detail| PatternError { text: escape(text.as_bytes()), detail };
        if !text.starts_with('/') {
            return Err(wrong("it has to begin with `/`"));
        }
        if text.contains('\0') {
            return Err(wrong("it has a NUL byte"));
        }
        let mut parts = Vec::new();
        for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
            parts.push(match part {
                ".." => return Err(wrong("`..` would leave the root")),
                "**" if parts.last() == Some(&Part::AnyDepth) => continue,
                "**" => Part::AnyDepth,
                part if part.contains(['*', '?']) => Part::Glob(part.into()),
                part => Part::Literal(part.into()),
            });
        }
        Ok(Self { parts, text: text.to_owned() })
    }

    /// The pattern for exactly one path.
    pub fn exact(path: &EvidencePath) -> Self {
        let parts = path.components().map(|part| Part::Literal(part.to_vec())).collect();
        Self { parts, text: path.to_string() }
    }

    /// The pattern for a folder and everything beneath it.
    pub fn tree(path: &EvidencePath) -> Self {
        let mut pattern = Self::exact(path);
        pattern.parts.push(Part::AnyDepth);
        pattern.text = format!("{}/**", pattern.text.trim_end_matches('/'));
        pattern
    }

    /// The same pattern with `folder` for its root.
    #[must_use]
    pub fn beneath(&self, folder: &EvidencePath) -> Self {
        let mut pattern = Self::exact(folder);
        pattern.parts.extend(self.parts.iter().cloned());
        pattern.text = format!("{}{}", pattern.text.trim_end_matches('/'), self.text);
        pattern
    }

    /// Number of components, `**` counting as one.
    pub(crate) fn len(&self) -> usize {
        self.parts.len()
    }

    /// How many components are used up after `name`, where `used` were before it; none where `name` does not fit.
    pub(crate) fn advance(&self, used: usize, name: &[u8]) -> Option<usize> {
        match self.parts.get(used)? {
            Part::AnyDepth => Some(used),
            part => part_matches(part, name).then_some(used + 1),
        }
    }

    /// Says whether the component after `used` ones is `**`.
    pub(crate) fn is_any_depth(&self, used: usize) -> bool {
        self.parts.get(used) == Some(&Part::AnyDepth)
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Says whether it names this very path.
    pub fn matches(&self, path: &EvidencePath) -> bool {
        // Most paths are turned away by their first or last name alone; that keeps many patterns cheap in a large sweep.
        let is_wrong = |part: Option<&Part>, name: Option<&[u8]>| matches!((part, name), (Some(part), Some(name)) if !part_matches(part, name));
        if is_wrong(self.parts.last(), path.components().next_back())
            || is_wrong(self.parts.first(), path.components().next())
        {
            return false;
        }
        let components: Vec<&[u8]> = path.components().collect();
        matches_from(&self.parts, &components)
    }

    /// Says whether it may name something beneath this directory.
    pub fn reaches_into(&self, directory: &EvidencePath) -> bool {
        let mut parts = self.parts.iter();
        for component in directory.components() {
            match parts.next() {
                None => return false,
                Some(Part::AnyDepth) => return true,
                Some(part) if !part_matches(part, component) => return false,
                Some(_) => {}
            }
        }
        parts.next().is_some()
    }
}

fn part_matches(part: &Part, component: &[u8]) -> bool {
    match part {
        Part::Literal(literal) => literal == component,
        Part::Glob(glob) => glob_matches(glob, component),
        Part::AnyDepth => true,
    }
}

fn matches_from(parts: &[Part], components: &[&[u8]]) -> bool {
    // `**` backtracks; patterns are few and short and the number of `**` in one is checked by the loader, so the
    // plain recursion is enough.
    match (parts.split_first(), components.split_first()) {
        (None, None) => true,
        (Some((Part::AnyDepth, rest)), _) if matches_from(rest, components) => true,
        (Some((Part::AnyDepth, _)), Some((_, tail))) => matches_from(parts, tail),
        (Some((part, rest)), Some((head, tail))) => part_matches(part, head) && matches_from(rest, tail),
        _ => false,
    }
}

/// `*` and `?` over bytes, in linear space and at worst quadratic time.
fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut g, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, t));
                g += 1;
            }
            Some(&want) if want == b'?' || want == byte => {
                g += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    g = at + 1;
                    t = from + 1;
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    glob.get(g..).unwrap_or_default().iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn path(text: &str) -> EvidencePath {
        EvidencePath::new(text).unwrap()
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    #[test]
    fn globs_stay_within_a_component() {
        assert!(pattern("/home/*/.ssh/authorized_keys*").matches(&path("/home/bob/.ssh/authorized_keys2")));
        assert!(!pattern("/home/*/x").matches(&path("/home/a/b/x")));
        assert!(pattern("/etc/*.conf").matches(&path("/etc/.conf")));
        assert!(pattern("/a/?b*c*d").matches(&path("/a/xb--c-c-d")));
        assert!(!pattern("/a/?b").matches(&path("/a/b")));
    }

    #[test]
    fn any_depth_includes_the_folder_itself() {
        let web = pattern("/var/www/**");
        assert!(web.matches(&path("/var/www")));
        assert!(web.matches(&path("/var/www/html/a/b.php")));
        assert!(!web.matches(&path("/var")));
        assert!(pattern("/**/wp-config.php").matches(&path("/srv/a/wp-config.php")));
        assert!(pattern("/**/wp-config.php").matches(&path("/wp-config.php")));
    }

    #[test]
    fn a_name_of_stars_does_not_take_forever() {
        let many = format!("/{}b", "*a".repeat(60));
        assert!(!pattern(&many).matches(&path(&format!("/{}", "a".repeat(4000)))));
    }

    #[test]
    fn patterns_that_leave_the_root_are_refused() {
        assert!(Pattern::new("etc/passwd").is_err());
        assert!(Pattern::new("/etc/../x").is_err());
    }
}
