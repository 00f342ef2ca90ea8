//! Which key an OpenPGP signature claims to be made with (RFC 9580 sections 4.2 and 5.2; of old, RFC 4880).

use super::super::bytes::{array, piece};

/// The key id, 16 lower-case hexadecimal digits, of the first signature packet.
pub(super) fn id(signature: &[u8]) -> Option<String> {
    let body = body(signature)?;
    let id = match body.first()? {
        // Version 3: after the length of the hashed part, its type and its time.
        3 => array::<8>(body, 7)?,
        4 => {
            let hashed = usize::from(u16::from_be_bytes(array(body, 4)?));
            let open = 6 + hashed;
            let length = usize::from(u16::from_be_bytes(array(body, open)?));
            issuer(piece(body, 6, hashed)?).or_else(|| issuer(piece(body, open + 2, length)?))?
        }
        _ => return None,
    };
    Some(super::super::dpkg::hex(&id))
}

/// The body of the first packet, if that is a signature.
fn body(packet: &[u8]) -> Option<&[u8]> {
    let &first = packet.first()?;
    let (tag, start) = if first & 0xc0 == 0xc0 {
        let &length = packet.get(1)?;
        (
            first & 0x3f,
            if length < 192 {
                2
            } else if length < 224 {
                3
            } else {
                6
            },
        )
    } else if first & 0x80 != 0 {
        (first >> 2 & 0x0f, [2, 3, 5, 1].get(usize::from(first & 3)).copied()?)
    } else {
        return None;
    };
    if tag == 2 { packet.get(start..) } else { None }
}

/// The issuer among subpackets: its key id (16), or the end of its fingerprint (33).
fn issuer(mut subpackets: &[u8]) -> Option<[u8; 8]> {
    while let Some(&first) = subpackets.first() {
        let (length, start) = match first {
            0..=191 => (usize::from(first), 1),
            192..=254 => ((usize::from(first) - 192) * 256 + usize::from(*subpackets.get(1)?) + 192, 2),
            255 => (usize::try_from(u32::from_be_bytes(array(subpackets, 1)?)).ok()?, 5),
        };
        let whole = piece(subpackets, start, length)?;
        match whole.split_first() {
            Some((kind, value)) if kind & 0x7f == 16 => return array(value, 0),
            // Version 4 of keys: 20 bytes, of which the last 8 are the id.
            Some((kind, value)) if kind & 0x7f == 33 && value.first() == Some(&4) => return array(value, 13),
            _ => {}
        }
        subpackets = subpackets.get(start + length..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ids_of_versions_3_and_4() {
        let id_bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        let v3 = [&[0x88, 30, 3, 5, 0, 0, 0, 0, 0][..], &id_bytes, &[1, 8, 0, 0]].concat();
        assert_eq!(id(&v3).as_deref(), Some("0102030405060708"));
        let v4 = [&[0xc2, 40, 4, 0, 1, 8, 0, 6, 5, 2, 9, 9, 9, 9, 0, 10, 9, 16][..], &id_bytes].concat();
        assert_eq!(id(&v4).as_deref(), Some("0102030405060708"));
    }

    #[test]
    fn no_cut_or_length_leads_out_of_the_bytes() {
        let v4 = [&[0xc2, 40, 4, 0, 1, 8, 0, 6, 5, 2, 9, 9, 9, 9, 0, 10, 9, 16][..], &[7; 8]].concat();
        for end in 0..v4.len() {
            assert_eq!(id(&v4[..end]), None);
        }
        assert_eq!(id(&[0xc2, 40, 4, 0, 1, 8, 0xff, 0xff, 255, 255, 255, 255, 255]), None);
        // A subpacket of no length does not stop the reader.
        assert_eq!(id(&[0xc2, 40, 4, 0, 1, 8, 0, 3, 0, 0, 0, 0, 0]), None);
    }
}
