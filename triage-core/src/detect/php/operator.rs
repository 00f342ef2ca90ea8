//! The operators of PHP, as far as samples use them to hide text.

use super::ir::{CastTo, Op, Unary};
use super::value::{Arr, K, Taint, Val, flag, made};

/// Words and signs behind which a shell, or PHP, reads something new.
const SHELLS: [&[u8]; 12] = [b"-c", b"/c", b"/k", b"sh", b"bash", b";", b"&&", b"|", b"&", b"?>", b"return", b"cmd"];

/// Says whether what follows this text still decides what the whole does: nothing, blanks, a quote, or a shell's own words.
pub(super) fn is_opening(left: &Val) -> bool {
    if matches!(left.k, K::Unknown) {
        return left.t.is_some();
    }
    let text = match &left.k {
        K::Str(text) => text,
        K::Partial(_, tail) if !tail.is_empty() => tail,
        _ => return left.t.as_ref().is_some_and(|taint| taint.flags & flag::INNER == 0),
    };
    let text = text.trim_ascii().to_ascii_lowercase();
    let text = text.strip_suffix(b"\"").or_else(|| text.strip_suffix(b"'")).unwrap_or(&text).trim_ascii();
    text.is_empty() || text == b"(" || SHELLS.iter().any(|end| text.ends_with(end)) && text.len() < 64
}

pub(super) fn to_text(value: Val) -> Val {
    match value.bytes() {
        Some(text) => Val { k: K::Str(text), ..value },
        None => value,
    }
}

pub(super) fn incremented(text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    let mut at = out.len();
    loop {
        let Some(slot) = at.checked_sub(1).and_then(|at| out.get_mut(at)) else {
            let lead = match text.first() {
                Some(b'0'..=b'9') => b'1',
                Some(b'a'..=b'z') => b'a',
                _ => b'A',
            };
            out.insert(0, lead);
            return out;
        };
        match *slot {
            b'z' => *slot = b'a',
            b'Z' => *slot = b'A',
            b'9' => *slot = b'0',
            b if b.is_ascii_alphanumeric() => {
                *slot = b + 1;
                return out;
            }
            _ => return out,
        }
        at -= 1;
    }
}

pub(super) fn unary(op: Unary, value: &Val) -> Val {
    let k = match op {
        Unary::Not => value.truth().map(|truth| K::Bool(!truth)),
        Unary::Minus => match &value.k {
            K::Float(number) => Some(K::Float(-number)),
            _ => value.int().filter(|_| value.is_known()).map(|number| K::Int(number.saturating_neg())),
        },
        Unary::Plus => value.int().filter(|_| value.is_known()).map(K::Int),
        Unary::BitNot => match &value.k {
            K::Str(text) => {
                let flipped: Vec<u8> = text.iter().map(|b| !b).collect();
                return Val::str(flipped).with_made(value.made | made::MATHS);
            }
            K::Int(number) => Some(K::Int(!number)),
            // The complement of what the request gave is what it gave.
            _ => return Val { k: K::Unknown, t: value.t.clone(), made: value.made | made::MATHS },
        },
    };
    k.map_or_else(Val::unknown, Val::from)
}

pub(super) fn cast(to: CastTo, value: Val) -> Val {
    let known = value.is_known();
    match to {
        CastTo::Int => value.int().filter(|_| known).map_or_else(Val::unknown, |number| K::Int(number).into()),
        CastTo::Float => value.float().filter(|_| known).map_or_else(Val::unknown, |number| K::Float(number).into()),
        CastTo::Bool => value.truth().map_or_else(Val::unknown, |truth| K::Bool(truth).into()),
        CastTo::Str => to_text(value),
        CastTo::Array => match value.k {
            K::Arr(_) | K::Unknown => value,
            K::Null => Val::arr(Arr::default()),
            _ => Val::arr(Arr::list([value])),
        },
        CastTo::Object => value,
        CastTo::Unset => K::Null.into(),
    }
}

