//! What lies in an image, by its magic numbers, and how a Linux system opens what this tool does not read: commands that only read.
//!
//! Options are those of the manual pages losetup(8), mount(8), xfs(5), ext4(5), btrfs(5), cryptsetup-open(8), lvm.conf(5), mdadm(8),
//! qemu-nbd(8) and ewfmount(1). `vgchange --readonly` activates nothing (lvm(8): it does not talk to the kernel), so that the
//! list of volumes that are activated read-only is given instead.

use super::partition::ReadAt;

/// What a file, disk or partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Ext,
    Xfs,
    Btrfs,
    Lvm,
    Luks,
    MdRaid,
    Swap,
    Squashfs,
    Fat,
    Ntfs,
    Iso,
    Qcow2,
    Vmdk,
    Vdi,
    Vhdx,
    Vhd,
    Ewf,
    Unknown,
}

impl Content {
    /// Looks at the magic numbers.
    pub(super) fn of(read: &ReadAt<'_>, size: u64) -> Self {
        let at = |place: u64, magic: &[u8]| read(place, magic.len()).is_ok_and(|bytes| bytes == magic);
        let any = |magic: &[u8]| [512, 0, 1024, 1536].iter().any(|&place| at(place, magic));
        let md = 0xa92b_4efc_u32.to_le_bytes();
        let found: [(bool, Self); 19] = [
            (at(0, b"QFI\xfb"), Self::Qcow2),
            (at(0, b"KDMV") || at(0, b"COWD") || at(0, b"# Disk DescriptorFile"), Self::Vmdk),
            (at(0x40, &0xbeda_107f_u32.to_le_bytes()), Self::Vdi),
            (at(0, b"vhdxfile"), Self::Vhdx),
            (at(0, b"conectix") || (size > 512 && at(size - 512, b"conectix")), Self::Vhd),
            (at(0, b"EVF\x09\x0d\x0a\xff\x00") || at(0, b"EVF2\r\n\x81\x00"), Self::Ewf),
            (at(0, b"LUKS\xba\xbe"), Self::Luks),
            // The superblock of a RAID lies before, after or at the beginning of the file system in it.
            (at(4096, &md) || at(0, &md) || md_at_end(read, size, md), Self::MdRaid),
            (any(b"LABELONE"), Self::Lvm),
            (at(0, b"XFSB"), Self::Xfs),
            (at(0x1_0040, b"_BHRfS_M"), Self::Btrfs),
            (at(1024 + 0x38, &[0x53, 0xef]), Self::Ext),
            (at(0, b"hsqs"), Self::Squashfs),
            (at(4086, b"SWAPSPACE2") || at(4086, b"SWAP-SPACE"), Self::Swap),
            (at(3, b"NTFS    "), Self::Ntfs),
            (at(82, b"FAT32   "), Self::Fat),
            (at(54, b"FAT16   "), Self::Fat),
            (at(54, b"FAT12   "), Self::Fat),
            (at(0x8001, b"CD001"), Self::Iso),
        ];
        found.into_iter().find(|(is_it, _)| *is_it).map_or(Self::Unknown, |(_, content)| content)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ext => "an ext2, ext3 or ext4 file system",
            Self::Xfs => "an XFS file system",
            Self::Btrfs => "a btrfs file system",
            Self::Lvm => "a physical volume of LVM",
            Self::Luks => "a LUKS encrypted volume",
            Self::MdRaid => "a member of a software RAID",
            Self::Swap => "swap space",
            Self::Squashfs => "a squashfs file system",
            Self::Fat => "a FAT file system",
            Self::Ntfs => "an NTFS file system",
            Self::Iso => "an ISO 9660 file system",
            Self::Qcow2 => "a QEMU disk image (qcow2)",
            Self::Vmdk => "a VMware disk image (vmdk)",
            Self::Vdi => "a VirtualBox disk image (vdi)",
            Self::Vhdx => "a Hyper-V disk image (vhdx)",
            Self::Vhd => "a virtual PC disk image (vhd)",
            Self::Ewf => "an EnCase image (E01)",
            Self::Unknown => "nothing that is known",
        }
    }

    /// Says whether it is a way of writing a whole disk.
    pub(super) fn is_disk_format(self) -> bool {
        matches!(self, Self::Qcow2 | Self::Vmdk | Self::Vdi | Self::Vhdx | Self::Vhd | Self::Ewf)
    }

    /// Says whether a host's files can lie in it, if one could read it.
    pub(super) fn may_hold_a_root(self) -> bool {
        matches!(self, Self::Xfs | Self::Btrfs | Self::Lvm | Self::Luks | Self::MdRaid | Self::Squashfs)
    }

    /// The commands that make its files readable at `/mnt/evidence`, in their order. `partition` is 0 for a disk without a table.
    pub(super) fn commands(self, image: &str, partition: u32) -> Vec<String> {
        let image = quoted(image);
        let attach = format!("losetup -r -P --show -f {image}    # says /dev/loopN");
        let device = if partition == 0 { "/dev/loopN".to_owned() } else { format!("/dev/loopNp{partition}") };
        let mount = |options: &str, device: &str| format!("mount -o ro,{options} {device} /mnt/evidence");
        let mut commands = match self {
            Self::Qcow2 | Self::Vmdk | Self::Vdi | Self::Vhdx | Self::Vhd => {
                return vec![
                    "modprobe nbd max_part=16".to_owned(),
                    format!("qemu-nbd -r -c /dev/nbd0 {image}"),
                    "triage scan /dev/nbd0    # or mount a partition of it: /dev/nbd0p1".to_owned(),
                ];
            }
            Self::Ewf => {
                return vec![
                    format!("mkdir -p /mnt/ewf && ewfmount {image} /mnt/ewf"),
                    "triage scan /mnt/ewf/ewf1".to_owned(),
                ];
            }
            Self::Xfs => vec![attach, mount("norecovery", &device)],
            Self::Ext => vec![attach, mount("noload", &device)],
            Self::Btrfs => vec![attach, mount("rescue=nologreplay", &device)],
            Self::Lvm => vec![
                attach,
                "pvs && lvs    # say which volume group VG and volume LV it is".to_owned(),
                "vgchange -ay --config 'activation { read_only_volume_list = [ \"VG\" ] }' VG".to_owned(),
                "mount -o ro,norecovery /dev/VG/LV /mnt/evidence    # XFS; for ext4: ro,noload".to_owned(),
            ],
            Self::Luks => vec![
                attach,
                format!("cryptsetup open --readonly {device} evidence"),
                "mount -o ro,noload /dev/mapper/evidence /mnt/evidence    # ext4; for XFS: ro,norecovery".to_owned(),
            ],
            Self::MdRaid => vec![
                attach,
                format!(
                    "mdadm --assemble --readonly --run /dev/md/evidence {device}    # with all members that there are"
                ),
                "mount -o ro,noload /dev/md/evidence /mnt/evidence    # ext4; for XFS: ro,norecovery".to_owned(),
            ],
            _ => vec![attach, format!("mount -o ro {device} /mnt/evidence")],
        };
        commands.push("triage scan /mnt/evidence".to_owned());
        commands
    }
}

