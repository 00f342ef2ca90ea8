//! Functions of PHP on strings.

use super::builtin::{MAX_TEXT, arg_arr, arg_int, arg_text, byte, key_text, str_k};
use super::decode::{base64_decode, hex_decode, html_decode, inflate, pack, rot13, url_decode, uudecode};
use super::list::implode;
use super::value::{Arr, K, Val, made};
use base64::Engine as _;
use std::rc::Rc;

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

pub(super) fn str_replace(args: &[Val], fold: bool) -> Option<K> {
    let replaced = |mut subject: Vec<u8>| -> Option<Vec<u8>> {
        match (&args.first()?.k, &args.get(1)?.k) {
            (K::Arr(from), K::Arr(to)) => {
                for (at, (_, needle)) in from.items.iter().enumerate().take(4096) {
                    let with = to.items.get(at).map_or_else(|| Some(Rc::default()), |(_, value)| value.bytes())?;
                    subject = replace(&subject, &needle.bytes()?, &with, fold);
                }
            }
            (K::Arr(from), _) => {
                for (_, needle) in from.items.iter().take(4096) {
                    subject = replace(&subject, &needle.bytes()?, &arg_text(args, 1)?, fold);
                }
            }
            _ => subject = replace(&subject, &arg_text(args, 0)?, &arg_text(args, 1)?, fold),
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

pub(super) fn strtr(args: &[Val]) -> Option<K> {
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

pub(super) fn trimmed<'a>(name: &[u8], text: &'a [u8], set: Option<&[u8]>) -> &'a [u8] {
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

pub(super) fn text(name: &[u8], args: &[Val]) -> Option<(K, u16)> {
    let first = || arg_text(args, 0);
    let k = match name {
        b"base64_decode" => return Some((str_k(base64_decode(&first()?))?, made::DECODED)),
        b"gzinflate" | b"gzuncompress" | b"gzdecode" | b"zlib_decode" => {
            return Some((str_k(inflate(name, &first()?)?)?, made::DECODED | made::UNPACKED));
        }
        b"str_rot13" => return Some((str_k(rot13(&first()?))?, made::DECODED)),
        b"strrev" => {
            let mut text = first()?.to_vec();
            text.reverse();
            return Some((str_k(text)?, made::DECODED));
        }
        b"hex2bin" => return Some((str_k(hex_decode(&first()?)?)?, made::DECODED)),
        b"urldecode" | b"rawurldecode" => {
            return Some((str_k(url_decode(&first()?, name == b"urldecode"))?, made::DECODED));
        }
        b"html_entity_decode" | b"htmlspecialchars_decode" => {
            return Some((str_k(html_decode(&first()?))?, made::DECODED));
        }
        b"convert_uudecode" => return Some((str_k(uudecode(&first()?)?)?, made::DECODED)),
        b"quoted_printable_decode" => {
            let text = replace(&first()?, b"=\n", b"", false);
            let text = replace(&text, b"=", b"%", false);
            return Some((str_k(url_decode(&text, false))?, made::DECODED));
        }
        b"pack" => return Some((pack(args)?, made::DECODED)),
        b"strtr" => return Some((strtr(args)?, made::SWAPPED)),
        b"str_replace" => return Some((str_replace(args, false)?, made::SWAPPED)),
        b"str_ireplace" => return Some((str_replace(args, true)?, made::SWAPPED)),
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
                b"lcfirst" => text.iter_mut().take(1).for_each(u8::make_ascii_lowercase),
                _ => text.iter_mut().take(1).for_each(u8::make_ascii_uppercase),
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
        b"preg_replace" | b"preg_filter" => return Some((preg_replace(args)?, made::SWAPPED)),
        _ => return None,
    };
    Some((str_k(k)?, 0))
}

/// `preg_replace` with patterns that both kinds of expressions read alike.
pub(super) fn preg_replace(args: &[Val]) -> Option<K> {
    let (pattern, with, subject) = (arg_text(args, 0)?, arg_text(args, 1)?, arg_text(args, 2)?);
    let (_, flags) = super::pattern::parts(&pattern)?;
    if flags.contains(&b'e') || subject.len() > 1 << 20 {
        return None;
    }
    let regex = compiled(&pattern)?;
    let with = String::from_utf8(with.to_vec()).ok()?;
    let with = (0..=9).fold(with.replace('$', "\u{1}"), |text, n| {
        text.replace(&format!("\\{n}"), &format!("${{{n}}}")).replace(&format!("\u{1}{n}"), &format!("${{{n}}}"))
    });
    let with = with.replace('\u{1}', "$$");
    str_k(regex.replace_all(&subject, with.as_bytes()).into_owned())
}

/// The expression of a PHP pattern; none where it is too large, or not of a kind that both sorts of expressions read alike.
pub(super) fn compiled(pattern: &[u8]) -> Option<regex::bytes::Regex> {
    let (body, flags) = super::pattern::parts(pattern)?;
    if body.len() > 200 {
        return None;
    }
    let body = std::str::from_utf8(body).ok()?;
    regex::bytes::RegexBuilder::new(body)
        .unicode(false)
        .case_insensitive(flags.contains(&b'i'))
        .dot_matches_new_line(flags.contains(&b's'))
        .multi_line(flags.contains(&b'm'))
        .size_limit(1 << 18)
        .build()
        .ok()
}

/// The code that `preg_replace` with the flag `e` runs for the first match in a known text.
pub(super) fn replaced_code(pattern: &[u8], code: &[u8], subject: &Val) -> Option<Val> {
    let text = subject.bytes().filter(|_| subject.is_known())?;
    let found = compiled(pattern)?.captures(&text)?;
    let mut out = code.to_vec();
    for number in 0..found.len().min(10) {
        let part = found.get(number).map(|part| part.as_bytes()).unwrap_or_default();
        out = replace(&out, format!("\\{number}").as_bytes(), part, false);
        out = replace(&out, format!("${number}").as_bytes(), part, false);
    }
    Some(Val::str(out).with_made(subject.made))
}

pub(super) fn sprintf(args: &[Val]) -> Option<Vec<u8>> {
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
