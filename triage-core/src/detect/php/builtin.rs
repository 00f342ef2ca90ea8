//! PHP's own functions on strings, numbers and arrays, for constant arguments.
//!
//! Only what computes; nothing here reads, writes, asks or calls. Sizes are bounded: what would grow beyond the bound is unknown.

use super::value::{Arr, K, Key, Val, made};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use std::rc::Rc;

/// Bytes of a text that is made.
pub(super) const MAX_TEXT: usize = 8 * 1024 * 1024;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a function gives for these arguments; none where it is not known here, or the arguments are not.
///
/// The number beside the name of a group of functions is what [`made`] says of their result.
pub(super) fn call(name: &[u8], args: &[Val]) -> Option<Val> {
    let inherited = args.iter().fold(0, |all, arg| all | arg.made);
    let (k, how) = text(name, args).or_else(|| array(name, args)).or_else(|| number(name, args))?;
    Some(Val { k, t: None, made: inherited | how })
}

fn str_k(text: Vec<u8>) -> Option<K> {
    (text.len() <= MAX_TEXT).then(|| K::Str(Rc::new(text)))
}

fn arg_text(args: &[Val], at: usize) -> Option<Rc<Vec<u8>>> {
    args.get(at)?.bytes()
}

fn arg_int(args: &[Val], at: usize) -> Option<i64> {
    args.get(at)?.int()
}

fn arg_arr(args: &[Val], at: usize) -> Option<Rc<Arr>> {
    match &args.get(at)?.k {
        K::Arr(arr) => Some(Rc::clone(arr)),
        _ => None,
    }
}

pub(super) fn base64_decode(text: &[u8]) -> Vec<u8> {
    let clean: Vec<u8> =
        text.iter().copied().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).collect();
    // A single character over is no byte; PHP drops it.
    let whole = clean.len() - usize::from(clean.len() % 4 == 1);
    LENIENT.decode(clean.get(..whole).unwrap_or_default()).unwrap_or_default()
}

/// Unpacks up to the bound. What was unpacked before an error counts, where it is any.
fn unpack(mut reader: impl std::io::Read) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    while out.len() < MAX_TEXT {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => out.extend_from_slice(buffer.get(..count)?),
            Err(_) if out.len() > 16 => break,
            Err(_) => return None,
        }
    }
    Some(out)
}

fn inflate(name: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    match name {
        b"gzinflate" => unpack(DeflateDecoder::new(data)),
        b"gzuncompress" => unpack(ZlibDecoder::new(data)),
        b"gzdecode" => unpack(GzDecoder::new(data)),
        _ => unpack(ZlibDecoder::new(data))
            .or_else(|| unpack(GzDecoder::new(data)))
            .or_else(|| unpack(DeflateDecoder::new(data))),
    }
}

fn rot13(text: &[u8]) -> Vec<u8> {
    let turn = |b: u8, base: u8| (b - base + 13) % 26 + base;
    text.iter()
        .map(|&b| match b {
            b'a'..=b'z' => turn(b, b'a'),
            b'A'..=b'Z' => turn(b, b'A'),
            _ => b,
        })
        .collect()
}

pub(super) fn hex_decode(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() % 2 != 0 {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.chunks_exact(2).map(|pair| Some(digit(*pair.first()?)? * 16 + digit(*pair.get(1)?)?)).collect()
}

fn url_decode(text: &[u8], plus: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&b) = text.get(at) {
        match b {
            b'+' if plus => out.push(b' '),
            b'%' => {
                if let Some(decoded) = text.get(at + 1..at + 3).and_then(hex_decode) {
                    out.extend(decoded);
                    at += 2;
                } else {
                    out.push(b);
                }
            }
            _ => out.push(b),
        }
        at += 1;
    }
    out
}

fn html_decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&b) = text.get(at) {
        let rest = text.get(at..).unwrap_or_default();
        if b == b'&'
            && let Some(end) = rest.iter().take(12).position(|&b| b == b';')
        {
            let entity = rest.get(1..end).unwrap_or_default();
            let code = match entity {
                b"lt" => Some('<'),
                b"gt" => Some('>'),
                b"amp" => Some('&'),
                b"quot" => Some('"'),
                b"apos" => Some('\''),
                _ => {
                    let number = entity.strip_prefix(b"#").and_then(|digits| std::str::from_utf8(digits).ok());
                    number
                        .and_then(|digits| match digits.strip_prefix(['x', 'X']) {
                            Some(hex) => u32::from_str_radix(hex, 16).ok(),
                            None => digits.parse().ok(),
                        })
                        .and_then(char::from_u32)
                }
            };
            if let Some(c) = code {
                let mut buffer = [0; 4];
                out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
                at += end + 1;
                continue;
            }
        }
        out.push(b);
        at += 1;
    }
    out
}

