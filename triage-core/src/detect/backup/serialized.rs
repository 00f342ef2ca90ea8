//! PHP's serialised values (`serialize()`), as far as it takes to see whether they make objects.
//!
//! What a program unserialises is data only as long as there is no object in it: the class that is named, one that the program has, runs its code. The
//! grammar is walked and not searched, because a text may well say `O:8:"`.

/// Most values that are looked at.
const MOST: usize = 2_000_000;
/// Longest name of a class.
const LONGEST: usize = 300;

/// The class of the first object that the value makes; none where it makes none, or is no value.
pub(in crate::detect) fn object(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes;
    for _ in 0..MOST {
        let kind = *rest.first()?;
        rest = match kind {
            b'}' | b';' => rest.get(1..)?,
            b's' | b'S' => {
                let (_, after) = text(rest)?;
                after
            }
            b'O' | b'C' | b'E' => {
                let (class, _) = text(rest)?;
                return is_class(class).then(|| class.to_vec());
            }
            b'a' => rest.get(rest.iter().take(32).position(|&byte| byte == b'{')? + 1..)?,
            b'N' | b'b' | b'i' | b'd' | b'r' | b'R' => {
                rest.get(rest.iter().take(64).position(|&byte| byte == b';')? + 1..)?
            }
            _ => return None,
        };
    }
    None
}

/// `s:5:"hello"`: the text, and what follows it.
fn text(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let digits = value.get(2..).filter(|_| value.get(1) == Some(&b':'))?;
    // A sign in front of the length was let pass by old versions, and is a way around filters.
    let digits = digits.strip_prefix(b"+").unwrap_or(digits);
    let end = digits.iter().take(12).position(|&byte| byte == b':')?;
    let length: usize = std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()?;
    let quoted = digits.get(end + 1..)?.strip_prefix(b"\"")?;
    let inner = quoted.get(..length)?;
    quoted.get(length..)?.strip_prefix(b"\"").map(|after| (inner, after))
}

fn is_class(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= LONGEST
        && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'\\') || byte >= 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_makes_no_object_and_a_text_that_looks_like_one_is_a_text() {
        for value in [
            &b"a:2:{s:4:\"name\";s:12:\"O:1:\"A\":0:{}\";s:5:\"ctime\";i:1507838411;}"[..],
            b"a:1:{i:0;a:3:{i:0;b:1;i:1;N;i:2;d:0.5;}}",
            b"s:3:\"O:1\";",
            b"i:5;",
            b"",
            b"O:1",
            b"O:99999999999:\"x\":0:{}",
            b"O:3:\"a b\":0:{}",
            b"not serialised O:1:\"A\":0:{}",
        ] {
            assert_eq!(object(value), None, "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn objects_are_found_wherever_they_stand() {
        for (value, class) in [
            (&b"O:1:\"A\":0:{}"[..], &b"A"[..]),
            (b"O:+1:\"A\":0:{}", b"A"),
            (b"a:1:{s:4:\"name\";O:25:\"Monolog\\Handler\\SomeThing\":0:{}}", b"Monolog\\Handler\\SomeThing"),
            (b"a:2:{i:0;a:0:{}i:1;C:3:\"Spl\":0:{}}", b"Spl"),
        ] {
            assert_eq!(object(value).as_deref(), Some(class), "{}", String::from_utf8_lossy(value));
        }
    }
}
