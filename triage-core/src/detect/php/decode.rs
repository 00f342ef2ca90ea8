//! What turns hidden text into text.

use super::builtin::{LENIENT, MAX_TEXT, arg_text, byte, str_k};
use super::value::{Arr, K, Key, Val};
use base64::Engine as _;
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use std::rc::Rc;

pub(super) fn base64_decode(text: &[u8]) -> Vec<u8> {
    let clean: Vec<u8> =
        text.iter().copied().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).collect();
    // A single character over is no byte; PHP drops it.
    let whole = clean.len() - usize::from(clean.len() % 4 == 1);
    LENIENT.decode(clean.get(..whole).unwrap_or_default()).unwrap_or_default()
}

/// Unpacks up to the bound. What was unpacked before an error counts, where it is any.
pub(super) fn unpack(mut reader: impl std::io::Read) -> Option<Vec<u8>> {
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

pub(super) fn inflate(name: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    match name {
        b"gzinflate" => unpack(DeflateDecoder::new(data)),
        b"gzuncompress" => unpack(ZlibDecoder::new(data)),
        b"gzdecode" => unpack(GzDecoder::new(data)),
        _ => unpack(ZlibDecoder::new(data))
            .or_else(|| unpack(GzDecoder::new(data)))
            .or_else(|| unpack(DeflateDecoder::new(data))),
    }
}

pub(super) fn rot13(text: &[u8]) -> Vec<u8> {
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
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.chunks_exact(2).map(|pair| Some(digit(*pair.first()?)? * 16 + digit(*pair.get(1)?)?)).collect()
}

pub(super) fn url_decode(text: &[u8], plus: bool) -> Vec<u8> {
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

pub(super) fn html_decode(text: &[u8]) -> Vec<u8> {
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

pub(super) fn uudecode(text: &[u8]) -> Option<Vec<u8>> {
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

pub(super) fn pack(args: &[Val]) -> Option<K> {
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

pub(super) fn unpack_bytes(args: &[Val]) -> Option<K> {
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