pub(super) fn replace(subject: &[u8], needle: &[u8], with: &[u8], fold: bool) -> Vec<u8> {
    if needle.is_empty() {
        return subject.to_vec();
    }
    let mut out = Vec::with_capacity(subject.len());
    let mut at = 0;
    while let Some(&b) = subject.get(at) {
        let here = subject.get(at..at + needle.len());
        let hit = here.is_some_and(|part| if fold { part.eq_ignore_ascii_case(needle) } else { part == needle });
        if hit && out.len() < MAX_TEXT {
            out.extend_from_slice(with);
            at += needle.len();
        } else {
            out.push(b);
            at += 1;
        }
    }
    out
}

fn str_replace(args: &[Val], fold: bool) -> Option<K> {
    let replaced = |mut subject: Vec<u8>| -> Option<Vec<u8>> {
        match (&args.first()?.k, &args.get(1)?.k) {
            (K::Arr(from), K::Arr(to)) => {
                for (at, (_, needle)) in from.items.iter().enumerate().take(4096) {
                    let with = to.items.get(at).map_or_else(|| Some(Rc::default()), |(_, value)| value.bytes())?;
                    subject = replace(&subject, &*needle.bytes()?, &with, fold);
                }
            }
            (K::Arr(from), _) => {
                for (_, needle) in from.items.iter().take(4096) {
                    subject = replace(&subject, &*needle.bytes()?, &*arg_text(args, 1)?, fold);
                }
            }
            _ => subject = replace(&subject, &*arg_text(args, 0)?, &*arg_text(args, 1)?, fold),
        }
        Some(subject)
    };
    if let K::Arr(subjects) = &args.get(2)?.k {
        let mut out = Arr::default();
        for (key, value) in &subjects.items {
            out.set(key.clone(), Val::str(replaced(value.bytes()?.to_vec())?));
        }
        return Some(K::Arr(Rc::new(out)));
    }
    str_k(replaced(arg_text(args, 2)?.to_vec())?)
}

fn strtr(args: &[Val]) -> Option<K> {
    let subject = arg_text(args, 0)?;
    if let Some(pairs) = arg_arr(args, 1) {
        let mut pairs: Vec<(Vec<u8>, Rc<Vec<u8>>)> =
            pairs.items.iter().map(|(key, value)| Some((key_text(key), value.bytes()?))).collect::<Option<_>>()?;
        pairs.retain(|(from, _)| !from.is_empty());
        pairs.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        if pairs.len() > 512 || subject.len().saturating_mul(pairs.len()) > MAX_TEXT * 4 {
            return None;
        }
        let mut out = Vec::with_capacity(subject.len());
        let mut at = 0;
        while let Some(&b) = subject.get(at) {
            let rest = subject.get(at..)?;
            if let Some((from, to)) = pairs.iter().find(|(from, _)| rest.starts_with(from)) {
                out.extend_from_slice(to);
                at += from.len();
            } else {
                out.push(b);
                at += 1;
            }
        }
        return str_k(out);
    }
    let (from, to) = (arg_text(args, 1)?, arg_text(args, 2)?);
    let mut table: Vec<u8> = (0..=255).collect();
    for (&a, &b) in from.iter().zip(to.iter()) {
        *table.get_mut(usize::from(a))? = b;
    }
    str_k(subject.iter().filter_map(|&b| table.get(usize::from(b)).copied()).collect())
}

pub(super) fn key_text(key: &Key) -> Vec<u8> {
    match key {
        Key::Int(number) => number.to_string().into_bytes(),
        Key::Str(text) => text.to_vec(),
    }
}

