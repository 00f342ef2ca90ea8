//! Who else can read the secrets of a telephone system, or write to what it runs.

use super::{Rule, Tell, attribute, rule};
use crate::model::{EvidencePath, FileKind, Severity, Subject};
use crate::sweep::Swept;

pub(super) const READABLE: Rule = rule(
    "TR-HARDEN-0006",
    "File with secrets that every account of the host may read",
    Severity::Medium,
    70,
    (
        &["T1552.001"],
        "FreePBX framework: freepbx.conf and amportal.conf are 0660; ssh-keygen(1): private keys are 0600",
    ),
);
pub(super) const WRITABLE: Rule = rule(
    "TR-HARDEN-0007",
    "What the telephone system runs may be changed by every account of the host",
    Severity::Medium,
    70,
    (
        &["T1222.002"],
        "FreePBX framework: fwconsole chown sets 0755 and 0775; write-up of a FreePBX 16 image for ha_trigger",
    ),
);

/// How many are named.
const NAMED: usize = 10;
/// How many are kept of each kind.
const MAX_KEPT: usize = 1000;

#[derive(Default)]
pub(super) struct Seen {
    readable: Vec<(EvidencePath, String)>,
    writable: Vec<(EvidencePath, String)>,
}

pub(super) fn inspect(file: &Swept<'_>, seen: &mut Seen) {
    let mode = file.meta.mode.bits();
    let is_thing = matches!(file.meta.kind, FileKind::File | FileKind::Directory);
    let entry = || (file.path.clone(), file.meta.mode.to_string());
    if file.meta.is_file() && mode & 0o004 != 0 && is_secret(file) && seen.readable.len() < MAX_KEPT {
        seen.readable.push(entry());
    }
    // A sticky folder is one in which only the owner may remove.
    let is_sticky = file.meta.kind == FileKind::Directory && mode & 0o1000 != 0;
    if is_thing && mode & 0o002 != 0 && !is_sticky && is_run(file.path) && seen.writable.len() < MAX_KEPT {
        seen.writable.push(entry());
    }
}

/// Files whose secrets open something, by place.
fn is_secret(file: &Swept<'_>) -> bool {
    const FILES: [&[u8]; 9] = [
        b"/etc/freepbx.conf",
        b"/etc/amportal.conf",
        b"/etc/asterisk/manager.conf",
        b"/etc/asterisk/manager_additional.conf",
        b"/etc/asterisk/pjsip.auth.conf",
        b"/etc/asterisk/sip_additional.conf",
        b"/etc/asterisk/iax_additional.conf",
        b"/etc/asterisk/voicemail.conf",
        b"/etc/asterisk/ari_additional.conf",
    ];
    let path = file.path.as_bytes();
    let is_key = (path.starts_with(b"/etc/asterisk/keys/") || path.starts_with(b"/etc/ssl/private/"))
        && matches!(file.path.extension(), Some(b"key" | b"pem"));
    let is_ssh_key = file.path.components().any(|part| part == b".ssh")
        && file.path.file_name().starts_with(b"id_")
        && file.path.extension() != Some(b"pub");
    // A certificate without its key is public.
    let holds_key = || file.content.is_none_or(|content| super::super::find(content, b"PRIVATE KEY").is_some());
    FILES.contains(&path) || ((is_key || is_ssh_key) && holds_key())
}

fn is_run(path: &EvidencePath) -> bool {
    const FOLDERS: [&[u8]; 6] = [
        b"/var/www/html/",
        b"/var/lib/asterisk/bin/",
        b"/var/lib/asterisk/agi-bin/",
        b"/etc/asterisk/",
        b"/usr/local/asterisk/",
        b"/etc/incron.d/",
    ];
    FOLDERS.iter().any(|folder| path.as_bytes().starts_with(folder))
}

impl Seen {
    pub(super) fn conclude(&self, tell: &mut Tell<'_>) {
        for (path, mode) in &self.readable {
            let subject = Subject::File { path: path.clone(), sha256: None };
            tell(&READABLE, subject, vec![attribute("mode", mode)]);
        }
        // One finding, about the first of them in order: a whole web root may be open.
        let mut writable: Vec<&(EvidencePath, String)> = self.writable.iter().collect();
        writable.sort();
        if let Some((first, _)) = writable.first() {
            let mut evidence = vec![attribute("objects", writable.len().to_string())];
            evidence.extend(
                writable.iter().take(NAMED).map(|(path, mode)| attribute(&format!("mode {mode}"), path.as_bytes())),
            );
            tell(&WRITABLE, Subject::File { path: first.clone(), sha256: None }, evidence);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::testing::{Scene, ids};
    use super::super::HardeningDetector;

    fn found(path: &str, content: &str, mode: u32) -> Vec<String> {
        let xml = "<module><rawname>framework</rawname><version>17.0.25</version></module>";
        let scene = Scene::new().part().file("/var/www/html/admin/modules/framework/module.xml", xml).file_with(
            path,
            content,
            mode,
            |_| {},
        );
        ids(&scene.judge(HardeningDetector::default()).value)
    }

    #[test]
    fn secrets_that_all_may_read_and_code_that_all_may_write_are_told() {
        assert_eq!(found("/etc/freepbx.conf", "<?php\n", 0o664), ["TR-HARDEN-0006 medium"]);
        assert!(found("/etc/freepbx.conf", "<?php\n", 0o660).is_empty());
        assert_eq!(found("/etc/asterisk/keys/a.key", "-----BEGIN PRIVATE KEY-----", 0o644), ["TR-HARDEN-0006 medium"]);
        assert!(found("/etc/asterisk/keys/a.pem", "-----BEGIN CERTIFICATE-----", 0o644).is_empty());
        assert_eq!(found("/var/www/html/a.php", "<?php\n", 0o666), ["TR-HARDEN-0007 medium"]);
        assert!(found("/var/www/html/a.php", "<?php\n", 0o664).is_empty());
    }
}
