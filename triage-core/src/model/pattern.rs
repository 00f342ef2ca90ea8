//! Path patterns, matched component by component as bytes.

use super::path::EvidencePath;
use super::text::escape;
use thiserror::Error;

/// The deepest `**N`.
const MAX_DEPTH: usize = 32;
/// Components of one pattern, those that `**N` stands for included.
const MAX_PARTS: usize = 256;

/// A path pattern: `/etc/cron.d/*`, `/home/*/.ssh/authorized_keys*`, `/var/www/**`, `/var/log/gc.log.[0-9]`.
///
/// In a component `*` stands for any bytes, `?` for one byte and `[a-z]` or `[!a-z]` for one byte of a class; a leading dot is nothing
/// special. A component `**` stands for any number of components, none included, so that `/var/www/**` is the folder itself and
/// everything beneath it; `**3` stands for at most three. There is no escape character: `[*]` is a star. A `[` that is never
/// closed stands for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
    /// What every path begins with that it names: its literal components, each after a slash.
    prefix: Vec<u8>,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    Glob(Vec<Atom>),
    /// Any one component, or none: `**3` is three of these.
    AtMostOne,
    AnyDepth,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Atom {
    Byte(u8),
    AnyByte,
    AnyBytes,
    Class(Class),
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
                part => match depth(part) {
                    Some(depth) if depth > MAX_DEPTH => return Err(wrong("`**N` goes to 32 at most")),
                    Some(depth) => {
                        parts.extend(std::iter::repeat_n(Part::AtMostOne, depth));
                        continue;
                    }
                    None if part.contains(['*', '?', '[']) => component(part.as_bytes()).map_err(wrong)?,
                    None => Part::Literal(part.into()),
                },
            });
        }
        if parts.len() > MAX_PARTS {
            return Err(wrong("it has too many components"));
        }
        Ok(Self::of(parts, text.to_owned()))
    }

    fn of(parts: Vec<Part>, text: String) -> Self {
        let mut prefix = Vec::new();
        for part in &parts {
            let Part::Literal(name) = part else { break };
            prefix.push(b'/');
            prefix.extend_from_slice(name);
        }
        Self { parts, prefix, text }
    }

    /// The pattern for exactly one path.
    pub fn exact(path: &EvidencePath) -> Self {
        let parts = path.components().map(|part| Part::Literal(part.to_vec())).collect();
        Self::of(parts, literally(path))
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
        let Self { mut parts, text, .. } = Self::exact(folder);
        parts.extend(self.parts.iter().cloned());
        Self::of(parts, format!("{}{}", text.trim_end_matches('/'), self.text))
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

    /// Says whether the component after `used` ones may stand for nothing.
    pub(crate) fn is_skippable(&self, used: usize) -> bool {
        matches!(self.parts.get(used), Some(Part::AnyDepth | Part::AtMostOne))
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Says whether it names this very path.
    pub fn matches(&self, path: &EvidencePath) -> bool {
        // Most paths are turned away by their beginning or their last name; that keeps many patterns cheap in a large sweep.
        if !path.as_bytes().starts_with(&self.prefix)
            || matches!((self.parts.last(), path.components().next_back()), (Some(part), Some(name)) if !part_matches(part, name))
        {
            return false;
        }
        if self.parts.iter().filter(|part| matches!(part, Part::AnyDepth | Part::AtMostOne)).count() > 1 {
            return self.states_after(path).last() == Some(&true);
        }
        let components: Vec<&[u8]> = path.components().collect();
        matches_from(&self.parts, &components)
    }

    /// Says whether it may name something beneath this directory.
    pub fn reaches_into(&self, directory: &EvidencePath) -> bool {
        if self.parts.contains(&Part::AtMostOne) {
            return self.states_after(directory).split_last().is_some_and(|(_, open)| open.contains(&true));
        }
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

    /// For each number of parts whether they can stand for this path: one pass over the components, however many `**` there are.
    fn states_after(&self, path: &EvidencePath) -> Vec<bool> {
        let mut now = vec![false; self.parts.len() + 1];
        if let Some(first) = now.first_mut() {
            *first = true;
        }
        self.skip(&mut now);
        for name in path.components() {
            let mut next = vec![false; now.len()];
            for used in now.iter().enumerate().filter(|(_, is_on)| **is_on).map(|(used, _)| used) {
                if let Some(slot) = self.advance(used, name).and_then(|used| next.get_mut(used)) {
                    *slot = true;
                }
            }
            self.skip(&mut next);
            now = next;
        }
        now
    }

    /// Adds what is reached by letting a part stand for nothing.
    fn skip(&self, states: &mut [bool]) {
        for used in 0..self.parts.len() {
            if states.get(used) == Some(&true)
                && self.is_skippable(used)
                && let Some(slot) = states.get_mut(used + 1)
            {
                *slot = true;
            }
        }
    }
}

/// The text of a pattern that names exactly this path.
fn literally(path: &EvidencePath) -> String {
    let mut text = String::new();
    for letter in path.to_string().chars() {
        match letter {
            '*' | '?' | '[' => text.extend(['[', letter, ']']),
            letter => text.push(letter),
        }
    }
    text
}

/// The N of `**N`.
fn depth(part: &str) -> Option<usize> {
    let digits = part.strip_prefix("**")?;
    // More digits than a depth has are a depth that is too large.
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(usize::MAX))
}

/// A component with wildcards, or one that only looks so.
fn component(text: &[u8]) -> Result<Part, &'static str> {
    let mut atoms = Vec::new();
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'*' if atoms.last() == Some(&Atom::AnyBytes) => {}
            b'*' => atoms.push(Atom::AnyBytes),
            b'?' => atoms.push(Atom::AnyByte),
            b'[' => match Class::read(tail)? {
                Some((class, tail)) => {
                    rest = tail;
                    atoms.push(class.only().map_or(Atom::Class(class), Atom::Byte));
                }
                None => atoms.push(Atom::Byte(byte)),
            },
            byte => atoms.push(Atom::Byte(byte)),
        }
    }
    let literal: Option<Vec<u8>> =
        atoms.iter().map(|atom| if let Atom::Byte(byte) = atom { Some(*byte) } else { None }).collect();
    Ok(literal.map_or(Part::Glob(atoms), Part::Literal))
}

