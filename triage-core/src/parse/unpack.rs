//! Rotated logs are gzipped; they are unpacked up to a budget, so that a bomb is a gap.

use flate2::read::MultiGzDecoder;
use std::borrow::Cow;
use std::io::Read as _;

/// The most that a packed file may become, in bytes.
const BUDGET: u64 = 64 << 20;

/// The bytes, unpacked if they are gzip (RFC 1952), and what is wrong with them as far as they go.
pub(crate) fn unpack(bytes: &[u8]) -> (Cow<'_, [u8]>, Option<&'static str>) {
    if !bytes.starts_with(b"\x1f\x8b") {
        return (Cow::Borrowed(bytes), None);
    }
    let mut out = Vec::new();
    let trouble = match MultiGzDecoder::new(bytes).take(BUDGET + 1).read_to_end(&mut out) {
        Err(_) => Some("the gzip stream is damaged; what stands before the damage was read"),
        Ok(_) if out.len() as u64 > BUDGET => {
            out.truncate(usize::try_from(BUDGET).unwrap_or(usize::MAX));
            Some("unpacks to more than 64 MiB; the rest was not read")
        }
        Ok(_) => None,
    };
    (Cow::Owned(out), trouble)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_gzip_bomb_ends_at_the_budget() {
        let packed = gzip(&vec![0; 70 << 20]);
        let (bytes, trouble) = unpack(&packed);
        assert_eq!(bytes.len() as u64, BUDGET);
        assert!(trouble.unwrap().contains("64 MiB"));
    }

    #[test]
    fn what_stands_before_a_cut_is_kept() {
        let packed = gzip(&(0..200_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
        let (bytes, trouble) = unpack(&packed[..packed.len() / 2]);
        assert!(!bytes.is_empty() && trouble.is_some());
    }
}
