//! `/proc/modules`, `/proc/kallsyms`, `/proc/PID/mountinfo`, `/proc/net/dev`.

use super::{number, text, unescape, words};
use crate::model::{KernelModule, Mount, RawText, Timestamp};

/// Reads `/proc/modules`: `name size references users state address (taint)`.
pub fn modules(bytes: &[u8], time: Timestamp) -> impl Iterator<Item = KernelModule> + '_ {
    bytes.split(|&b| b == b'\n').filter_map(move |line| {
        let words: Vec<&[u8]> = words(line).collect();
        let taint = words.get(6).and_then(|word| word.strip_prefix(b"(")?.strip_suffix(b")"));
        let users = words.get(3)?.split(|&b| b == b',');
        Some(KernelModule {
            time,
            name: RawText::from(*words.first()?),
            size_bytes: Some(number(words.get(1)?)?),
            used_by: users.filter(|user| !user.is_empty() && *user != b"-").map(RawText::from).collect(),
            state: text(words.get(4)?),
            taint: text(taint.unwrap_or_default()),
            seen_in: vec!["modules".to_owned()],
            missing_from: Vec::new(),
        })
    })
}

/// The module that a line of `/proc/kallsyms` names, address, type, symbol, and the name in brackets; none for what is built in or a BPF program.
pub fn kallsyms_module(line: &[u8]) -> Option<&[u8]> {
    let name = line.strip_suffix(b"]")?;
    let open = name.iter().rposition(|&b| b == b'[')?;
    let name = name.get(open + 1..)?;
    (name != b"bpf" && !name.starts_with(b"__builtin__") && !name.is_empty()).then_some(name)
}

/// Reads `/proc/PID/mountinfo` (`Documentation/filesystems/proc.rst`, 3.5).
pub fn mounts(bytes: &[u8], time: Timestamp) -> impl Iterator<Item = Mount> + '_ {
    bytes.split(|&b| b == b'\n').filter_map(move |line| {
        let mut words = words(line);
        let (id, parent) = (number(words.next()?)?, number(words.next()?)?);
        let (device, root, mount_point, options) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let mut rest = words.skip_while(|word| *word != b"-").skip(1);
        Some(Mount {
            time,
            id,
            parent,
            device: text(device),
            root: unescape(root),
            mount_point: unescape(mount_point),
            options: RawText::from(options),
            file_system: unescape(rest.next()?),
            origin: unescape(rest.next()?),
            super_options: struck_out(rest.next().unwrap_or_default()),
        })
    })
}

/// Options of a file system without the values that are secret, as those of cifs and 9p can be.
fn struck_out(options: &[u8]) -> RawText {
    let mut out = Vec::with_capacity(options.len());
    for (n, option) in options.split(|&b| b == b',').enumerate() {
        if n > 0 {
            out.push(b',');
        }
        let cut = option.iter().position(|&b| b == b'=').unwrap_or(option.len());
        let name = option.get(..cut).unwrap_or_default().to_ascii_lowercase();
        if [&b"pass"[..], b"secret", b"key", b"cred"].iter().any(|word| name.windows(word.len()).any(|at| at == *word))
        {
            out.extend_from_slice(&name);
            out.extend_from_slice(b"=***");
        } else {
            out.extend_from_slice(option);
        }
    }
    RawText::from(out)
}

/// Reads `/proc/net/dev`: name, bytes received, bytes sent.
pub fn interfaces(bytes: &[u8]) -> impl Iterator<Item = (RawText, u64, u64)> + '_ {
    bytes.split(|&b| b == b'\n').skip(2).filter_map(|line| {
        let colon = line.iter().rposition(|&b| b == b':')?;
        let numbers: Vec<&[u8]> = words(line.get(colon + 1..)?).collect();
        let name = RawText::from(line.get(..colon)?.trim_ascii());
        Some((name, number(numbers.first()?)?, number(numbers.get(8)?)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_with_users_and_taint() {
        let text = b"dahdi 242349 2 wctdm24xxp,wcb4xxp, Live 0xffffffffc0a00000 (OE)\nnf_tables 1 0 - Live 0x0\n\nbroken line\n";
        let found: Vec<KernelModule> = modules(text, Timestamp::new(0, 0)).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].used_by.len(), found[0].taint.as_str(), found[0].state.as_str()), (2, "OE", "Live"));
        assert!(found[1].used_by.is_empty());
    }

    #[test]
    fn a_blank_in_a_mount_point_and_a_password_in_its_options() {
        let text =
            br"36 35 98:0 /mnt\0401 /proc/12 rw,noatime master:1 shared:2 - cifs //srv/x rw,username=a,password=geheim
22 27 0:21 / /proc rw - proc proc rw
27 1 254:0 / / rw";
        let found: Vec<Mount> = mounts(text, Timestamp::new(0, 0)).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].root.as_bytes(), b"/mnt 1");
        assert_eq!(found[0].mount_point.as_bytes(), b"/proc/12");
        assert_eq!(found[0].super_options.as_bytes(), b"rw,username=a,password=***");
    }

    #[test]
    fn kallsyms_and_interfaces() {
        assert_eq!(kallsyms_module(b"0000000000000000 t hide\t[diamorphine]"), Some(&b"diamorphine"[..]));
        assert_eq!(kallsyms_module(b"0000000000000000 t x\t[bpf]"), None);
        assert_eq!(kallsyms_module(b"0000000000000000 T printk"), None);
        let dev = b"Inter-|\n face |\n  eth0: 10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n eth0:1: 1 2 3 4 5 6 7 8 9\n";
        let found: Vec<_> = interfaces(dev).collect();
        assert_eq!(found, [("eth0".into(), 10, 20), ("eth0:1".into(), 1, 9)]);
    }
}
