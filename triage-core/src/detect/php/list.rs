//! Functions of PHP on arrays.

use super::builtin::{MAX_TEXT, arg_arr, arg_int, arg_text, byte, key_value, str_k};
use super::decode::unpack_bytes;
use super::string::{position, slice_range};
use super::value::{Arr, K, Key, Val, made};
use std::rc::Rc;

pub(super) fn implode(args: &[Val]) -> Option<K> {
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
        out.extend_from_slice(&value.bytes()?);
        if out.len() > MAX_TEXT {
            return None;
        }
    }
    str_k(out)
}

pub(super) fn array(name: &[u8], args: &[Val]) -> Option<(K, u16)> {
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
        b"array_diff" | b"array_intersect" => {
            let other = arg_arr(args, 1)?;
            let others: Option<std::collections::HashSet<_>> =
                other.items.iter().map(|(_, value)| value.bytes()).collect();
            let others = others?;
            let mut out = Arr::default();
            for (key, value) in &first()?.items {
                if others.contains(&value.bytes()?) == (name == b"array_intersect") {
                    out.set(key.clone(), value.clone().with_made(made::CHARS));
                }
            }
            K::Arr(Rc::new(out))
        }
        b"array_fill" => {
            let count = usize::try_from(arg_int(args, 1)?).ok().filter(|&count| count < 10_000)?;
            made_list(vec![args.get(2)?.clone(); count])?
        }
        b"unpack" => unpack_bytes(args)?,
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
