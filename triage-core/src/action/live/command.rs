//! A program with its arguments.

use crate::model::RawText;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// A program, from the root, and its arguments: what the kernel gets, with no shell between.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Argv(Vec<RawText>);

impl Argv {
    /// Takes words that a program can be called with.
    ///
    /// # Errors
    /// Without a program, with one that is not named from the root, and with a NUL byte anywhere.
    pub fn new(words: Vec<RawText>) -> Result<Self, String> {
        let Some(program) = words.first() else { return Err("there is no program".to_owned()) };
        if !program.as_bytes().starts_with(b"/") || program.as_bytes().split(|&b| b == b'/').any(|part| part == b"..") {
            return Err(format!("`{program}` does not name a program from the root"));
        }
        if words.iter().any(|word| word.as_bytes().contains(&0)) {
            return Err("an argument has a NUL byte".to_owned());
        }
        Ok(Self(words))
    }

    /// The words of a line of a playbook: by blanks, and `'…'` around a word that has some. Nothing else means anything.
    ///
    /// # Errors
    /// As [`Argv::new`], and when a quotation mark stands alone.
    pub fn parse(line: &str) -> Result<Self, String> {
        let mut words = Vec::new();
        let mut rest = line.trim();
        while !rest.is_empty() {
            let (word, tail) = match rest.strip_prefix('\'') {
                Some(quoted) => quoted.split_once('\'').ok_or("a quotation mark has no other")?,
                None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
            };
            words.push(RawText::from(word));
            rest = tail.trim_start();
        }
        Self::new(words)
    }

    /// The program.
    pub fn program(&self) -> &RawText {
        // `new` lets nothing pass that has none.
        static NONE: std::sync::LazyLock<RawText> = std::sync::LazyLock::new(|| RawText::from(""));
        self.0.first().unwrap_or(&NONE)
    }

    /// What it is told.
    pub fn arguments(&self) -> &[RawText] {
        self.0.get(1..).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Argv {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Argv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            let is_plain = !word.as_bytes().is_empty() && !word.as_bytes().iter().any(u8::is_ascii_whitespace);
            if is_plain { write!(f, "{word}")? } else { write!(f, "'{word}'")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_words_and_what_a_shell_would_do_is_not_done() {
        let argv = Argv::parse("/usr/sbin/fwconsole ma  downloadinstall 'a b' $(id) ;x").unwrap();
        let words: Vec<String> = argv.arguments().iter().map(ToString::to_string).collect();
        assert_eq!(words, ["ma", "downloadinstall", "a b", "$(id)", ";x"]);
        assert_eq!(argv.to_string(), "/usr/sbin/fwconsole ma downloadinstall 'a b' $(id) ;x");
    }

    #[test]
    fn what_is_no_program_from_the_root_is_refused() {
        for line in ["", "fwconsole reload", "/usr/../tmp/x", "'/bin/true"] {
            assert!(Argv::parse(line).is_err(), "{line}");
        }
        assert!(serde_json::from_str::<Argv>("[]").is_err());
        assert!(serde_json::from_str::<Argv>(r#"["/bin/a\u0000"]"#).is_err());
    }
}