pub(super) fn loose_equal(a: &Val, b: &Val) -> Option<bool> {
    if !a.is_known() || !b.is_known() {
        return None;
    }
    match (&a.k, &b.k) {
        (K::Bool(_) | K::Null, _) | (_, K::Bool(_) | K::Null) => Some(a.truth()? == b.truth()?),
        (K::Int(_) | K::Float(_), _) | (_, K::Int(_) | K::Float(_)) => {
            Some((a.float()? - b.float()?).abs() < f64::EPSILON)
        }
        (K::Str(a), K::Str(b)) => Some(a == b),
        _ => None,
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn binary(op: Op, a: &Val, b: &Val) -> Val {
    let how = a.made | b.made;
    let known = a.is_known() && b.is_known();
    if matches!(op, Op::Xor | Op::BitAnd | Op::BitOr) {
        if let (K::Str(x), K::Str(y)) = (&a.k, &b.k) {
            let join = |(&p, &q): (&u8, &u8)| match op {
                Op::Xor => p ^ q,
                Op::BitAnd => p & q,
                _ => p | q,
            };
            let mut text: Vec<u8> = x.iter().zip(y.iter()).map(join).collect();
            if op == Op::BitOr {
                let longer = if x.len() > y.len() { x } else { y };
                text.extend_from_slice(longer.get(text.len()..).unwrap_or_default());
            }
            return Val::str(text).with_made(how | made::MATHS);
        }
        if !known {
            // A text of the request under a key stays the request's.
            let taint = if op == Op::Xor { Taint::join(a.t.as_ref(), b.t.as_ref()) } else { None };
            return Val { k: K::Unknown, t: taint, made: how | made::MATHS };
        }
    }
    if let (Op::Add, K::Arr(x), K::Arr(y)) = (op, &a.k, &b.k) {
        let mut out = (**x).clone();
        for (key, value) in &y.items {
            if out.get(key).is_none() {
                out.set(key.clone(), value.clone());
            }
        }
        out.rest = Taint::join(x.rest.as_ref(), y.rest.as_ref());
        out.open = x.open || y.open;
        return Val::arr(out);
    }
    if !known {
        // Sums of arrays: `$_GET + $_POST`.
        let taint = if op == Op::Add { Taint::join(a.t.as_ref(), b.t.as_ref()) } else { None };
        let is_array = taint.as_ref().is_some_and(|taint| taint.flags & flag::WHOLE != 0);
        return Val { k: K::Unknown, t: taint.filter(|_| is_array), made: 0 };
    }
    let is_float = matches!(a.k, K::Float(_))
        || matches!(b.k, K::Float(_))
        || [a, b].iter().any(|v| matches!(&v.k, K::Str(text) if text.contains(&b'.')));
    let arithmetic = |whole: fn(i64, i64) -> Option<i64>, real: fn(f64, f64) -> f64| -> Option<K> {
        if !is_float && let Some(result) = whole(a.int()?, b.int()?) {
            return Some(K::Int(result));
        }
        Some(K::Float(real(a.float()?, b.float()?)))
    };
    let compare = |test: fn(std::cmp::Ordering) -> bool| -> Option<K> {
        let order = match (&a.k, &b.k) {
            (K::Str(x), K::Str(y)) if !(is_number(x) && is_number(y)) => x.cmp(y),
            _ => a.float()?.partial_cmp(&b.float()?)?,
        };
        Some(K::Bool(test(order)))
    };
    let k = match op {
        Op::Add => arithmetic(i64::checked_add, |a, b| a + b),
        Op::Sub => arithmetic(i64::checked_sub, |a, b| a - b),
        Op::Mul => arithmetic(i64::checked_mul, |a, b| a * b),
        Op::Div => b.float().filter(|b| *b != 0.0).and_then(|_| {
            arithmetic(|a, b| (a.checked_rem(b)? == 0).then(|| a.checked_div(b)).flatten(), |a, b| a / b)
        }),
        Op::Mod => a.int().zip(b.int()).and_then(|(a, b)| a.checked_rem(b)).map(K::Int),
        Op::Pow => arithmetic(|a, b| a.checked_pow(u32::try_from(b).ok()?), f64::powf),
        Op::Shl => a.int().zip(b.int()).and_then(|(a, b)| a.checked_shl(u32::try_from(b).ok()?)).map(K::Int),
        Op::Shr => a.int().zip(b.int()).and_then(|(a, b)| a.checked_shr(u32::try_from(b).ok()?)).map(K::Int),
        Op::BitAnd => a.int().zip(b.int()).map(|(a, b)| K::Int(a & b)),
        Op::BitOr => a.int().zip(b.int()).map(|(a, b)| K::Int(a | b)),
        Op::Xor => a.int().zip(b.int()).map(|(a, b)| K::Int(a ^ b)),
        Op::And => a.truth().zip(b.truth()).map(|(a, b)| K::Bool(a && b)),
        Op::Or => a.truth().zip(b.truth()).map(|(a, b)| K::Bool(a || b)),
        Op::LogicXor => a.truth().zip(b.truth()).map(|(a, b)| K::Bool(a != b)),
        Op::Eq => loose_equal(a, b).map(K::Bool),
        Op::Ne => loose_equal(a, b).map(|equal| K::Bool(!equal)),
        Op::Same | Op::NotSame => {
            let equal = match (&a.k, &b.k) {
                (K::Null, K::Null) => Some(true),
                (K::Bool(a), K::Bool(b)) => Some(a == b),
                (K::Int(a), K::Int(b)) => Some(a == b),
                (K::Str(a), K::Str(b)) => Some(a == b),
                (K::Arr(_), K::Arr(_)) | (K::Float(_), K::Float(_)) => None,
                _ => Some(false),
            };
            equal.map(|equal| K::Bool(equal == (op == Op::Same)))
        }
        Op::Lt => compare(std::cmp::Ordering::is_lt),
        Op::Gt => compare(std::cmp::Ordering::is_gt),
        Op::Le => compare(std::cmp::Ordering::is_le),
        Op::Ge => compare(std::cmp::Ordering::is_ge),
        Op::Cmp | Op::InstanceOf | Op::Coalesce | Op::Concat => None,
    };
    Val { k: k.unwrap_or_default(), t: None, made: how }
}

pub(super) fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'))
}
