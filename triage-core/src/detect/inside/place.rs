//! Where an archive is looked into, and what its contents say of the host there.
//!
//! Decompression costs time, and a host has thousands of compressed files that nobody but a vendor writes: documentation, modules of the kernel,
//! caches of packages. Logs are read by their own parsers, and what visitors ask a web server for stands in them by right. A phar is looked into
//! everywhere, because it runs as it lies there.

use crate::model::EvidencePath;

/// What kind of place an archive lies at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::detect) enum Place {
    /// Vendors put it there, or it is a log.
    Vendor,
    /// A web server serves it, or anybody may have put it there.
    Exposed,
    /// A home, a backup, a spool: somebody keeps it there.
    Kept,
}

/// Folders of vendors and logs.
const VENDOR: [&[u8]; 24] = [
    b"/usr/",
    b"/lib/",
    b"/lib32/",
    b"/lib64/",
    b"/libx32/",
    b"/bin/",
    b"/sbin/",
    b"/boot/",
    b"/snap/",
    b"/var/log/",
    b"/var/lib/apt/",
    b"/var/lib/dpkg/",
    b"/var/lib/rpm/",
    b"/var/lib/yum/",
    b"/var/lib/dnf/",
    b"/var/lib/snapd/",
    b"/var/lib/flatpak/",
    b"/var/lib/mlocate/",
    b"/var/lib/plocate/",
    b"/var/cache/apt/",
    b"/var/cache/dnf/",
    b"/var/cache/yum/",
    b"/var/cache/man/",
    b"/var/cache/debconf/",
];
/// What does not belong to vendors beneath their folders.
const NOT_VENDOR: [&[u8]; 3] = [b"/usr/local/", b"/usr/share/nginx/html/", b"/usr/src/"];

/// Places that a web server serves, or where anybody may write.
const EXPOSED: [&[u8]; 8] = [
    b"/var/www/",
    b"/srv/www/",
    b"/srv/http/",
    b"/usr/share/nginx/html/",
    b"/tmp/",
    b"/var/tmp/",
    b"/dev/shm/",
    b"/tftpboot/",
];

impl Place {
    /// The kind of this place.
    pub(in crate::detect) fn of(path: &EvidencePath) -> Self {
        let path = in_image(path.as_bytes());
        let is_in = |places: &[&[u8]]| places.iter().any(|place| path.starts_with(place));
        if is_in(&EXPOSED) {
            Self::Exposed
        } else if is_in(&VENDOR) && !is_in(&NOT_VENDOR) {
            Self::Vendor
        } else {
            Self::Kept
        }
    }

    /// The most that a finding inside can be sure of: what somebody keeps may be a sample, or a backup of the bad days. It says that a person
    /// should look; it proves nothing of the host as it is, and nothing is to be moved away for it.
    pub(super) fn most_confidence(self) -> u8 {
        match self {
            Self::Exposed => 100,
            Self::Vendor | Self::Kept => 70,
        }
    }
}

/// The part of a path that is one in a container's image.
fn in_image(path: &[u8]) -> &[u8] {
    const LAYERS: [&[u8]; 2] = [b"/diff/", b"/rootfs/"];
    if !path.starts_with(b"/var/lib/") {
        return path;
    }
    let cut = |layer: &&[u8]| super::super::find(path, layer).map(|at| at + layer.len() - 1);
    LAYERS.iter().find_map(cut).and_then(|at| path.get(at..)).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_documentation_is_passed_over_and_web_roots_are_not() {
        for (path, place) in [
            ("/usr/share/doc/bash/changelog.gz", Place::Vendor),
            ("/usr/lib/jvm/x.jar", Place::Vendor),
            ("/var/log/apache2/access.log.2.gz", Place::Vendor),
            ("/boot/initrd.img", Place::Vendor),
            ("/var/lib/docker/overlay2/0a/diff/usr/share/man/man1/a.1.gz", Place::Vendor),
            ("/var/lib/docker/overlay2/0a/diff/var/www/html/x.zip", Place::Exposed),
            ("/var/www/html/x.zip", Place::Exposed),
            ("/tmp/x.tgz", Place::Exposed),
            ("/usr/local/src/x.tgz", Place::Kept),
            ("/root/x.tgz", Place::Kept),
            ("/var/backups/dpkg.status.1.gz", Place::Kept),
            ("/var/spool/asterisk/backup/nightly/x.tar.gz", Place::Kept),
            ("/usrx/a.gz", Place::Kept),
        ] {
            assert_eq!(Place::of(&EvidencePath::new(path).unwrap()), place, "{path}");
        }
    }
}