/// RAID metadata 0.90 and 1.0 lies at the end of the device.
fn md_at_end(read: &ReadAt<'_>, size: u64, magic: [u8; 4]) -> bool {
    let old = (size & !0xffff).checked_sub(0x1_0000);
    let new = (size & !0xfff).checked_sub(0x2000);
    [old, new].into_iter().flatten().any(|place| read(place, 4).is_ok_and(|bytes| bytes == magic))
}

/// A file name as a shell takes it.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=,:@".contains(c);
    if !name.is_empty() && name.chars().all(is_plain) {
        name.to_owned()
    } else {
        format!("'{}'", name.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn content(disk: &[u8]) -> Content {
        let read = |at: u64, length: usize| {
            let at = usize::try_from(at).unwrap();
            disk.get(at..at + length).map(<[u8]>::to_vec).ok_or(io::ErrorKind::UnexpectedEof.into())
        };
        Content::of(&read, disk.len() as u64)
    }

    #[test]
    fn what_is_not_read_here_is_known_by_its_magic_and_told_with_commands_that_only_read() {
        let cases: [(usize, &[u8], Content, &str); 8] = [
            (0, b"XFSB", Content::Xfs, "mount -o ro,norecovery /dev/loopNp2 /mnt/evidence"),
            (0x1_0040, b"_BHRfS_M", Content::Btrfs, "mount -o ro,rescue=nologreplay /dev/loopNp2 /mnt/evidence"),
            (
                512,
                b"LABELONE",
                Content::Lvm,
                "vgchange -ay --config 'activation { read_only_volume_list = [ \"VG\" ] }' VG",
            ),
            (0, b"LUKS\xba\xbe", Content::Luks, "cryptsetup open --readonly /dev/loopNp2 evidence"),
            (
                4096,
                &[0xfc, 0x4e, 0x2b, 0xa9],
                Content::MdRaid,
                "mdadm --assemble --readonly --run /dev/md/evidence /dev/loopNp2    # with all members that there are",
            ),
            (0, b"QFI\xfb", Content::Qcow2, "qemu-nbd -r -c /dev/nbd0 'a b.img'"),
            (0, b"EVF\x09\x0d\x0a\xff\x00", Content::Ewf, "mkdir -p /mnt/ewf && ewfmount 'a b.img' /mnt/ewf"),
            (1080, &[0x53, 0xef], Content::Ext, "mount -o ro,noload /dev/loopNp2 /mnt/evidence"),
        ];
        for (place, magic, expected, command) in cases {
            let mut disk = vec![0; 1 << 17];
            disk[place..place + magic.len()].copy_from_slice(magic);
            let found = content(&disk);
            assert_eq!(found, expected);
            assert!(found.commands("a b.img", 2).contains(&command.to_owned()), "{:#?}", found.commands("a b.img", 2));
        }
        assert_eq!(content(b""), Content::Unknown);
    }
}
