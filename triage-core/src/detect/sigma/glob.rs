//! Values with wildcards: `*` is anything, `?` one byte, `\` takes their meaning away from these three and stands for itself elsewhere.
//!
//! Sigma compares without regard to case unless a rule asks for it; here that is the case of ASCII letters, because a log is bytes.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    One,
    Many,
}

/// A compiled value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob {
    tokens: Vec<Token>,
    is_cased: bool,
}

impl Glob {
    pub(super) fn parse(text: &str, is_cased: bool) -> Self {
        let mut tokens = Vec::with_capacity(text.len());
        let mut bytes = text.bytes().peekable();
        while let Some(byte) = bytes.next() {
            let token = match (byte, bytes.peek()) {
                (b'\\', Some(&next @ (b'*' | b'?' | b'\\'))) => {
                    bytes.next();
                    Token::Byte(next)
                }
                (b'*', _) => Token::Many,
                (b'?', _) => Token::One,
                (byte, _) => Token::Byte(byte),
            };
            if !(token == Token::Many && tokens.last() == Some(&Token::Many)) {
                tokens.push(token);
            }
        }
        Self::of(tokens, is_cased)
    }

    /// Bytes that mean themselves.
    pub(super) fn literal(bytes: &[u8], is_cased: bool) -> Self {
        Self::of(bytes.iter().map(|byte| Token::Byte(*byte)).collect(), is_cased)
    }

    fn of(mut tokens: Vec<Token>, is_cased: bool) -> Self {
        if !is_cased {
            for token in &mut tokens {
                if let Token::Byte(byte) = token {
                    byte.make_ascii_lowercase();
                }
            }
        }
        Self { tokens, is_cased }
    }

    /// With anything before or after it.
    pub(super) fn open(mut self, before: bool, after: bool) -> Self {
        if before && self.tokens.first() != Some(&Token::Many) {
            self.tokens.insert(0, Token::Many);
        }
        if after && self.tokens.last() != Some(&Token::Many) {
            self.tokens.push(Token::Many);
        }
        self
    }

    /// Says whether the whole text fits. The time it takes is bounded by the product of both lengths.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let fold = |byte: u8| if self.is_cased { byte } else { byte.to_ascii_lowercase() };
        let (mut at, mut token) = (0, 0);
        let mut back: Option<(usize, usize)> = None;
        loop {
            let next = self.tokens.get(token);
            let step = match (next, text.get(at)) {
                (None, None) => return true,
                (Some(Token::Many), _) => {
                    token += 1;
                    back = Some((at, token));
                    continue;
                }
                (Some(Token::One), Some(_)) => true,
                (Some(Token::Byte(wanted)), Some(byte)) => *wanted == fold(*byte),
                _ => false,
            };
            if step {
                at += 1;
                token += 1;
                continue;
            }
            let Some((from, after)) = back.filter(|(from, _)| *from < text.len()) else { return false };
            at = from + 1;
            token = after;
            back = Some((at, after));
        }
    }

    /// The longest run of bytes that stands in every text that fits, in lower case.
    pub(super) fn word(&self) -> Vec<u8> {
        let runs = self.tokens.split(|token| !matches!(token, Token::Byte(_)));
        let longest = runs.max_by_key(|run| run.len()).unwrap_or_default();
        let bytes = longest.iter().filter_map(|token| match token {
            Token::Byte(byte) => Some(byte.to_ascii_lowercase()),
            _ => None,
        });
        bytes.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(pattern: &str, text: &str) -> bool {
        Glob::parse(pattern, false).matches(text.as_bytes())
    }

    #[test]
    fn wildcards_and_backslashes_mean_what_sigma_says() {
        assert!(fits("*.PHP", "/a/b.php") && !fits("*.php", "/b.phps"));
        assert!(fits("a?c*", "abcd") && !fits("a?c", "ac"));
        assert!(fits(r"a\*b", "a*b") && !fits(r"a\*b", "axb"));
        assert!(fits(r"FreePBX\modules", r"freepbx\modules") && fits(r"x\\*", r"x\anything"));
        assert!(fits("", "") && !fits("", "x") && fits("*", ""));
        assert!(!Glob::parse("Abc", true).matches(b"abc"));
        assert_eq!(Glob::parse(r"*ab\*c*d", false).word(), b"ab*c");
    }

    #[test]
    fn a_pattern_of_stars_ends() {
        let pattern = format!("{}b", "*a".repeat(200));
        assert!(!fits(&pattern, &"a".repeat(20_000)));
    }

    proptest! {
        #[test]
        fn what_stands_open_on_both_sides_is_contained(before in ".{0,9}", word in "[a-z.\\-]{1,9}", after in ".{0,9}") {
            let glob = Glob::parse(&word, false).open(true, true);
            let text = format!("{before}{word}{after}");
            prop_assert!(glob.matches(text.as_bytes()));
        }
    }
}