/// The range of `substr`.
pub(super) fn slice_range(length: usize, start: i64, count: Option<i64>) -> (usize, usize) {
    let length_i = i64::try_from(length).unwrap_or(i64::MAX);
    let start = if start < 0 { (length_i + start).max(0) } else { start.min(length_i) };
    let end = match count {
        None => length_i,
        Some(count) if count < 0 => (length_i.saturating_add(count)).max(start),
        Some(count) => start.saturating_add(count).min(length_i),
    };
    (usize::try_from(start).unwrap_or(0), usize::try_from(end).unwrap_or(0))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn byte(number: i64) -> u8 {
    number.rem_euclid(256) as u8
}

fn trimmed<'a>(name: &[u8], text: &'a [u8], set: Option<&[u8]>) -> &'a [u8] {
    let set: Vec<u8> = match set {
        None => b" \t\n\r\0\x0b".to_vec(),
        Some(chars) => {
            let mut all = Vec::new();
            let mut at = 0;
            while let Some(&b) = chars.get(at) {
                if chars.get(at + 1..at + 3) == Some(b"..") && chars.get(at + 3).is_some_and(|&end| end >= b) {
                    all.extend(b..=chars.get(at + 3).copied().unwrap_or(b));
                    at += 4;
                } else {
                    all.push(b);
                    at += 1;
                }
            }
            all
        }
    };
    let mut text = text;
    if name != b"rtrim" && name != b"chop" {
        while let Some((first, rest)) = text.split_first().filter(|(b, _)| set.contains(b)) {
            let _ = first;
            text = rest;
        }
    }
    if name != b"ltrim" {
        while let Some((_, rest)) = text.split_last().filter(|(b, _)| set.contains(b)) {
            text = rest;
        }
    }
    text
}