/// A set of bytes, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Class([u64; 4]);

impl Class {
    fn add(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte / 64)) {
            *word |= 1 << (byte % 64);
        }
    }

    fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte / 64)).is_some_and(|word| word & (1 << (byte % 64)) != 0)
    }

    /// Its byte, where there is one only.
    fn only(&self) -> Option<u8> {
        let mut bytes = (0..=u8::MAX).filter(|&byte| self.has(byte));
        let first = bytes.next();
        first.filter(|_| bytes.next().is_none())
    }

    /// Reads what follows a `[` as POSIX has it (glob(7)); none where it is never closed.
    fn read(text: &[u8]) -> Result<Option<(Self, &[u8])>, &'static str> {
        let mut class = Self([0; 4]);
        let (is_negated, mut rest) = match text {
            [b'!' | b'^', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let mut is_first = true;
        loop {
            match rest {
                [] => return Ok(None),
                [b']', tail @ ..] if !is_first => {
                    if is_negated {
                        class.0.iter_mut().for_each(|word| *word = !*word);
                    }
                    return Ok(Some((class, tail)));
                }
                [b'[', b':', tail @ ..] => {
                    let Some(end) = tail.windows(2).position(|pair| pair == b":]") else { return Ok(None) };
                    let (name, after) = tail.split_at(end);
                    let belongs = named(name).ok_or("there is no class of that name")?;
                    (0..128).filter(belongs).for_each(|byte| class.add(byte));
                    rest = after.get(2..).unwrap_or_default();
                }
                [byte, ..] if !byte.is_ascii() => return Err("a class holds ASCII only"),
                [from, b'-', to, tail @ ..] if *to != b']' => {
                    if !to.is_ascii() {
                        return Err("a class holds ASCII only");
                    }
                    if from > to {
                        return Err("a range runs backwards");
                    }
                    (*from..=*to).for_each(|byte| class.add(byte));
                    rest = tail;
                }
                [byte, tail @ ..] => {
                    class.add(*byte);
                    rest = tail;
                }
            }
            is_first = false;
        }
    }
}

