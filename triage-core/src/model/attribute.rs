//! What extended attributes and inode flags say, in words.
//!
//! The raw bytes stay in [`FileMeta`]; this is the reading of them, made anew from them wherever it is needed. An attribute that cannot
//! be decoded is named, because a damaged one is as much evidence as a whole one.

use super::metadata::FileMeta;
use super::text::RawText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The decoded attributes of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attributes {
    /// The access ACL (`acl(5)`), in the order of the attribute; empty where the mode says all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acl: Vec<AclEntry>,
    /// The ACL that new files in this folder get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_acl: Vec<AclEntry>,
    /// File capabilities (`capabilities(7)`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// The `SELinux` label, without the NUL at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selinux_label: Option<RawText>,
    /// Inode flags by the names of `chattr(1)`, but for those that only say how the file system stores the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Names of attributes that should be one of these and cannot be decoded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undecoded: Vec<String>,
}

/// One entry of a POSIX ACL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AclEntry {
    /// Whom it is for.
    pub subject: AclSubject,
    /// The user's or group's number, where `subject` is one that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// `rwx`, with `-` for what is not allowed.
    pub permissions: String,
}

/// Whom an ACL entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum AclSubject {
    Owner,
    User,
    OwningGroup,
    Group,
    Mask,
    Other,
}

/// File capabilities, as `struct vfs_ns_cap_data` of `linux/capability.h` holds them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Capabilities {
    /// The layout: 1, 2 or 3.
    pub version: u8,
    /// Says that a program has them in force from its first instruction.
    pub is_effective: bool,
    /// What a program gets: `cap_net_raw`; a number where the name is not known here.
    pub permitted: Vec<String>,
    /// What it may keep over `execve`.
    pub inheritable: Vec<String>,
    /// The user that is root in the name space they hold in (layout 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_uid: Option<u32>,
}

/// `include/uapi/linux/capability.h`, by number.
const CAPABILITIES: [&str; 41] = [
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
];

/// `FS_*_FL` of `linux/fs.h`. Extents (0x80000), hashed folders (0x1000) and inline data (`0x1000_0000`) say how, not what.
const FLAGS: [(u32, &str); 17] = [
    (0x1, "secure_deletion"),
    (0x2, "undelete"),
    (0x4, "compressed"),
    (0x8, "synchronous"),
    (0x10, "immutable"),
    (0x20, "append_only"),
    (0x40, "no_dump"),
    (0x80, "no_atime"),
    (0x400, "no_compression"),
    (0x800, "encrypted"),
    (0x4000, "journal_data"),
    (0x1_0000, "synchronous_folder"),
    (0x10_0000, "verity"),
    (0x80_0000, "no_copy_on_write"),
    (0x200_0000, "direct_access"),
    (0x2000_0000, "project_hierarchy"),
    (0x4000_0000, "case_folding"),
];

impl Attributes {
    /// Decodes what `meta` holds.
    pub fn of(meta: &FileMeta) -> Self {
        let mut out = Self {
            flags: FLAGS
                .iter()
                .filter(|(bit, _)| meta.inode_flags.is_some_and(|flags| flags & bit != 0))
                .map(|(_, name)| (*name).to_owned())
                .collect(),
            ..Self::default()
        };
        for (name, value) in &meta.xattrs {
            let value = value.as_bytes();
            let is_decoded = match name.as_str() {
                "system.posix_acl_access" => acl(value).map(|entries| out.acl = entries).is_some(),
                "system.posix_acl_default" => acl(value).map(|entries| out.default_acl = entries).is_some(),
                "security.capability" => capabilities(value).map(|found| out.capabilities = Some(found)).is_some(),
                "security.selinux" => {
                    out.selinux_label = Some(value.strip_suffix(b"\0").unwrap_or(value).into());
                    true
                }
                _ => true,
            };
            if !is_decoded {
                out.undecoded.push(name.clone());
            }
        }
        out
    }

