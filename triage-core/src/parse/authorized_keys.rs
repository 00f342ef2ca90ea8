//! `authorized_keys`, as `sshd(8)` describes it.

use super::Limits;
use super::line::{each_line, trim_start, word};
use crate::model::{AuthorizedKey, Digest, EvidencePath, Outcome};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// OpenSSH reads a key with or without its padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Reads the keys. A key whose type is not the one inside it is a gap, as sshd refuses it.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<AuthorizedKey>> {
    each_line(path, bytes, limits, |line| {
        let text = trim_start(line.text.trim_ascii_end());
        if text.is_empty() || text.starts_with(b"#") {
            return Ok(None);
        }
        let starts_with_key = word(text).is_some_and(|(first, _)| is_algorithm(first));
        let (options, text) = if starts_with_key { (&b""[..], text) } else { split_options(text)? };
        let (algorithm, text) = word(text).ok_or("it has no key")?;
        if !is_algorithm(algorithm) {
            return Err("neither options nor a key type of protocol 2");
        }
        let (encoded, comment) = word(text).ok_or("it has a key type and no key")?;
        let blob = LENIENT.decode(encoded).map_err(|_| "the key is not base64")?;
        if inner_algorithm(&blob) != Some(algorithm) {
            return Err("the key is not of the type that stands before it");
        }
        Ok(Some(AuthorizedKey {
            path: path.clone(),
            line: line.number,
            algorithm: String::from_utf8_lossy(algorithm).into_owned(),
            fingerprint: format!("SHA256:{}", STANDARD_NO_PAD.encode(Digest::of(&blob).as_bytes())),
            comment: comment.into(),
            options: options.into(),
            text: line.text.into(),
        }))
    })
}

/// Options end at the first blank that is not inside double quotes; `\"` does not end a quote.
fn split_options(text: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'"' if !is_escaped => is_quoted = !is_quoted,
            b' ' | b'\t' if !is_quoted => {
                return text.split_at_checked(at).ok_or("it has no key");
            }
            _ => {}
        }
        is_escaped = byte == b'\\' && !is_escaped;
    }
    Err(if is_quoted { "a quote in the options is not closed" } else { "it has no key" })
}

/// The command in a key's options, which runs in the place of what whoever comes with the key asks for; `\"` in it is a quote.
pub fn forced_command(options: &[u8]) -> Option<Vec<u8>> {
    let mut rest = options;
    loop {
        let name = rest.get(..9).is_some_and(|head| head.eq_ignore_ascii_case(b"command=\""));
        let mut value = Vec::new();
        let mut is_quoted = false;
        let mut end = rest.len();
        let mut bytes = rest.iter().copied().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'\\' if is_quoted && rest.get(at + 1) == Some(&b'"') => {
                    value.extend(bytes.next().map(|(_, byte)| byte));
                }
                b'"' => is_quoted = !is_quoted,
                b',' if !is_quoted => {
                    end = at;
                    break;
                }
                byte if is_quoted => value.push(byte),
                _ => {}
            }
        }
        if name {
            return Some(value);
        }
        rest = rest.get(end + 1..)?;
    }
}

fn is_algorithm(word: &[u8]) -> bool {
    const PREFIXES: [&[u8]; 5] = [b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-sha2-", b"webauthn-sk-"];
    PREFIXES.iter().any(|prefix| word.starts_with(prefix))
        && word.iter().all(|b| b.is_ascii_alphanumeric() || b"-@._".contains(b))
}

/// The type at the start of the key itself: a length in four bytes, then the name (RFC 4253, section 6.6).
fn inner_algorithm(blob: &[u8]) -> Option<&[u8]> {
    let (length, rest) = blob.split_first_chunk::<4>()?;
    rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn the_forced_command_is_found_among_options_with_commas_and_quotes() {
        let found = |options: &str| forced_command(options.as_bytes()).map(|v| String::from_utf8(v).unwrap());
        assert_eq!(found("no-pty,from=\"a,b\",command=\"echo \\\"x, y\\\"\",no-pty").unwrap(), "echo \"x, y\"");
        assert_eq!(found("environment=\"X=command=\",no-pty"), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn fingerprint_is_what_ssh_keygen_prints() {
        // A key made for this test, its private half thrown away; the fingerprint is what `ssh-keygen -lf` printed for it.
        let path = EvidencePath::new("/root/.ssh/authorized_keys").unwrap();
        let text = include_bytes!("../../../testdata/authorized_keys/plain_ed25519.in");
        let keys = parse(&path, text, &Limits::default()).value;
        assert_eq!(keys[0].fingerprint, "SHA256:YxXM5Y6X20CJllheImOWBySuZV/42O8BzDXLaalbUM4");
    }
}
