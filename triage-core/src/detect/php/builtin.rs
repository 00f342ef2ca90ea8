//! PHP's own functions on strings, numbers and arrays, for constant arguments.
//!
//! Only what computes; nothing here reads, writes, asks or calls. Sizes are bounded: what would grow beyond the bound is unknown.

use super::list::array;
use super::string::{position, text};
use super::value::{Arr, K, Key, Val};
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::rc::Rc;

/// Bytes of a text that is made.
pub(super) const MAX_TEXT: usize = 8 * 1024 * 1024;

pub(super) const LENIENT: GeneralPurpose = GeneralPurpose::new(
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

pub(super) fn str_k(text: Vec<u8>) -> Option<K> {
    (text.len() <= MAX_TEXT).then(|| K::Str(Rc::new(text)))
}

pub(super) fn arg_text(args: &[Val], at: usize) -> Option<Rc<Vec<u8>>> {
    args.get(at)?.bytes()
}

pub(super) fn arg_int(args: &[Val], at: usize) -> Option<i64> {
    args.get(at)?.int()
}

pub(super) fn arg_arr(args: &[Val], at: usize) -> Option<Rc<Arr>> {
    match &args.get(at)?.k {
        K::Arr(arr) => Some(Rc::clone(arr)),
        _ => None,
    }
}

pub(super) fn key_text(key: &Key) -> Vec<u8> {
    match key {
        Key::Int(number) => number.to_string().into_bytes(),
        Key::Str(text) => text.to_vec(),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn byte(number: i64) -> u8 {
    number.rem_euclid(256) as u8
}

pub(super) fn key_value(key: &Key) -> Val {
    match key {
        Key::Int(number) => K::Int(*number).into(),
        Key::Str(text) => K::Str(Rc::clone(text)).into(),
    }
}

#[allow(clippy::cast_possible_truncation)]
pub(super) fn number(name: &[u8], args: &[Val]) -> Option<(K, u16)> {
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
            found(position(&arg_text(args, 0)?, &arg_text(args, 1)?, from, name == b"stripos"))
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
        b"is_numeric" => {
            let text = args.first().filter(|arg| arg.is_known())?.bytes()?;
            K::Bool(std::str::from_utf8(&text).is_ok_and(|text| text.trim_start().parse::<f64>().is_ok()))
        }
        b"ctype_digit" | b"ctype_alpha" | b"ctype_alnum" | b"ctype_upper" | b"ctype_lower" => {
            let text = args.first().filter(|arg| arg.is_known())?.bytes()?;
            let is_member = match name {
                b"ctype_digit" => u8::is_ascii_digit,
                b"ctype_alpha" => u8::is_ascii_alphabetic,
                b"ctype_upper" => u8::is_ascii_uppercase,
                b"ctype_lower" => u8::is_ascii_lowercase,
                _ => u8::is_ascii_alphanumeric,
            };
            K::Bool(!text.is_empty() && text.iter().all(is_member))
        }
        b"is_array" => K::Bool(matches!(known(args)?, K::Arr(_))),
        b"is_string" => K::Bool(matches!(known(args)?, K::Str(_))),
        b"is_int" => K::Bool(matches!(known(args)?, K::Int(_))),
        b"is_null" => K::Bool(matches!(known(args)?, K::Null)),
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
pub(super) fn known(args: &[Val]) -> Option<&K> {
    let arg = args.first()?;
    arg.is_known().then_some(&arg.k)
}
