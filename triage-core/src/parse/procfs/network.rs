//! `/proc/PID/net`: sockets, routes, neighbours.

use super::{hex, number, text, words};
use crate::model::{Neighbour, RawText, Route, Socket, Timestamp};
use core::net::{Ipv4Addr, Ipv6Addr};

/// Reads `tcp`, `tcp6`, `udp`, `udp6`, `raw`, `raw6`; `protocol` is the file's name.
pub fn inet<'a>(protocol: &'a str, bytes: &'a [u8], time: Timestamp) -> impl Iterator<Item = Socket> + 'a {
    bytes.split(|&b| b == b'\n').skip(1).filter_map(move |line| {
        let words: Vec<&[u8]> = words(line).take(10).collect();
        let number_of_state = u8::try_from(hex(words.get(3)?)?).ok()?;
        let remote = words.get(2)?;
        let has_remote = remote.iter().any(|&b| b != b'0' && b != b':');
        Some(Socket {
            time,
            protocol: protocol.to_owned(),
            local: RawText::from(endpoint(words.get(1)?)?.as_str()),
            remote: if has_remote { Some(endpoint(remote)?) } else { None },
            state: state(protocol, number_of_state).to_owned(),
            uid: Some(number(words.get(7)?)?),
            inode: number(words.get(9)?)?,
            namespace: None,
            owners: Vec::new(),
        })
    })
}

/// Address and port. Each four bytes of the address are shown as one number in the byte order of the machine.
fn endpoint(word: &[u8]) -> Option<String> {
    let colon = word.iter().position(|&b| b == b':')?;
    let (address, port) = (word.get(..colon)?, hex(word.get(colon + 1..)?)?);
    Some(match address.len() {
        8 => format!("{}:{port}", ipv4(address)?),
        32 => {
            let mut octets = [0; 16];
            for (four, digits) in octets.chunks_exact_mut(4).zip(address.chunks_exact(8)) {
                four.copy_from_slice(&u32::try_from(hex(digits)?).ok()?.to_ne_bytes());
            }
            format!("[{}]:{port}", Ipv6Addr::from(octets))
        }
        _ => return None,
    })
}

fn ipv4(digits: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(u32::try_from(hex(digits)?).ok()?.to_ne_bytes()))
}

/// `include/net/tcp_states.h`; UDP uses two of them, raw sockets none that mean something.
fn state(protocol: &str, number: u8) -> &'static str {
    if protocol.starts_with("udp") {
        return if number == 1 { "established" } else { "" };
    }
    if !protocol.starts_with("tcp") {
        return "";
    }
    match number {
        1 => "established",
        2 => "syn_sent",
        3 => "syn_received",
        4 => "fin_wait_1",
        5 => "fin_wait_2",
        6 => "time_wait",
        7 => "close",
        8 => "close_wait",
        9 => "last_ack",
        10 => "listen",
        11 => "closing",
        12 => "new_syn_received",
        _ => "unknown",
    }
}

/// Reads `unix`: `Num RefCount Protocol Flags Type St Inode Path`.
///
/// A name may hold a newline, so that a line can be forged; it can add a socket and never hide one.
pub fn unix(bytes: &[u8], time: Timestamp) -> impl Iterator<Item = Socket> + '_ {
    bytes.split(|&b| b == b'\n').skip(1).filter_map(move |line| {
        let mut rest = line;
        let mut fields = Vec::with_capacity(7);
        while fields.len() < 7 {
            rest = rest.trim_ascii_start();
            let end = rest.iter().position(|&b| b == b' ').unwrap_or(rest.len());
            let (word, tail) = rest.split_at_checked(end)?;
            fields.push(word);
            rest = tail;
        }
        fields.first()?.strip_suffix(b":")?;
        let is_listening = hex(fields.get(3)?)? & 0x1_0000 != 0;
        let state = match hex(fields.get(5)?)? {
            _ if is_listening => "listen",
            3 => "established",
            _ => "",
        };
        Some(Socket {
            time,
            protocol: "unix".to_owned(),
            local: RawText::from(rest.strip_prefix(b" ").unwrap_or(rest)),
            remote: None,
            state: state.to_owned(),
            uid: None,
            inode: number(fields.get(6)?)?,
            namespace: None,
            owners: Vec::new(),
        })
    })
}

/// Reads `packet`: `sk RefCnt Type Proto Iface R Rmem User Inode`. Whoever has one sees what passes the interface.
pub fn packet(bytes: &[u8], time: Timestamp) -> impl Iterator<Item = Socket> + '_ {
    bytes.split(|&b| b == b'\n').skip(1).filter_map(move |line| {
        let words: Vec<&[u8]> = words(line).take(9).collect();
        let local = format!("protocol {:#06x}, interface {}", hex(words.get(3)?)?, text(words.get(4)?));
        Some(Socket {
            time,
            protocol: "packet".to_owned(),
            local: RawText::from(local.as_str()),
            remote: None,
            state: String::new(),
            uid: Some(number(words.get(7)?)?),
            inode: number(words.get(8)?)?,
            namespace: None,
            owners: Vec::new(),
        })
    })
}

/// Reads `arp`: `IP HW-type Flags HW-address Mask Device`.
pub fn neighbours(bytes: &[u8], time: Timestamp) -> impl Iterator<Item = Neighbour> + '_ {
    bytes.split(|&b| b == b'\n').skip(1).filter_map(move |line| {
        let words: Vec<&[u8]> = words(line).collect();
        Some(Neighbour {
            time,
            address: text(words.first()?),
            hardware_address: text(words.get(3)?),
            interface: RawText::from(*words.get(5)?),
        })
    })
}