    /// Says whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Version 2 of `linux/posix_acl_xattr.h`: a header of four bytes, then eight bytes an entry, little-endian.
fn acl(value: &[u8]) -> Option<Vec<AclEntry>> {
    let (version, entries) = value.split_first_chunk::<4>()?;
    let (entries, rest) = entries.as_chunks::<8>();
    if u32::from_le_bytes(*version) != 2 || !rest.is_empty() {
        return None;
    }
    entries
        .iter()
        .map(|&[tag, tag_high, rights, rights_high, id @ ..]| {
            let (subject, has_id) = match u16::from_le_bytes([tag, tag_high]) {
                0x01 => (AclSubject::Owner, false),
                0x02 => (AclSubject::User, true),
                0x04 => (AclSubject::OwningGroup, false),
                0x08 => (AclSubject::Group, true),
                0x10 => (AclSubject::Mask, false),
                0x20 => (AclSubject::Other, false),
                _ => return None,
            };
            let rights = u16::from_le_bytes([rights, rights_high]);
            let right = |bit, letter| if rights & bit != 0 { letter } else { '-' };
            let permissions = [right(4, 'r'), right(2, 'w'), right(1, 'x')].iter().collect();
            Some(AclEntry { subject, id: has_id.then(|| u32::from_le_bytes(id)), permissions })
        })
        .collect()
}

fn capabilities(value: &[u8]) -> Option<Capabilities> {
    let (words, rest) = value.as_chunks::<4>();
    let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let (permitted, inheritable, root_uid);
    let version = match (words.as_slice(), rest) {
        (&[magic, allowed, kept], []) if magic >> 24 == 1 => {
            (permitted, inheritable, root_uid) = (u64::from(allowed), u64::from(kept), None);
            1
        }
        (&[magic, allowed, kept, allowed_high, kept_high], []) if magic >> 24 == 2 => {
            (permitted, inheritable, root_uid) = (wide(allowed, allowed_high), wide(kept, kept_high), None);
            2
        }
        (&[magic, allowed, kept, allowed_high, kept_high, root], []) if magic >> 24 == 3 => {
            (permitted, inheritable, root_uid) = (wide(allowed, allowed_high), wide(kept, kept_high), Some(root));
            3
        }
        _ => return None,
    };
    let is_effective = words.first().is_some_and(|magic| magic & 1 != 0);
    Some(Capabilities { version, is_effective, permitted: names(permitted), inheritable: names(inheritable), root_uid })
}

fn wide(low: u32, high: u32) -> u64 {
    u64::from(low) | (u64::from(high) << 32)
}

fn names(bits: u64) -> Vec<String> {
    (0..64)
        .filter(|bit| bits >> bit & 1 != 0)
        .map(|bit| CAPABILITIES.get(bit).map_or_else(|| bit.to_string(), |name| (*name).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FileKind, Mode};

    fn of(name: &str, value: &[u8]) -> Attributes {
        let mut meta = FileMeta::bare(FileKind::File, Mode::new(0o644), 0);
        meta.xattrs.insert(name.to_owned(), value.into());
        Attributes::of(&meta)
    }

    /// What `setfacl -m u:1000:rw-,g:33:r-x` leaves on a file with mode 0644.
    const ACL: &[u8] = b"\x02\0\0\0\
        \x01\0\x06\0\xff\xff\xff\xff\x02\0\x06\0\xe8\x03\0\0\x04\0\x04\0\xff\xff\xff\xff\
        \x08\0\x05\0\x21\0\0\0\x10\0\x07\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff";

    #[test]
    fn an_acl_that_lets_another_account_write_is_told() {
        let entries = of("system.posix_acl_access", ACL).acl;
        let shown: Vec<_> = entries.iter().map(|e| (e.subject, e.id, e.permissions.as_str())).collect();
        assert_eq!(
            shown,
            [
                (AclSubject::Owner, None, "rw-"),
                (AclSubject::User, Some(1000), "rw-"),
                (AclSubject::OwningGroup, None, "r--"),
                (AclSubject::Group, Some(33), "r-x"),
                (AclSubject::Mask, None, "rwx"),
                (AclSubject::Other, None, "r--"),
            ]
        );
        assert_eq!(of("system.posix_acl_default", ACL).default_acl, entries);
    }

    #[test]
    fn capabilities_of_all_layouts_are_named() {
        // `setcap cap_net_raw,cap_setuid+ep`: layout 2.
        let found =
            of("security.capability", b"\x01\0\0\x02\x80\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0").capabilities.unwrap();
        assert_eq!((found.version, found.is_effective, found.root_uid), (2, true, None));
        assert_eq!(found.permitted, ["cap_setuid", "cap_net_raw"]);
        assert!(found.inheritable.is_empty());
        // Layout 3, with cap_bpf (39), an unknown one (63) and a root that is none.
        let found = of("security.capability", b"\0\0\0\x03\0\0\0\0\x01\0\0\0\x80\0\0\x80\0\0\0\0\xa0\x86\x01\0");
        let found = found.capabilities.unwrap();
        assert_eq!((found.version, found.is_effective, found.root_uid), (3, false, Some(100_000)));
        assert_eq!(found.permitted, ["cap_bpf", "63"]);
        assert_eq!(found.inheritable, ["cap_chown"]);
        assert_eq!(of("security.capability", b"\0\0\0\x01\x01\0\0\0\0\0\0\0").capabilities.unwrap().version, 1);
    }

    #[test]
    fn an_attribute_that_is_cut_short_or_overlong_is_named_and_decodes_to_nothing() {
        for value in
            [&b""[..], b"\x02", b"\x02\0\0\0\x01", b"\x02\0\0\0\x03\0\x06\0\xff\xff\xff\xff", &vec![0xff; 65_536]]
        {
            let found = of("system.posix_acl_access", value);
            assert_eq!(found.undecoded, ["system.posix_acl_access"]);
            assert!(found.acl.is_empty());
            assert_eq!(of("security.capability", value).undecoded, ["security.capability"]);
        }
    }

    #[test]
    fn flags_have_the_names_of_chattr_and_layout_flags_are_left_out() {
        let mut meta = FileMeta::bare(FileKind::File, Mode::new(0o644), 0);
        meta.inode_flags = Some(0x8_0000 | 0x30);
        assert_eq!(Attributes::of(&meta).flags, ["immutable", "append_only"]);
        meta.inode_flags = Some(0x8_1000);
        assert!(Attributes::of(&meta).is_empty());
    }

    #[test]
    fn the_selinux_label_has_no_nul_at_its_end() {
        let label = of("security.selinux", b"system_u:object_r:shadow_t:s0\0").selinux_label;
        assert_eq!(label.unwrap().as_bytes(), b"system_u:object_r:shadow_t:s0");
    }
}