fn text(name: &[u8], args: &[Val]) -> Option<(K, u16)> {
    let first = || arg_text(args, 0);
    let k = match name {
        b"base64_decode" => return Some((str_k(base64_decode(&*first()?))?, made::DECODED)),
        b"gzinflate" | b"gzuncompress" | b"gzdecode" | b"zlib_decode" => {
            return Some((str_k(inflate(name, &first()?)?)?, made::DECODED | made::UNPACKED));
        }
        b"str_rot13" => return Some((str_k(rot13(&*first()?))?, made::DECODED)),
        b"strrev" => {
            let mut text = first()?.to_vec();
            text.reverse();
            return Some((str_k(text)?, made::DECODED));
        }
        b"hex2bin" => return Some((str_k(hex_decode(&*first()?)?)?, made::DECODED)),
        b"urldecode" | b"rawurldecode" => {
            return Some((str_k(url_decode(&*first()?, name == b"urldecode"))?, made::DECODED));
        }
        b"html_entity_decode" | b"htmlspecialchars_decode" => {
            return Some((str_k(html_decode(&*first()?))?, made::DECODED));
        }
        b"convert_uudecode" => return Some((str_k(uudecode(&*first()?)?)?, made::DECODED)),
        b"quoted_printable_decode" => {
            let text = replace(&*first()?, b"=\n", b"", false);
            let text = replace(&text, b"=", b"%", false);
            return Some((str_k(url_decode(&text, false))?, made::DECODED));
        }
        b"pack" => return Some((pack(args)?, made::DECODED)),
        b"strtr" => return Some((strtr(args)?, made::DECODED)),
        b"str_replace" => return Some((str_replace(args, false)?, made::DECODED)),
        b"str_ireplace" => return Some((str_replace(args, true)?, made::DECODED)),
        b"chr" => return Some((str_k(vec![byte(arg_int(args, 0)?)])?, made::CHARS)),
        b"substr" | b"mb_substr" | b"iconv_substr" => {
            let text = first()?;
            let count = match args.get(2) {
                None => None,
                Some(Val { k: K::Null, .. }) => None,
                Some(count) => Some(count.int()?),
            };
            let (from, to) = slice_range(text.len(), arg_int(args, 1)?, count);
            return Some((str_k(text.get(from..to)?.to_vec())?, made::CHARS));
        }
        b"implode" | b"join" => return Some((implode(args)?, made::JOINED)),
        b"bin2hex" => first()?.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect(),
        b"base64_encode" => base64::engine::general_purpose::STANDARD.encode(&*first()?).into_bytes(),
        b"strtolower" | b"mb_strtolower" | b"lcfirst" | b"ucfirst" | b"strtoupper" | b"mb_strtoupper" | b"ucwords" => {
            let mut text = first()?.to_vec();
            match name {
                b"strtolower" | b"mb_strtolower" => text.make_ascii_lowercase(),
                b"strtoupper" | b"mb_strtoupper" => text.make_ascii_uppercase(),
                b"lcfirst" => text.iter_mut().take(1).for_each(|b| b.make_ascii_lowercase()),
                _ => text.iter_mut().take(1).for_each(|b| b.make_ascii_uppercase()),
            }
            text
        }
        b"trim" | b"ltrim" | b"rtrim" | b"chop" => {
            let set = if args.len() > 1 { Some(arg_text(args, 1)?) } else { None };
            trimmed(name, &first()?, set.as_deref().map(Vec::as_slice)).to_vec()
        }
        b"str_repeat" => {
            let (text, count) = (first()?, usize::try_from(arg_int(args, 1)?).ok()?);
            if text.len().saturating_mul(count) > MAX_TEXT {
                return None;
            }
            text.repeat(count)
        }
        b"sprintf" => return Some((str_k(sprintf(args)?)?, made::JOINED)),
        b"vsprintf" => {
            let mut all = vec![args.first()?.clone()];
            all.extend(arg_arr(args, 1)?.items.iter().map(|(_, value)| value.clone()));
            return Some((str_k(sprintf(&all)?)?, made::JOINED));
        }
        b"nl2br" | b"addslashes" | b"utf8_encode" | b"strval" | b"utf8_decode" => first()?.to_vec(),
        b"stripslashes" => {
            let mut out = Vec::new();
            let text = first()?;
            let mut bytes = text.iter();
            while let Some(&b) = bytes.next() {
                out.push(if b == b'\\' { bytes.next().copied().unwrap_or(b'\\') } else { b });
            }
            out
        }
        b"stripcslashes" => {
            let (pieces, _) = super::text::pieces(&replace(&first()?, b"$", b"\\$", false), b'"');
            let mut out = Vec::new();
            for piece in pieces {
                if let super::text::Piece::Text(text) = piece {
                    out.extend(text);
                }
            }
            return Some((str_k(out)?, made::DECODED));
        }
        b"strip_tags" | b"php_strip_whitespace" => return None,
        b"substr_replace" => {
            let (text, with) = (first()?, arg_text(args, 1)?);
            let count = match args.get(3) {
                None => None,
                Some(count) => Some(count.int()?),
            };
            let (from, to) = slice_range(text.len(), arg_int(args, 2)?, count);
            [text.get(..from)?, &with, text.get(to..)?].concat()
        }
        b"strstr" | b"stristr" | b"strrchr" => {
            let (text, needle) = (first()?, arg_text(args, 1)?);
            let at = if name == b"strrchr" {
                let &b = needle.first()?;
                text.iter().rposition(|&c| c == b)
            } else {
                position(&text, &needle, 0, name == b"stristr")
            };
            let Some(at) = at else { return Some((K::Bool(false), 0)) };
            if args.get(2).and_then(Val::truth) == Some(true) {
                text.get(..at)?.to_vec()
            } else {
                text.get(at..)?.to_vec()
            }
        }
        b"md5" => {
            use md5::Digest as _;
            let digest = md5::Md5::digest(first()?.as_slice());
            digest.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect()
        }
        b"sha1" => {
            use sha1::Digest as _;
            let digest = sha1::Sha1::digest(first()?.as_slice());
            digest.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect()
        }
        b"dechex" => format!("{:x}", arg_int(args, 0)?).into_bytes(),
        b"decbin" => format!("{:b}", arg_int(args, 0)?).into_bytes(),
        b"decoct" => format!("{:o}", arg_int(args, 0)?).into_bytes(),
        b"base_convert" => {
            let text = first()?;
            let from = u32::try_from(arg_int(args, 1)?).ok().filter(|base| (2..=36).contains(base))?;
            let to = u64::try_from(arg_int(args, 2)?).ok().filter(|base| (2..=36).contains(base))?;
            let mut value = u64::from_str_radix(std::str::from_utf8(&text).ok()?, from).ok()?;
            let mut out = Vec::new();
            while value > 0 || out.is_empty() {
                let digit = u32::try_from(value % to).ok()?;
                out.push(u8::try_from(char::from_digit(digit, 36)?).ok()?);
                value /= to;
            }
            out.reverse();
            return Some((str_k(out)?, made::DECODED));
        }
        b"basename" => {
            let text = first()?;
            let text = trimmed(b"rtrim", &text, Some(b"/"));
            text.rsplit(|&b| b == b'/').next()?.to_vec()
        }
        b"dirname" => {
            let text = first()?;
            text.iter()
                .rposition(|&b| b == b'/')
                .map_or_else(|| b".".to_vec(), |at| text.get(..at).unwrap_or_default().to_vec())
        }
        b"preg_quote" | b"escapeshellarg" | b"escapeshellcmd" | b"htmlspecialchars" | b"htmlentities" => {
            first()?.to_vec()
        }
        b"serialize" | b"json_encode" => return None,
        b"preg_replace" => return Some((preg_replace(args)?, made::DECODED)),
        _ => return None,
    };
    Some((str_k(k)?, 0))
}

