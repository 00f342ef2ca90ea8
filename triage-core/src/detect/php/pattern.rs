//! Regular expressions as PHP writes them: `/body/flags`.

/// Body and flags of a pattern.
pub(super) fn parts(pattern: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = pattern.trim_ascii_start();
    let (&open, rest) = text.split_first()?;
    if open.is_ascii_alphanumeric() || open == b'\\' {
        return None;
    }
    let close = match open {
        b'(' => b')',
        b'[' => b']',
        b'{' => b'}',
        b'<' => b'>',
        other => other,
    };
    let end = rest.iter().rposition(|&b| b == close)?;
    Some((rest.get(..end)?, rest.get(end + 1..)?))
}

/// Says whether the pattern's replacement is run as code.
pub(super) fn runs_replacement(pattern: &[u8]) -> bool {
    parts(pattern).is_some_and(|(_, flags)| {
        flags.contains(&b'e') && flags.len() < 10 && flags.iter().all(|b| b.is_ascii_alphabetic() || *b == b'\0')
    })
}