fn named(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"digit" => u8::is_ascii_digit,
        b"lower" => u8::is_ascii_lowercase,
        b"punct" => u8::is_ascii_punctuation,
        b"space" => u8::is_ascii_whitespace,
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

fn part_matches(part: &Part, component: &[u8]) -> bool {
    match part {
        Part::Literal(literal) => literal == component,
        Part::Glob(glob) => glob_matches(glob, component),
        Part::AtMostOne | Part::AnyDepth => true,
    }
}

/// Backtracks at most at one part; with more of them the states are counted instead.
fn matches_from(parts: &[Part], components: &[&[u8]]) -> bool {
    match (parts.split_first(), components.split_first()) {
        (None, None) => true,
        (Some((Part::AnyDepth | Part::AtMostOne, rest)), _) if matches_from(rest, components) => true,
        (Some((Part::AnyDepth, _)), Some((_, tail))) => matches_from(parts, tail),
        (Some((part, rest)), Some((head, tail))) => part_matches(part, head) && matches_from(rest, tail),
        _ => false,
    }
}

/// A component's wildcards over bytes, in linear space and at worst quadratic time.
fn glob_matches(glob: &[Atom], text: &[u8]) -> bool {
    let (mut g, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        let fits = match glob.get(g) {
            Some(Atom::AnyBytes) => {
                star = Some((g, t));
                g += 1;
                continue;
            }
            Some(Atom::AnyByte) => true,
            Some(Atom::Byte(want)) => *want == byte,
            Some(Atom::Class(class)) => class.has(byte),
            None => false,
        };
        match star {
            _ if fits => {
                g += 1;
                t += 1;
            }
            Some((at, from)) => {
                g = at + 1;
                t = from + 1;
                star = Some((at, from + 1));
            }
            None => return false,
        }
    }
    glob.get(g..).unwrap_or_default().iter().all(|atom| *atom == Atom::AnyBytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn path(text: impl AsRef<[u8]>) -> EvidencePath {
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
        assert!(!pattern(&many).matches(&path(format!("/{}", "a".repeat(4000)))));
    }

    #[test]
    fn a_pattern_of_many_double_stars_does_not_take_forever() {
        let many = format!("{}/b", "/**/a".repeat(40));
        assert!(!pattern(&many).matches(&path("/a".repeat(2000))));
        let bounded = format!("{}/b", "/**32".repeat(7));
        assert!(!pattern(&bounded).matches(&path("/a".repeat(200))));
    }

    #[test]
    fn a_depth_is_a_limit_and_none_is_enough() {
        let gems = pattern("/var/lib/gems/**2/*.gemspec");
        for hit in ["/var/lib/gems/x.gemspec", "/var/lib/gems/a/x.gemspec", "/var/lib/gems/a/b/x.gemspec"] {
            assert!(gems.matches(&path(hit)), "{hit}");
        }
        assert!(!gems.matches(&path("/var/lib/gems/a/b/c/x.gemspec")));
        let tail = pattern("/t/**3");
        assert!(tail.matches(&path("/t")) && tail.matches(&path("/t/a/b/c")) && !tail.matches(&path("/t/a/b/c/d")));
        assert!(tail.reaches_into(&path("/t/a/b")) && !tail.reaches_into(&path("/t/a/b/c")));
        assert!(pattern("/**2/x").reaches_into(&path("/a/b")) && !pattern("/**2/x").reaches_into(&path("/a/b/c")));
        assert!(Pattern::new("/a/**33").is_err() && Pattern::new("/a/**99999999999999999999999").is_err());
        assert!(Pattern::new(&"/**32".repeat(9)).is_err());
    }

    #[test]
    fn classes() {
        let log = pattern("/l/gc.log.[0-9]");
        assert!(
            log.matches(&path("/l/gc.log.7"))
                && !log.matches(&path("/l/gc.log.x"))
                && !log.matches(&path("/l/gc.log."))
        );
        assert!(pattern("/*.[Ll][Oo][Gg]*").matches(&path("/a.LoG.1")));
        assert!(pattern("/[!a-c]x").matches(&path("/dx")) && !pattern("/[^a-c]x").matches(&path("/bx")));
        assert!(pattern("/[!a]").matches(&path(b"/\xff")));
        assert!(pattern("/[]a]").matches(&path("/]")) && pattern("/[a-]").matches(&path("/-")));
        assert!(pattern("/[[:digit:]_]").matches(&path("/_")) && pattern("/[[:digit:]]").matches(&path("/4")));
        assert!(pattern("/a[b").matches(&path("/a[b")));
        assert!(pattern("/[*]").matches(&path("/*")) && !pattern("/[*]").matches(&path("/a")));
        for wrong in ["/[z-a]", "/[ä]", "/[a-ä]", "/[[:nothing:]]"] {
            assert!(Pattern::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_text_of_an_exact_path_is_its_pattern_again() {
        for name in ["/var/www/a[1].php", "/x/*", "/x/what?", "/x/**"] {
            let exact = Pattern::exact(&path(name));
            let again = pattern(exact.as_str());
            assert!(again.matches(&path(name)), "{name}");
            assert_eq!(again.parts, exact.parts, "{name}");
        }
    }

    #[test]
    fn patterns_that_leave_the_root_are_refused() {
        assert!(Pattern::new("etc/passwd").is_err());
        assert!(Pattern::new("/etc/../x").is_err());
    }
}