/// `preg_replace` with patterns that both kinds of expressions read alike.
fn preg_replace(args: &[Val]) -> Option<K> {
    let (pattern, with, subject) = (arg_text(args, 0)?, arg_text(args, 1)?, arg_text(args, 2)?);
    let (body, flags) = super::pattern::parts(&pattern)?;
    if flags.contains(&b'e') || subject.len() > 1 << 20 || body.len() > 200 {
        return None;
    }
    let body = std::str::from_utf8(body).ok()?;
    let regex = regex::bytes::RegexBuilder::new(body)
        .unicode(false)
        .case_insensitive(flags.contains(&b'i'))
        .dot_matches_new_line(flags.contains(&b's'))
        .multi_line(flags.contains(&b'm'))
        .size_limit(1 << 18)
        .build()
        .ok()?;
    let with = String::from_utf8(with.to_vec()).ok()?;
    let with = (0..=9).fold(with.replace('$', "\u{1}"), |text, n| {
        text.replace(&format!("\\{n}"), &format!("${{{n}}}")).replace(&format!("\u{1}{n}"), &format!("${{{n}}}"))
    });
    let with = with.replace('\u{1}', "$$");
    str_k(regex.replace_all(&subject, with.as_bytes()).into_owned())
}

fn uudecode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for line in text.split(|&b| b == b'\n') {
        let Some((&count, data)) = line.split_first() else { continue };
        let count = usize::from(count.wrapping_sub(32) & 63);
        let mut bytes = Vec::new();
        for group in data.chunks(4) {
            let value = |at: usize| u32::from(group.get(at).copied().unwrap_or(32).wrapping_sub(32) & 63);
            let word = value(0) << 18 | value(1) << 12 | value(2) << 6 | value(3);
            let [_, a, b, c] = word.to_be_bytes();
            bytes.extend([a, b, c]);
        }
        out.extend_from_slice(bytes.get(..count.min(bytes.len()))?);
    }
    Some(out)
}

fn pack(args: &[Val]) -> Option<K> {
    let format = arg_text(args, 0)?;
    let mut out = Vec::new();
    let mut next = 1;
    let mut at = 0;
    while let Some(&code) = format.get(at) {
        at += 1;
        let star = format.get(at) == Some(&b'*');
        let digits = format.get(at..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        let count = if star {
            at += 1;
            usize::MAX
        } else if digits > 0 {
            let count = std::str::from_utf8(format.get(at..at + digits)?).ok()?.parse().ok()?;
            at += digits;
            count
        } else {
            1
        };
        match code {
            b'H' | b'h' => {
                let mut text = arg_text(args, next)?.to_vec();
                next += 1;
                text.truncate(count);
                if text.len() % 2 == 1 {
                    text.push(b'0');
                }
                if code == b'h' {
                    text.chunks_exact_mut(2).for_each(<[u8]>::reverse);
                }
                out.extend(hex_decode(&text)?);
            }
            b'A' | b'a' => {
                let text = arg_text(args, next)?;
                next += 1;
                out.extend(text.iter().take(count));
            }
            b'C' | b'c' => {
                for _ in 0..count {
                    let Some(value) = args.get(next) else { break };
                    out.push(byte(value.int()?));
                    next += 1;
                }
            }
            b'N' | b'V' | b'n' | b'v' | b'L' | b'S' | b'l' | b's' | b'I' | b'i' => {
                for _ in 0..count {
                    let Some(value) = args.get(next) else { break };
                    let bytes = value.int()?.to_le_bytes();
                    let width = if matches!(code, b'n' | b'v' | b's' | b'S') { 2 } else { 4 };
                    let mut part = bytes.get(..width)?.to_vec();
                    if matches!(code, b'N' | b'n') {
                        part.reverse();
                    }
                    out.extend(part);
                    next += 1;
                }
            }
            _ => return None,
        }
    }
    str_k(out)
}

fn implode(args: &[Val]) -> Option<K> {
    let (glue, arr) = match (args.first().map(|arg| &arg.k), args.get(1).map(|arg| &arg.k)) {
        (Some(K::Arr(arr)), None) => (Rc::default(), Rc::clone(arr)),
        (Some(K::Arr(arr)), Some(_)) => (arg_text(args, 1)?, Rc::clone(arr)),
        (Some(_), Some(K::Arr(arr))) => (arg_text(args, 0)?, Rc::clone(arr)),
        _ => return None,
    };
    if arr.rest.is_some() || arr.open {
        return None;
    }
    let mut out = Vec::new();
    for (at, (_, value)) in arr.items.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(&glue);
        }
        out.extend_from_slice(&*value.bytes()?);
        if out.len() > MAX_TEXT {
            return None;
        }
    }
    str_k(out)
}

