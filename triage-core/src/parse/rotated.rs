//! Rotated logs are packed; what is in them is read within a budget.

use super::Limits;
use crate::model::{EvidencePath, Gap, GapReason, Outcome};
use std::borrow::Cow;
use std::io::Read;

/// The bytes as they are, or unpacked where they begin as a packed file does. What goes beyond the budget, or comes after damage, is left
/// out as a gap; what came before it is kept.
pub(super) fn unpacked<'a>(path: &EvidencePath, bytes: &'a [u8], limits: &Limits) -> Outcome<Cow<'a, [u8]>> {
    let reader: Box<dyn Read + 'a> = match bytes {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        // Its header may ask for gigabytes before a byte is read, and no log rotation here packs with it.
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => return unreadable(path, "packed with xz, which is not unpacked here"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => match zstd::stream::read::Decoder::with_buffer(bytes) {
            Ok(mut decoder) => {
                if decoder.window_log_max(27).is_err() {
                    return unreadable(path, "the unpacker cannot be set up");
                }
                Box::new(decoder)
            }
            Err(_) => return unreadable(path, "the unpacker cannot be set up"),
        },
        _ => return Outcome::whole(Cow::Borrowed(bytes)),
    };
    // The decoders of others read hostile bytes here.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read_within(path, reader, limits)))
        .unwrap_or_else(|_| unreadable(path, "the unpacker failed on it"))
}

fn unreadable<'a>(path: &EvidencePath, why: &str) -> Outcome<Cow<'a, [u8]>> {
    Outcome { value: Cow::Borrowed(&[]), gaps: vec![Gap::new(path.clone(), GapReason::Unreadable, why)] }
}

fn read_within<'a>(path: &EvidencePath, reader: Box<dyn Read + '_>, limits: &Limits) -> Outcome<Cow<'a, [u8]>> {
    let mut out = Vec::new();
    let mut gaps = Vec::new();
    let mut reader = reader.take(limits.max_unpacked_bytes.saturating_add(1));
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => out.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                let detail = format!("cannot be unpacked after {} bytes: {error}", out.len());
                gaps.push(Gap::new(path.clone(), GapReason::Unreadable, detail));
                break;
            }
        }
    }
    if out.len() as u64 > limits.max_unpacked_bytes {
        out.truncate(usize::try_from(limits.max_unpacked_bytes).unwrap_or(usize::MAX));
        let detail = format!("unpacks to more than {} bytes; the rest was not read", limits.max_unpacked_bytes);
        gaps.push(Gap::new(path.clone(), GapReason::LimitReached, detail));
    }
    Outcome { value: Cow::Owned(out), gaps }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn path() -> EvidencePath {
        EvidencePath::new("/var/log/auth.log.2.gz").unwrap()
    }

    #[test]
    fn gzip_zstd_and_plain_bytes_come_out_the_same() {
        let text = b"Jan  2 03:04:05 pbx sshd[1]: x\n".repeat(1000);
        for packed in [gzip(&text), zstd::encode_all(&*text, 3).unwrap(), text.clone()] {
            let out = unpacked(&path(), &packed, &Limits::default());
            assert!(out.gaps.is_empty(), "{:?}", out.gaps);
            assert_eq!(*out.value, *text);
        }
    }

    #[test]
    fn two_gzip_members_in_one_file_are_both_read() {
        let both = [gzip(b"first\n"), gzip(b"second\n")].concat();
        assert_eq!(*unpacked(&path(), &both, &Limits::default()).value, *b"first\nsecond\n");
    }

    #[test]
    fn compression_bomb_is_cut_at_the_budget() {
        let bomb = gzip(&vec![b'\n'; 8 << 20]);
        assert!(bomb.len() < 16 << 10);
        let limits = Limits { max_unpacked_bytes: 1 << 20, ..Limits::default() };
        let out = unpacked(&path(), &bomb, &limits);
        assert_eq!((out.value.len(), out.gaps.len()), (1 << 20, 1));
        assert_eq!(out.gaps.first().unwrap().reason, GapReason::LimitReached);
    }

    #[test]
    fn a_log_whose_end_is_cut_off_is_read_as_far_as_it_goes() {
        let text: Vec<u8> = (0_u32..20_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let packed = gzip(&text);
        let out = unpacked(&path(), packed.get(..packed.len() / 2).unwrap(), &Limits::default());
        assert!(out.value.len() > 10_000 && text.starts_with(&out.value));
        assert_eq!(out.gaps.first().unwrap().reason, GapReason::Unreadable);
    }
}