/// Reads `route`: `Iface Destination Gateway Flags RefCnt Use Metric Mask …`.
pub fn routes(bytes: &[u8], time: Timestamp) -> impl Iterator<Item = Route> + '_ {
    bytes.split(|&b| b == b'\n').skip(1).filter_map(move |line| {
        let words: Vec<&[u8]> = words(line).collect();
        let mask = u32::from(ipv4(words.get(7)?)?);
        let gateway = ipv4(words.get(2)?)?;
        Some(Route {
            time,
            destination: format!("{}/{}", ipv4(words.get(1)?)?, mask.count_ones()),
            gateway: (!gateway.is_unspecified()).then(|| gateway.to_string()),
            interface: RawText::from(*words.first()?),
        })
    })
}

/// Reads `ipv6_route`: `destination length source length gateway metric references use flags interface`.
pub fn ipv6_routes(bytes: &[u8], time: Timestamp) -> impl Iterator<Item = Route> + '_ {
    bytes.split(|&b| b == b'\n').filter_map(move |line| {
        let words: Vec<&[u8]> = words(line).collect();
        let address = |word: &[u8]| {
            let digits = std::str::from_utf8(word).ok().filter(|text| text.len() == 32 && !text.starts_with('+'))?;
            u128::from_str_radix(digits, 16).ok().map(Ipv6Addr::from)
        };
        let gateway = address(words.get(4)?)?;
        Some(Route {
            time,
            destination: format!("{}/{}", address(words.first()?)?, hex(words.get(1)?)?),
            gateway: (!gateway.is_unspecified()).then(|| gateway.to_string()),
            interface: RawText::from(*words.get(9)?),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::new(0, 0)
    }

    /// An address as this machine's kernel would show it.
    fn shown(octets: [u8; 4]) -> String {
        format!("{:08X}", u32::from_ne_bytes(octets))
    }

    #[test]
    fn sockets_of_the_internet() {
        let tcp = format!(
            "  sl  local_address …\n   0: {}:0016 {}:01BB 01 00000000:00000000 02:00000000 00000000  33 0 4711 2 x 100\nbroken\n \
             1: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1541 1 x\n",
            shown([192, 0, 2, 1]),
            shown([198, 51, 100, 7])
        );
        let found: Vec<Socket> = inet("tcp", tcp.as_bytes(), now()).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].local.as_bytes(), found[0].remote.as_deref()),
            (&b"192.0.2.1:22"[..], Some("198.51.100.7:443"))
        );
        assert_eq!((found[0].state.as_str(), found[0].uid, found[0].inode), ("established", Some(33), 4711));
        assert_eq!((found[1].state.as_str(), &found[1].remote), ("listen", &None));
        let local = format!("{}{}", "0".repeat(24), shown([0, 0, 0, 1]));
        let tcp6 = format!("head\n0: {local}:0050 {}:0000 0A 0:0 0:0 0 0 0 9 1\n", "0".repeat(32));
        let found: Vec<Socket> = inet("tcp6", tcp6.as_bytes(), now()).collect();
        assert_eq!(found[0].local.as_bytes(), b"[::1]:80");
    }

    #[test]
    fn a_newline_in_a_unix_name_hides_no_socket() {
        let text = b"Num RefCount Protocol Flags Type St Inode Path\n\
            00000000224fc457: 00000003 00000000 00000000 0001 03 406597\n\
            0000000000000001: 00000002 00000000 00010000 0001 01 1 /run/a b\nrest of the name\n\
            0000000000000002: 00000002 00000000 00010000 0001 01 2 @abstract\n";
        let found: Vec<Socket> = unix(text, now()).collect();
        let names: Vec<&[u8]> = found.iter().map(|socket| socket.local.as_bytes()).collect();
        assert_eq!(names, [&b""[..], b"/run/a b", b"@abstract"]);
        assert_eq!((found[0].state.as_str(), found[1].state.as_str()), ("established", "listen"));
    }

    #[test]
    fn routes_and_neighbours() {
        let text =
            format!("head\neth0\t{}\t00000000\t0001\t0\t0\t0\t{}\n", shown([192, 0, 2, 0]), shown([255, 255, 255, 0]));
        let route = routes(text.as_bytes(), now()).next().unwrap();
        assert_eq!((route.destination.as_str(), route.gateway), ("192.0.2.0/24", None));
        let text = format!("{} 40 {} 00 {}fe 1 2 3 4 eth0\n", "0".repeat(32), "0".repeat(32), "0".repeat(30));
        let route = ipv6_routes(text.as_bytes(), now()).next().unwrap();
        assert_eq!((route.destination.as_str(), route.gateway.as_deref()), ("::/64", Some("::fe")));
        let arp = b"IP address\n192.0.2.1 0x1 0x2 02:00:00:00:00:01 * eth0\n";
        assert_eq!(neighbours(arp, now()).next().unwrap().hardware_address, "02:00:00:00:00:01");
    }

    proptest::proptest! {
        #[test]
        fn no_table_makes_a_parser_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600)) {
            let _ = inet("tcp", &bytes, now()).count() + unix(&bytes, now()).count() + packet(&bytes, now()).count();
            let _ = neighbours(&bytes, now()).count() + routes(&bytes, now()).count() + ipv6_routes(&bytes, now()).count();
            let _ = (super::super::stat(&bytes), super::super::status(&bytes), super::super::maps(&bytes));
            let _ = (super::super::modules(&bytes, now()).count(), super::super::mounts(&bytes, now()).count());
        }
    }
}