fn sprintf(args: &[Val]) -> Option<Vec<u8>> {
    let format = arg_text(args, 0)?;
    let mut out = Vec::new();
    let mut next = 1;
    let mut at = 0;
    while let Some(&b) = format.get(at) {
        at += 1;
        if b != b'%' {
            out.push(b);
            continue;
        }
        let digits = format.get(at..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        let mut which = next;
        if digits > 0 && format.get(at + digits) == Some(&b'$') {
            which = std::str::from_utf8(format.get(at..at + digits)?).ok()?.parse().ok()?;
            at += digits + 1;
        }
        let spec =
            format.get(at..)?.iter().take_while(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'+')).count();
        let zero = format.get(at) == Some(&b'0');
        let width: usize = std::str::from_utf8(format.get(at..at + spec)?).ok()?.parse().unwrap_or(0);
        at += spec;
        let conversion = *format.get(at)?;
        at += 1;
        if conversion == b'%' {
            out.push(b'%');
            continue;
        }
        let arg = args.get(which)?;
        if which == next {
            next += 1;
        }
        let mut piece = match conversion {
            b's' => arg.bytes()?.to_vec(),
            b'd' | b'u' | b'i' => arg.int()?.to_string().into_bytes(),
            b'c' => vec![byte(arg.int()?)],
            b'x' => format!("{:x}", arg.int()?).into_bytes(),
            b'X' => format!("{:X}", arg.int()?).into_bytes(),
            b'o' => format!("{:o}", arg.int()?).into_bytes(),
            b'b' => format!("{:b}", arg.int()?).into_bytes(),
            b'f' | b'F' => format!("{:.6}", arg.float()?).into_bytes(),
            _ => return None,
        };
        while piece.len() < width.min(4096) {
            piece.insert(0, if zero { b'0' } else { b' ' });
        }
        out.extend(piece);
        if out.len() > MAX_TEXT {
            return None;
        }
    }
    Some(out)
}

pub(super) fn position(text: &[u8], needle: &[u8], from: usize, fold: bool) -> Option<usize> {
    if needle.is_empty() {
        return None;
    }
    if fold {
        let last = text.len().checked_sub(needle.len())?;
        return (from..=last)
            .find(|&at| text.get(at..at + needle.len()).is_some_and(|part| part.eq_ignore_ascii_case(needle)));
    }
    super::lexer::find(text, from, needle)
}

