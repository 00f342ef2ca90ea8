//! Archives of `cpio` in the "new" format with or without checksums (`cpio(5)`, magic `070701` and `070702`), which the payload of an rpm
//! package is, and the form of it that rpm uses where a file is larger than 4 GiB: `07070X` and the number of the file in the header.

use std::io::{self, Read};

const HEADER: usize = 110;
const MAX_NAME: u64 = 4096;

/// One member, before its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The name as it stands, without its NUL. Empty where only the number of the file is given.
    pub name: Vec<u8>,
    /// The number of the file in the package's header, where that stands in place of a name.
    pub index: Option<u32>,
    /// Type and mode bits.
    pub st_mode: u32,
    /// Inode and device numbers: names of one file have the same, and only the last of them has the content.
    pub inode: (u32, u32, u32),
    /// How many names it has.
    pub links: u32,
    /// Bytes of content; 0 for the first names of several, and where only a number is given.
    pub size: u64,
    /// Where the content begins in the archive.
    pub offset: u64,
}

/// Goes through an archive from its beginning. `size_of` says how large the file of a number is, for members that do not say it. What
/// `each` gets is a reader of the content; what it leaves is skipped.
///
/// # Errors
/// When it is damaged or cut, or `each` fails.
pub fn each(
    mut stream: impl Read,
    size_of: &dyn Fn(u32) -> Option<u64>,
    each: &mut dyn FnMut(Member, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let damaged = |detail: &'static str| io::Error::new(io::ErrorKind::InvalidData, detail);
    let mut at = 0_u64;
    loop {
        let mut magic = [0; 6];
        stream.read_exact(&mut magic)?;
        let mut member = match &magic {
            b"070701" | b"070702" => {
                let mut rest = [0; HEADER - 6];
                stream.read_exact(&mut rest)?;
                let number = |at: usize| hex(rest.get(at * 8..at * 8 + 8)).ok_or_else(|| damaged("no number"));
                let name_size = u64::from(number(11)?);
                if name_size == 0 || name_size > MAX_NAME {
                    return Err(damaged("a name is too long"));
                }
                let mut name = Vec::new();
                (&mut stream).take(name_size).read_to_end(&mut name)?;
                if name.len() as u64 != name_size || name.pop() != Some(0) {
                    return Err(damaged("a name has no end"));
                }
                at += HEADER as u64 + name_size;
                at += skip(&mut stream, padding(at))?;
                Member {
                    name,
                    index: None,
                    st_mode: number(1)?,
                    inode: (number(0)?, number(7)?, number(8)?),
                    links: number(4)?,
                    size: u64::from(number(6)?),
                    offset: at,
                }
            }
            b"07070X" => {
                let mut rest = [0; 8];
                stream.read_exact(&mut rest)?;
                let index = hex(Some(&rest)).ok_or_else(|| damaged("no number"))?;
                // The header is 14 bytes long and padded.
                at += 14;
                at += skip(&mut stream, padding(at))?;
                let size = size_of(index).ok_or_else(|| damaged("the package has no file of that number"))?;
                Member {
                    name: Vec::new(),
                    index: Some(index),
                    st_mode: 0,
                    inode: (0, 0, 0),
                    links: 1,
                    size,
                    offset: at,
                }
            }
            _ => return Err(damaged("no header of cpio")),
        };
        if member.index.is_none() && member.name == b"TRAILER!!!" {
            return Ok(());
        }
        if let Some(bare) = member.name.strip_prefix(b".") {
            member.name = bare.to_vec();
        }
        let size = member.size;
        let mut content = (&mut stream).take(size);
        each(member, &mut content)?;
        let left = content.limit();
        if skip(&mut stream, left)? < left {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        at += size;
        at += skip(&mut stream, padding(at))?;
    }
}

fn padding(at: u64) -> u64 {
    at.next_multiple_of(4) - at
}

fn skip(stream: &mut impl Read, count: u64) -> io::Result<u64> {
    io::copy(&mut stream.take(count), &mut io::sink())
}

fn hex(digits: Option<&[u8]>) -> Option<u32> {
    let text = std::str::from_utf8(digits?).ok()?;
    u32::from_str_radix(text, 16).ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn archive(members: &[(&str, u32, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, (name, mode, content)) in members.iter().chain([&("TRAILER!!!", 0, &b""[..])]).enumerate() {
            out.extend_from_slice(b"070701");
            let fields = [number, *mode as usize, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
            for field in fields {
                out.extend(format!("{field:08x}").bytes());
            }
            out.extend_from_slice(name.as_bytes());
            out.push(0);
            out.resize(out.len().next_multiple_of(4), 0);
            out.extend_from_slice(content);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    #[test]
    fn each_member_is_where_its_offset_says() {
        let bytes =
            archive(&[("./usr/bin/ls", 0o100_755, b"elf"), ("./etc", 0o40_755, b""), ("./a", 0o100_644, b"12345")]);
        let mut found = Vec::new();
        each(&bytes[..], &|_| None, &mut |member, content| {
            let mut text = Vec::new();
            content.read_to_end(&mut text)?;
            let at = usize::try_from(member.offset).unwrap();
            assert_eq!(bytes.get(at..at + text.len()).unwrap(), text);
            found.push((String::from_utf8(member.name).unwrap(), text));
            Ok(())
        })
        .unwrap();
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["/usr/bin/ls", "/etc", "/a"]);
        assert_eq!(found.last().unwrap().1, b"12345");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fall(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0..400_usize, at in 0..110_usize) {
            let _ = each(&bytes[..], &|_| None, &mut |_, _| Ok(()));
            let mut whole = archive(&[("./a", 0o100_644, &bytes)]);
            *whole.get_mut(at).unwrap() ^= 1;
            let _ = each(whole.get(..cut).unwrap_or(&whole), &|_| Some(1 << 40), &mut |_, _| Ok(()));
        }
    }
}
