//! The condition of a rule: `selection and not 1 of filter_*`.

use super::search::Search;

/// How deep brackets may stand.
const DEPTH: usize = 32;
/// The most names, brackets and words of a condition.
const TOKENS: usize = 2000;

/// A condition over searches, which are named by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    /// At least so many.
    Some(usize, Vec<Expr>),
    Not(Box<Expr>),
    Search(usize),
}

impl Expr {
    /// Reads a condition; `names` are those of the searches, by number.
    pub(super) fn parse(text: &str, names: &[String]) -> Result<Self, String> {
        if text.contains('|') {
            return Err("aggregations behind `|` are not evaluated; write a rule without one".to_owned());
        }
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let tokens: Vec<&str> = spaced.split_whitespace().collect();
        if tokens.len() > TOKENS {
            return Err(format!("the condition has more than {TOKENS} words"));
        }
        let mut parser = Parser { tokens: &tokens, at: 0, names };
        let expr = parser.any(0)?;
        match parser.peek() {
            None => Ok(expr),
            Some(word) => Err(format!("`{word}` is not expected there in the condition")),
        }
    }

    pub(super) fn holds(&self, search: &impl Fn(usize) -> bool) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(search)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(search)),
            Self::Some(least, parts) => parts.iter().filter(|part| part.holds(search)).count() >= *least,
            Self::Not(part) => !part.holds(search),
            Self::Search(number) => search(*number),
        }
    }

    /// Words of which at least one stands in every line that it is true of; none where nothing can be said.
    pub(super) fn words(&self, searches: &[Search]) -> Option<Vec<Vec<u8>>> {
        match self {
            Self::All(parts) => better(parts.iter().map(|part| part.words(searches))),
            Self::Any(parts) => union(parts.iter().map(|part| part.words(searches))),
            Self::Some(least, parts) if *least > 0 => union(parts.iter().map(|part| part.words(searches))),
            Self::Some(..) | Self::Not(_) => None,
            Self::Search(number) => searches.get(*number)?.words(),
        }
    }
}

/// Of several sets of words, each of which holds, the one whose shortest word is longest: it is met least.
pub(super) fn better(sets: impl Iterator<Item = Option<Vec<Vec<u8>>>>) -> Option<Vec<Vec<u8>>> {
    sets.flatten().max_by_key(|words| words.iter().map(Vec::len).min().unwrap_or(0))
}

/// All words of several sets, one of which holds.
pub(super) fn union(sets: impl Iterator<Item = Option<Vec<Vec<u8>>>>) -> Option<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for set in sets {
        all.append(&mut set?);
    }
    (!all.is_empty()).then_some(all)
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    at: usize,
    names: &'a [String],
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.at).copied()
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_it = self.peek().is_some_and(|token| token.eq_ignore_ascii_case(word));
        self.at += usize::from(is_it);
        is_it
    }

    fn any(&mut self, depth: usize) -> Result<Expr, String> {
        let first = self.all(depth)?;
        let mut parts = vec![first];
        while self.takes("or") {
            parts.push(self.all(depth)?);
        }
        Ok(one_or(parts, Expr::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Expr, String> {
        let first = self.not(depth)?;
        let mut parts = vec![first];
        while self.takes("and") {
            parts.push(self.not(depth)?);
        }
        Ok(one_or(parts, Expr::All))
    }

    fn not(&mut self, depth: usize) -> Result<Expr, String> {
        if depth > DEPTH {
            return Err(format!("the condition is nested deeper than {DEPTH}"));
        }
        if self.takes("not") {
            return Ok(Expr::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.takes("(") {
            let inner = self.any(depth + 1)?;
            return if self.takes(")") {
                Ok(inner)
            } else {
                Err("a bracket is not closed in the condition".to_owned())
            };
        }
        self.name()
    }

    fn name(&mut self) -> Result<Expr, String> {
        let Some(word) = self.peek() else { return Err("the condition ends too early".to_owned()) };
        self.at += 1;
        let is_of = self.peek().is_some_and(|next| next.eq_ignore_ascii_case("of"));
        if !is_of {
            let number = self.names.iter().position(|name| name == word);
            return number.map(Expr::Search).ok_or_else(|| format!("there is no search `{word}`"));
        }
        self.at += 1;
        let Some(pattern) = self.peek() else { return Err("`of` is followed by nothing".to_owned()) };
        self.at += 1;
        let parts: Vec<Expr> = (0..)
            .zip(self.names)
            .filter(|(_, name)| {
                if pattern.eq_ignore_ascii_case("them") {
                    !name.starts_with('_')
                } else {
                    super::glob::Glob::parse(pattern, true).matches(name.as_bytes())
                }
            })
            .map(|(number, _)| Expr::Search(number))
            .collect();
        if parts.is_empty() {
            return Err(format!("there is no search `{pattern}`"));
        }
        match word.to_ascii_lowercase().as_str() {
            "all" => Ok(one_or(parts, Expr::All)),
            "any" | "1" => Ok(one_or(parts, Expr::Any)),
            number => match number.parse() {
                Ok(least @ 1..) if least <= parts.len() => Ok(Expr::Some(least, parts)),
                _ => Err(format!("`{word} of` is not understood")),
            },
        }
    }
}

fn one_or(mut parts: Vec<Expr>, make: impl FnOnce(Vec<Expr>) -> Expr) -> Expr {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            parts.push(last);
            make(parts)
        }
        (_, None) => make(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, truths: &[(&str, bool)]) -> Result<bool, String> {
        let names: Vec<String> = truths.iter().map(|(name, _)| (*name).to_owned()).collect();
        let expr = Expr::parse(text, &names)?;
        Ok(expr.holds(&|number| truths.get(number).is_some_and(|(_, truth)| *truth)))
    }

    #[test]
    fn conditions_bind_as_in_sigma() {
        let truths = [("selection", true), ("filter_a", false), ("filter_b", true), ("_hidden", false)];
        for (text, expected) in [
            ("selection", true),
            ("not selection or filter_b and selection", true),
            ("not (selection or filter_a)", false),
            ("selection and not 1 of filter_*", false),
            ("selection and not all of filter_*", true),
            ("all of them", false),
            ("2 of them", true),
            ("3 of them", false),
            ("any of filter_* AND selection", true),
            ("not not selection", true),
        ] {
            assert_eq!(holds(text, &truths), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error_and_never_a_guess() {
        for text in [
            "",
            "selection and",
            "(selection",
            "selection)",
            "nothing",
            "selection | count() > 5",
            "9 of them",
            "x of them",
            "1 of y*",
        ] {
            assert!(holds(text, &[("selection", true)]).is_err(), "{text}");
        }
        assert!(holds(&"(".repeat(500), &[("a", true)]).is_err());
        assert!(holds(&"not ".repeat(500), &[("a", true)]).is_err());
    }
}