fn array(name: &[u8], args: &[Val]) -> Option<(K, u16)> {
    let first = || arg_arr(args, 0).filter(|arr| arr.rest.is_none() && !arr.open);
    let made_list = |values: Vec<Val>| Some(K::Arr(Rc::new(Arr::list(values))));
    let k = match name {
        b"explode" => {
            let (glue, text) = (arg_text(args, 0)?, arg_text(args, 1)?);
            if glue.is_empty() {
                return Some((K::Bool(false), 0));
            }
            let most = match args.get(2) {
                Some(count) => usize::try_from(count.int()?).ok()?.max(1),
                None => usize::MAX,
            };
            let mut parts = Vec::new();
            let mut at = 0;
            while parts.len() + 1 < most.min(super::value::MAX_ELEMENTS) {
                let Some(end) = position(&text, &glue, at, false) else { break };
                parts.push(Val::str(text.get(at..end)?).with_made(made::CHARS));
                at = end + glue.len();
            }
            parts.push(Val::str(text.get(at..)?).with_made(made::CHARS));
            made_list(parts)?
        }
        b"str_split" | b"mb_str_split" => {
            let text = arg_text(args, 0)?;
            let width =
                args.get(1).map_or(Some(1), Val::int).and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0)?;
            made_list(text.chunks(width).map(|part| Val::str(part).with_made(made::CHARS)).collect())?
        }
        b"array_reverse" => {
            let arr = first()?;
            let mut out = Arr::default();
            for (key, value) in arr.items.iter().rev() {
                match key {
                    Key::Int(_) => out.push(value.clone()),
                    Key::Str(_) => out.set(key.clone(), value.clone()),
                }
            }
            K::Arr(Rc::new(out))
        }
        b"array_values" => made_list(first()?.items.iter().map(|(_, value)| value.clone()).collect())?,
        b"array_keys" if args.len() == 1 => made_list(first()?.items.iter().map(|(key, _)| key_value(key)).collect())?,
        b"array_flip" => {
            let mut out = Arr::default();
            for (key, value) in &first()?.items {
                out.set(value.key()?, key_value(key));
            }
            K::Arr(Rc::new(out))
        }
        b"array_merge" => {
            let mut out = Arr::default();
            for at in 0..args.len() {
                for (key, value) in &arg_arr(args, at)?.items {
                    match key {
                        Key::Int(_) => out.push(value.clone()),
                        Key::Str(_) => out.set(key.clone(), value.clone()),
                    }
                }
            }
            K::Arr(Rc::new(out))
        }
        b"array_combine" => {
            let (keys, values) = (first()?, arg_arr(args, 1)?);
            let mut out = Arr::default();
            for ((_, key), (_, value)) in keys.items.iter().zip(values.items.iter()) {
                out.set(key.key()?, value.clone());
            }
            K::Arr(Rc::new(out))
        }
        b"array_slice" => {
            let arr = first()?;
            let count = match args.get(2) {
                Some(Val { k: K::Null, .. }) | None => None,
                Some(count) => Some(count.int()?),
            };
            let (from, to) = slice_range(arr.items.len(), arg_int(args, 1)?, count);
            made_list(arr.items.get(from..to)?.iter().map(|(_, value)| value.clone()).collect())?
        }
        b"range" => {
            let step = args.get(2).map_or(Some(1), Val::int)?.abs().max(1);
            let (from, to, is_text) = match (&args.first()?.k, &args.get(1)?.k) {
                (K::Str(a), K::Str(b)) if !a.first()?.is_ascii_digit() => {
                    (i64::from(*a.first()?), i64::from(*b.first()?), true)
                }
                _ => (arg_int(args, 0)?, arg_int(args, 1)?, false),
            };
            if from.abs_diff(to) > 100_000 {
                return None;
            }
            let mut out = Vec::new();
            let mut at = from;
            while if from <= to { at <= to } else { at >= to } {
                out.push(if is_text { Val::str(vec![byte(at)]).with_made(made::CHARS) } else { K::Int(at).into() });
                at += if from <= to { step } else { -step };
            }
            made_list(out)?
        }
        b"count" | b"sizeof" => K::Int(i64::try_from(first()?.items.len()).ok()?),
        b"in_array" => {
            let needle = arg_text(args, 0)?;
            let arr = arg_arr(args, 1)?;
            let mut found = false;
            for (_, value) in &arr.items {
                found |= value.bytes()? == needle;
            }
            K::Bool(found)
        }
        b"array_key_exists" => K::Bool(arg_arr(args, 1)?.get(&args.first()?.key()?).is_some()),
        b"array_search" => {
            let needle = arg_text(args, 0)?;
            let arr = arg_arr(args, 1)?;
            let found = arr.items.iter().find(|(_, value)| value.bytes().is_some_and(|text| text == needle));
            found.map_or(K::Bool(false), |(key, _)| key_value(key).k)
        }
        b"current" | b"reset" | b"end" | b"pos" => {
            let arr = first()?;
            let item = if name == b"end" { arr.items.last() } else { arr.items.first() };
            return item.map(|(_, value)| (value.k.clone(), value.made));
        }
        b"array_sum" => {
            let mut sum = 0_i64;
            for (_, value) in &first()?.items {
                sum = sum.saturating_add(value.int()?);
            }
            K::Int(sum)
        }
        b"array_unique" | b"array_filter" if args.len() == 1 => {
            let mut out = Arr::default();
            let mut seen = std::collections::HashSet::new();
            for (key, value) in &first()?.items {
                let keep = if name == b"array_filter" { value.truth()? } else { seen.insert(value.bytes()?) };
                if keep {
                    out.set(key.clone(), value.clone());
                }
            }
            K::Arr(Rc::new(out))
        }
        b"array_fill" => {
            let count = usize::try_from(arg_int(args, 1)?).ok().filter(|&count| count < 10_000)?;
            made_list(vec![args.get(2)?.clone(); count])?
        }
        b"array_pad" | b"compact" => return None,
        b"unpack" => unpack_bytes(args)?,
        b"count_chars" => return None,
        b"preg_split" => {
            let (pattern, text) = (arg_text(args, 0)?, arg_text(args, 1)?);
            if pattern.as_slice() != b"//" {
                return None;
            }
            made_list(text.iter().map(|&b| Val::str(vec![b]).with_made(made::CHARS)).collect())?
        }
        _ => return None,
    };
    Some((k, 0))
}

fn unpack_bytes(args: &[Val]) -> Option<K> {
    let (format, data) = (arg_text(args, 0)?, arg_text(args, 1)?);
    let mut out = Arr::default();
    match format.get(..2)? {
        b"C*" | b"c*" => {
            for (at, &b) in data.iter().enumerate() {
                out.set(Key::Int(i64::try_from(at + 1).ok()?), K::Int(i64::from(b)).into());
            }
        }
        b"H*" => {
            let hex: Vec<u8> = data.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect();
            out.set(Key::Int(1), Val::str(hex));
        }
        _ => return None,
    }
    Some(K::Arr(Rc::new(out)))
}

