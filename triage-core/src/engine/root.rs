//! What only root can write, in a host as its distribution and FreePBX set it up.

use crate::model::EvidencePath;

const ROOTS: [&str; 17] = [
    "/root/",
    "/etc/cron",
    "/etc/anacrontab",
    "/etc/systemd/",
    "/etc/init.d/",
    "/etc/rc",
    "/etc/profile",
    "/etc/ld.so.preload",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/ssh/",
    "/etc/pam.d/",
    "/etc/sudoers",
    "/etc/incron.d/",
    "/var/spool/cron/root",
    "/var/spool/cron/crontabs/root",
    "/usr/",
];
/// Places below these that the web server's account may write.
const OTHERS: [&str; 3] = ["/usr/local/asterisk/", "/usr/src/", "/usr/share/nginx/html/"];

/// Says whether nobody but root can write there.
pub(super) fn is_roots_alone(path: &EvidencePath) -> bool {
    let path = path.as_bytes();
    let is_under = |places: &[&str]| places.iter().any(|place| path.starts_with(place.as_bytes()));
    is_under(&ROOTS) && !is_under(&OTHERS)
}