pub(super) fn key_value(key: &Key) -> Val {
    match key {
        Key::Int(number) => K::Int(*number).into(),
        Key::Str(text) => K::Str(Rc::clone(text)).into(),
    }
}

#[allow(clippy::cast_possible_truncation)]
fn number(name: &[u8], args: &[Val]) -> Option<(K, u16)> {
    let int = |at| arg_int(args, at);
    let found = |at: Option<usize>| at.map_or(K::Bool(false), |at| K::Int(i64::try_from(at).unwrap_or(i64::MAX)));
    let k = match name {
        b"ord" => K::Int(i64::from(arg_text(args, 0)?.first().copied().unwrap_or(0))),
        b"strlen" | b"mb_strlen" | b"iconv_strlen" => K::Int(i64::try_from(arg_text(args, 0)?.len()).ok()?),
        b"intval" => match args.get(1).map(Val::int) {
            Some(Some(base)) if base != 10 => {
                let text = arg_text(args, 0)?;
                let text = std::str::from_utf8(&text).ok()?.trim_start_matches("0x");
                K::Int(
                    i64::from_str_radix(text, u32::try_from(base).ok().filter(|base| (2..=36).contains(base))?).ok()?,
                )
            }
            _ => K::Int(int(0)?),
        },
        b"hexdec" | b"bindec" | b"octdec" => {
            let radix = match name {
                b"hexdec" => 16,
                b"bindec" => 2,
                _ => 8,
            };
            let text = arg_text(args, 0)?;
            let digits: String = text.iter().map(|&b| char::from(b)).filter(|c| c.is_digit(radix)).take(15).collect();
            K::Int(i64::from_str_radix(&digits, radix).unwrap_or(0))
        }
        b"floor" => K::Float(args.first()?.float()?.floor()),
        b"ceil" => K::Float(args.first()?.float()?.ceil()),
        b"round" => K::Float(args.first()?.float()?.round()),
        b"sqrt" => K::Float(args.first()?.float()?.sqrt()),
        b"abs" => K::Int(int(0)?.saturating_abs()),
        b"pow" => K::Int(int(0)?.checked_pow(u32::try_from(int(1)?).ok()?)?),
        b"min" if args.len() == 2 => K::Int(int(0)?.min(int(1)?)),
        b"max" if args.len() == 2 => K::Int(int(0)?.max(int(1)?)),
        b"strpos" | b"stripos" => {
            let from = args.get(2).map_or(Some(0), Val::int).and_then(|at| usize::try_from(at).ok())?;
            found(position(&*arg_text(args, 0)?, &*arg_text(args, 1)?, from, name == b"stripos"))
        }
        b"strrpos" => {
            let (text, needle) = (arg_text(args, 0)?, arg_text(args, 1)?);
            if needle.is_empty() || text.len() > 1 << 20 {
                return None;
            }
            found(text.windows(needle.len()).rposition(|part| part == needle.as_slice()))
        }
        b"strcmp" => K::Int(match arg_text(args, 0)?.cmp(&arg_text(args, 1)?) {
            std::cmp::Ordering::Less => -1,
            std::cmp::Ordering::Equal => 0,
            std::cmp::Ordering::Greater => 1,
        }),
        b"substr_count" => {
            let (text, needle) = (arg_text(args, 0)?, arg_text(args, 1)?);
            let mut count = 0;
            let mut at = 0;
            while let Some(next) = position(&text, &needle, at, false) {
                count += 1;
                at = next + needle.len();
            }
            K::Int(count)
        }
        b"crc32" => {
            let mut crc = flate2::Crc::new();
            crc.update(&arg_text(args, 0)?);
            K::Int(i64::from(crc.sum()))
        }
        b"is_array" => K::Bool(known(args)?.is_some_and(|k| matches!(k, K::Arr(_)))),
        b"is_string" => K::Bool(known(args)?.is_some_and(|k| matches!(k, K::Str(_)))),
        b"is_int" => K::Bool(known(args)?.is_some_and(|k| matches!(k, K::Int(_)))),
        b"is_null" => K::Bool(known(args)?.is_some_and(|k| matches!(k, K::Null))),
        b"boolval" => K::Bool(args.first()?.truth()?),
        b"error_reporting" | b"set_time_limit" | b"ini_set" | b"ignore_user_abort" | b"set_magic_quotes_runtime" => {
            K::Bool(true)
        }
        b"pi" => K::Float(std::f64::consts::PI),
        _ => return None,
    };
    Some((k, 0))
}

/// The content of the only argument; none where it is not known.
fn known(args: &[Val]) -> Option<Option<&K>> {
    let arg = args.first()?;
    arg.is_known().then_some(Some(&arg.k))
}
