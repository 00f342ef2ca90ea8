//! Files that can run where only data belongs.
//!
//! The place gives the suspicion, the content the weight: many genuine applications keep an empty `index.php` or compiled
//! templates among their data.

use super::{Detector, Inside, Report, find, handler, looks_like_php, shell};
use crate::model::{Category, Evidence, EvidencePath, FileKind, Finding, RawText, Severity, Subject};
use crate::sweep::Swept;

/// Judges each file by where it lies.
pub struct PlacementDetector;

impl Detector for PlacementDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        match file.meta.kind {
            FileKind::File => {}
            FileKind::Directory => return pinned(file, report),
            _ => return,
        }
        pinned(file, report);
        set_user_id(file, report);
        let Some(content) = file.content else { return };
        if is_web(file.path) {
            web(file, content, report);
        }
        if shell::is_temporary(file.path.as_bytes()) {
            temporary(file, content, report);
        }
    }

    fn looks_inside(&self, inside: Inside) -> bool {
        inside == Inside::Member
    }
}

/// How a folder of a web root is meant to be used, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Folder {
    /// Compiled templates and configuration in PHP are usual: `cache`, `compiled`.
    Cache,
    /// Style sheets, scripts and pictures; some old applications generate them with PHP.
    Asset,
    /// What visitors or sessions leave; PHP has no business there.
    Upload,
}

impl Folder {
    pub(super) fn of(path: &EvidencePath) -> Option<Self> {
        let folder = path.parent()?;
        // Libraries have folders of such names for code: `vendor/…/Session`, `lib/cache`.
        let is_library =
            |part: &&[u8]| matches!(*part, b"vendor" | b"node_modules" | b"lib" | b"libraries" | b"includes" | b"src");
        let below_root = folder.components().skip(2).take_while(|part| !is_library(part));
        below_root.filter_map(Self::named).max()
    }

    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"upload" | b"uploads" | b"Uploads" | b"uploaded" | b"userfiles" | b"attachments" | b"avatars"
            | b"sessions" => Self::Upload,
            b"images" | b"image" | b"img" | b"pics" | b"photos" | b"css" | b"fonts" | b"icons" => Self::Asset,
            b"cache" | b"caches" | b"compiled" | b"templates_c" | b"tmp" | b"temp" | b"files" | b"media" => Self::Cache,
            _ => return None,
        })
    }
}

/// Says whether a web server may serve it. Other places are known only from its configuration.
pub(super) fn is_web(path: &EvidencePath) -> bool {
    const ROOTS: [&[u8]; 7] = [
        b"/var/www/",
        b"/srv/www/",
        b"/srv/http/",
        b"/usr/share/nginx/",
        b"/usr/local/www/",
        b"/opt/lampp/htdocs/",
        b"/var/lib/wordpress/",
    ];
    let bytes = path.as_bytes();
    ROOTS.iter().any(|root| bytes.starts_with(root))
        || (bytes.starts_with(b"/home/")
            && path.components().any(|part| matches!(part, b"public_html" | b"htdocs" | b"www" | b"httpdocs")))
}

fn web(file: &Swept<'_>, content: &[u8], report: &mut Report) {
    match file.path.file_name() {
        b".htaccess" => return htaccess(file, content, report),
        b".user.ini" => return user_ini(file, content, report),
        _ => {}
    }
    let extension = file.path.extension().unwrap_or_default().to_ascii_lowercase();
    if is_picture(&extension) {
        if has_php_tag(content) {
            let finding = finding(
                "TR-PLACE-0002",
                "PHP in a file that calls itself a picture",
                (Category::WebShell, Severity::High, 80),
                file,
                tag_evidence(content),
            );
            report.findings.push(finding.with_attack(["T1505.003", "T1036.008"]));
        }
        return;
    }
    let Some(folder) = Folder::of(file.path) else { return };
    if !is_php_extension(&extension) || !looks_like_php(content) || is_silent(content) {
        return;
    }
    let (severity, confidence) = match (folder, takes_orders(content)) {
        (Folder::Upload, Some(_)) => (Severity::High, 85),
        (Folder::Upload, None) => (Severity::Medium, 55),
        (Folder::Asset, Some(_)) => (Severity::High, 70),
        (Folder::Cache, Some(_)) => (Severity::Medium, 60),
        (Folder::Asset | Folder::Cache, None) => return,
    };
    let mut evidence = vec![Evidence::Attribute { name: "path".into(), value: RawText::from(file.path.as_bytes()) }];
    evidence.extend(takes_orders(content));
    let finding = finding(
        "TR-PLACE-0001",
        "PHP in a folder for data",
        (Category::WebShell, severity, confidence),
        file,
        evidence,
    );
    report.findings.push(finding.with_attack(["T1505.003"]));
}

/// Apache settings that make the server run what it should deliver, or send every request to one file.
fn htaccess(file: &Swept<'_>, content: &[u8], report: &mut Report) {
    let mut rewrites_all = None;
    let mut runs_data = None;
    let mut leads_all = None;
    let is_data = matches!(Folder::of(file.path), Some(Folder::Upload | Folder::Asset));
    for handler::Directive { line, text, words } in handler::directives(content) {
        let evidence = || Evidence::Line { line, text: text.as_slice().into() };
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        match words.as_slice() {
            [b"rewriterule", b".*" | b"^.*$" | b"^(.*)$" | b"(.*)", target, ..]
                if matches!(target.rsplit(|&b| b == b'/').next(), Some(b"config.php" | b"ajax.php")) =>
            {
                rewrites_all.get_or_insert_with(evidence);
            }
            // Applications send everything to their front controller, and none has it among uploads.
            [b"rewriterule" | b"errordocument", pattern, target, ..] if is_data && leads_to_script(pattern, target) => {
                leads_all.get_or_insert_with(evidence);
            }
            words if handler::runs_data(words) => {
                runs_data.get_or_insert_with(evidence);
            }
            _ => {}
        }
    }
    if let Some(evidence) = rewrites_all {
        let finding = finding(
            "TR-PLACE-0003",
            "Every request of the folder is sent to one script, as a known campaign does",
            (Category::Persistence, Severity::High, 80),
            file,
            vec![evidence],
        );
        report.findings.push(finding.with_attack(["T1505.003"]));
    }
    if let Some(evidence) = leads_all {
        let finding = finding(
            "TR-PLACE-0008",
            "Every request of a folder for data is sent to one script",
            (Category::Persistence, Severity::Low, 45),
            file,
            vec![evidence],
        );
        report.findings.push(finding.with_attack(["T1505.003"]));
    }
    if let Some(evidence) = runs_data {
        // A panel may set the handler at the top of a site; among data it has one purpose.
        let severity = if Folder::of(file.path).is_some() { Severity::High } else { Severity::Low };
        let confidence = if severity == Severity::High { 75 } else { 30 };
        let finding = finding(
            "TR-PLACE-0004",
            "Setting that makes the web server run data as PHP",
            (Category::Persistence, severity, confidence),
            file,
            vec![evidence],
        );
        report.findings.push(finding.with_attack(["T1505.003"]));
    }
}

/// Says whether all names, or all that are not there, lead to one script.
fn leads_to_script(pattern: &[u8], target: &[u8]) -> bool {
    let is_all = matches!(pattern, b".*" | b"^.*$" | b"^(.*)$" | b"(.*)" | b"." | b"^" | b"404" | b"403");
    let path = target.split(|&b| matches!(b, b'?' | b'[')).next().unwrap_or_default();
    let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
    let extension = name.rsplit(|&b| b == b'.').next().unwrap_or_default();
    is_all && extension.len() < name.len() && is_php_extension(extension) && !target.starts_with(b"http")
}

fn user_ini(file: &Swept<'_>, content: &[u8], report: &mut Report) {
    for (text, line) in content.split(|&b| b == b'\n').zip(1..) {
        let lower = text.trim_ascii().to_ascii_lowercase();
        let Some(at) = lower.iter().position(|&b| b == b'=') else { continue };
        let (name, value) = lower.split_at(at);
        let value = value.split(|&b| b == b';').next().unwrap_or_default();
        let is_include = matches!(name.trim_ascii(), b"auto_prepend_file" | b"auto_append_file");
        if is_include && is_odd_include(value.get(1..).unwrap_or_default()) {
            let finding = finding(
                "TR-PLACE-0004",
                "Setting that makes the web server run data as PHP",
                (Category::Persistence, Severity::High, 75),
                file,
                vec![Evidence::Line { line, text: text.into() }],
            );
            report.findings.push(finding.with_attack(["T1505.003"]));
        }
    }
}

/// A file to be included before each script that is hidden, temporary, no PHP by its name, or no file at all.
pub(super) fn is_odd_include(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let unquoted = |quote: &[u8]| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    let value = unquoted(b"\"").or_else(|| unquoted(b"'")).unwrap_or(value);
    let name = value.rsplit(|&b| b == b'/').next().unwrap_or_default();
    let extension = name.rsplit(|&b| b == b'.').next().unwrap_or_default().to_ascii_lowercase();
    value != b"none"
        && !value.is_empty()
        && (shell::is_temporary(value)
            || name.starts_with(b".")
            || !is_php_extension(&extension)
            || super::find(value, b"://").is_some()
            || value.starts_with(b"data:"))
}

fn temporary(file: &Swept<'_>, content: &[u8], report: &mut Report) {
    let is_elf = content.starts_with(b"\x7fELF");
    let is_script = content.starts_with(b"#!");
    if !(is_elf || is_script) {
        return;
    }
    let is_hidden = shell::is_hidden(file.path.as_bytes());
    let (severity, confidence) = match (is_hidden, file.meta.mode.is_executable()) {
        (true, true) => (Severity::High, 75),
        (true, false) => (Severity::Medium, 50),
        (false, true) => (Severity::Medium, 45),
        (false, false) => (Severity::Low, 25),
    };
    let what = if is_elf { "ELF" } else { "script" };
    let finding = finding(
        "TR-PLACE-0005",
        "Program in a folder that anybody can write to",
        (Category::Persistence, severity, confidence),
        file,
        vec![
            Evidence::Attribute { name: "content".into(), value: what.into() },
            Evidence::Attribute { name: "mode".into(), value: file.meta.mode.to_string().as_str().into() },
        ],
    );
    report.findings.push(finding.with_attack(["T1036.005"]));
}

/// A program that runs with the rights of its owner, where no package puts one.
fn set_user_id(file: &Swept<'_>, report: &mut Report) {
    let bits = file.meta.mode.bits();
    if bits & 0o4000 == 0 || bits & 0o111 == 0 {
        return;
    }
    let path = file.path.as_bytes();
    let is_rootish = file.meta.uid == 0;
    let (severity, confidence) = if shell::is_temporary(path) || shell::is_hidden(path) || is_web(file.path) {
        if is_rootish { (Severity::Critical, 88) } else { (Severity::High, 75) }
    } else if [&b"/home/"[..], b"/root/", b"/srv/", b"/var/spool/", b"/var/lib/asterisk/"]
        .iter()
        .any(|place| path.starts_with(place))
    {
        // Unpacked images of other systems lie in homes and hold their own.
        let is_in_image = file.path.components().any(|part| matches!(part, b"rootfs" | b"overlay" | b"overlay2"))
            || find(path, b"/usr/").is_some()
            || find(path, b"/bin/").is_some();
        if is_in_image { (Severity::Low, 30) } else { (Severity::High, 75) }
    } else if path.starts_with(b"/opt/") || path.starts_with(b"/usr/local/") {
        (Severity::Low, 30)
    } else {
        return;
    };
    let finding = finding(
        "TR-PLACE-0006",
        "Program with its owner's rights outside the folders of packages",
        (Category::Persistence, severity, confidence),
        file,
        vec![
            Evidence::Attribute { name: "mode".into(), value: file.meta.mode.to_string().as_str().into() },
            Evidence::Attribute { name: "uid".into(), value: file.meta.uid.to_string().as_str().into() },
        ],
    );
    report.findings.push(finding.with_attack(["T1548.001"]));
}

/// An object that even root cannot remove, where the campaigns protect theirs.
fn pinned(file: &Swept<'_>, report: &mut Report) {
    if !file.meta.is_pinned() {
        return;
    }
    let path = file.path.as_bytes();
    let extension = file.path.extension().unwrap_or_default().to_ascii_lowercase();
    let is_cron = path.starts_with(b"/etc/cron") || path.starts_with(b"/var/spool/cron/");
    let (severity, confidence) =
        if is_cron || (is_web(file.path) && is_php_extension(&extension)) || path.starts_with(b"/var/lib/asterisk/") {
            (Severity::High, 75)
        } else if is_web(file.path) && !matches!(file.path.file_name(), b".user.ini" | b".htaccess")
            || shell::is_temporary(path)
        {
            (Severity::Medium, 60)
        } else {
            // Administrators protect /etc/resolv.conf and the like.
            (Severity::Info, 20)
        };
    let flags = file.meta.inode_flags.unwrap_or_default();
    let finding = finding(
        "TR-PLACE-0007",
        "Object that is protected against being removed",
        (Category::Persistence, severity, confidence),
        file,
        vec![Evidence::Attribute { name: "inode_flags".into(), value: format!("{flags:#x}").as_str().into() }],
    );
    report.findings.push(finding.with_attack(["T1222.002"]));
}

fn finding(
    rule: &str,
    title: &str,
    weight: (Category, Severity, u8),
    file: &Swept<'_>,
    evidence: Vec<Evidence>,
) -> Finding {
    Finding::new(rule, title, weight, Subject::File { path: file.path.clone(), sha256: file.sha256 }, evidence)
}

/// Says whether a web server of the usual configuration runs a file of this extension (in lower case) as PHP.
pub(super) fn is_php_extension(extension: &[u8]) -> bool {
    matches!(extension, b"php" | b"phtml" | b"phar" | b"pht" | b"phps" | b"inc")
        || extension.strip_prefix(b"php").is_some_and(|rest| matches!(rest, [b'3'..=b'8']))
}

fn is_picture(extension: &[u8]) -> bool {
    matches!(extension, b"jpg" | b"jpeg" | b"png" | b"gif" | b"ico" | b"webp" | b"bmp" | b"svg" | b"avif")
}

/// A whole opening tag; shorter ones stand in pictures by chance.
fn has_php_tag(content: &[u8]) -> bool {
    php_tag(content).is_some()
}

fn php_tag(content: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = find(content.get(from..)?, b"<?php") {
        let at = from + found;
        if content.get(at + 5).is_some_and(u8::is_ascii_whitespace) {
            return Some(at);
        }
        from = at + 5;
    }
    None
}

fn tag_evidence(content: &[u8]) -> Vec<Evidence> {
    php_tag(content).map(|at| matched("php_tag", content, at, 60)).into_iter().collect()
}

fn matched(pattern: &str, content: &[u8], at: usize, length: usize) -> Evidence {
    let before = content.get(..at).unwrap_or_default();
    let rest = content.get(at..).unwrap_or_default();
    let text = rest.get(..length).unwrap_or(rest);
    let text = text.split(|&b| b == b'\n').next().unwrap_or_default();
    let line = 1 + before.split(|&b| b == b'\n').skip(1).count() as u64;
    super::matched::matched(pattern, content, at..at + text.len(), line)
}

/// Says what shows that the code does what a visitor asks: it reads the request, and it runs code or commands.
pub(super) fn takes_orders(content: &[u8]) -> Option<Evidence> {
    const INPUTS: [&[u8]; 7] =
        [b"$_GET", b"$_POST", b"$_REQUEST", b"$_COOKIE", b"$_FILES", b"php://input", b"$_SERVER['HTTP_"];
    const DEEDS: [&[u8]; 14] = [
        b"eval(",
        b"eval (",
        b"assert(",
        b"system(",
        b"shell_exec(",
        b"passthru(",
        b"popen(",
        b"proc_open(",
        b"pcntl_exec(",
        b"`$_",
        b"base64_decode(",
        b"move_uploaded_file(",
        b"create_function(",
        b"call_user_func(",
    ];
    INPUTS.iter().find(|input| find(content, input).is_some())?;
    DEEDS.iter().find_map(|deed| find(content, deed)).map(|at| matched("request_and_execution", content, at, 80))
}

/// Says whether a PHP file does nothing: comments, `exit`, a redirection, a `defined() or die`.
fn is_silent(content: &[u8]) -> bool {
    if content.len() > 4096 {
        return false;
    }
    let mut code = Vec::new();
    let mut rest = content;
    while let Some(&byte) = rest.first() {
        let skip = |from: &[u8], to: &[u8]| {
            let inner = rest.strip_prefix(from)?;
            Some(find(inner, to).and_then(|at| inner.get(at + to.len()..)).unwrap_or_default())
        };
        // `?>` ends a line comment as well, so what follows it on the line is kept.
        let line_comment = || {
            let inner = rest.strip_prefix(b"//").or_else(|| rest.strip_prefix(b"#"))?;
            let end = inner.iter().position(|&b| b == b'\n').unwrap_or(inner.len());
            let end = find(inner.get(..end)?, b"?>").unwrap_or(end);
            inner.get(end..)
        };
        if let Some(after) = skip(b"/*", b"*/").or_else(line_comment) {
            rest = after;
            continue;
        }
        code.push(byte);
        rest = rest.get(1..).unwrap_or_default();
    }
    let text = code.to_ascii_lowercase();
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let text = text.strip_prefix(b"<?php").or_else(|| text.strip_prefix(b"<?")).unwrap_or(text);
    let text = text.strip_suffix(b"?>").unwrap_or(text);
    text.split(|&b| b == b';').map(<[u8]>::trim_ascii).all(|statement| {
        const SILENT: [&[u8]; 7] =
            [b"exit", b"die", b"header(", b"return", b"http_response_code(", b"defined(", b"declare("];
        let is_plain = !statement.iter().any(|b| b"$`<".contains(b));
        statement.is_empty()
            || (is_plain && statement.len() < 200 && SILENT.iter().any(|word| statement.starts_with(word)))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::testing::{Scene, ids};
    use super::*;
    use crate::model::FileMeta;

    #[test]
    fn genuine_files_among_data_give_nothing_at_medium_or_above() {
        let twig = "<?php\n\nuse Twig\\Environment;\n\n/* base.html */\nclass __TwigTemplate_1 extends Template\n{\n    public function getSourceContext() { return new Source(\"\", \"base.html\", \"\"); }\n}\n";
        let findings = Scene::new()
            .file("/var/www/html/wp-content/uploads/index.php", "<?php\n// Silence is golden.\n")
            .file("/var/www/html/uploads/a/index.php", "<?php\n/**\n * x\n */\nheader('Location: ../');\nexit;\n")
            .file("/var/www/html/images/index.php", "\u{feff}<?php defined('ABSPATH') || exit; ?>\n")
            .file("/var/www/app/cache/twig/ab/abcdef.php", twig)
            .file("/var/www/app/css/style.php", "<?php header('Content-type: text/css'); echo 'a { color: red }';")
            .file("/var/www/html/admin/libraries/vendor/symfony/Session/sessions/Bag.php", "<?php class Bag {}")
            .file("/var/www/app/images/photo.jpg", b"\xff\xd8\xff\xe1\0<?xpacket begin='x'?> <?= \x00 <?ph")
            .file(
                "/var/www/app/.htaccess",
                "RewriteEngine On\nRewriteRule ^(.*)$ index.php [QSA,L]\nAddType application/x-httpd-php .php .phtml\n",
            )
            .file(
                "/var/www/html/uploads/.htaccess",
                "RewriteEngine On\nRewriteRule ^(.*)$ - [F]\nErrorDocument 404 /404.html\n",
            )
            .file("/var/www/app/.user.ini", "auto_prepend_file = '/var/www/app/wordfence-waf.php'\n")
            .file("/tmp/notes.txt", "hello")
            .file_with("/usr/bin/passwd", b"\x7fELF", 0o4755, |_| {})
            .file_with("/etc/resolv.conf", "", 0o644, |meta| meta.inode_flags = Some(FileMeta::IMMUTABLE))
            .file_with("/opt/google/chrome/chrome-sandbox", b"\x7fELF", 0o4755, |_| {})
            .findings();
        assert!(findings.iter().all(|finding| finding.severity < Severity::Medium), "{findings:#?}");
    }

    #[test]
    fn what_runs_among_data_is_found() {
        let shell = "<?php exit; system($_GET['c']); ?>";
        for (scene, rule) in [
            (Scene::new().file("/var/www/html/uploads/x.php", shell), "TR-PLACE-0001 high"),
            (
                Scene::new().file("/var/www/html/wp-content/uploads/2026/x.phtml", "<?php exit; echo 1; $a = 2;"),
                "TR-PLACE-0001 medium",
            ),
            (Scene::new().file("/var/www/html/images/x.php", shell), "TR-PLACE-0001 high"),
            (Scene::new().file("/var/www/html/cache/x.php", shell), "TR-PLACE-0001 medium"),
            (Scene::new().file("/var/www/html/logo.png", "\u{89}PNG\0\0<?php exit; ?>"), "TR-PLACE-0002 high"),
            (
                Scene::new()
                    .file("/var/www/html/admin/views/.htaccess", "RewriteEngine On\nRewriteRule .* config.php\n"),
                "TR-PLACE-0003 high",
            ),
            (
                Scene::new().file("/var/www/html/uploads/.htaccess", "AddType application/x-httpd-php .jpg\n"),
                "TR-PLACE-0004 high",
            ),
            (
                Scene::new().file("/var/www/html/uploads/.htaccess", "ErrorDocument 404 /uploads/a.php\n"),
                "TR-PLACE-0008 low",
            ),
            (Scene::new().file("/var/www/html/.user.ini", "auto_prepend_file=.x.jpg\n"), "TR-PLACE-0004 high"),
            (Scene::new().file_with("/tmp/.XXXXXXXX/a", "#!/bin/sh\nexit\n", 0o755, |_| {}), "TR-PLACE-0005 high"),
            (Scene::new().file_with("/dev/shm/a", b"\x7fELF", 0o755, |_| {}), "TR-PLACE-0005 medium"),
            (Scene::new().file_with("/tmp/rootbash", b"\x7fELF", 0o4755, |_| {}), "TR-PLACE-0006 critical"),
            (
                Scene::new().file_with("/var/www/html/x.php", "<?php exit;", 0o644, |meta| {
                    meta.inode_flags = Some(FileMeta::IMMUTABLE);
                }),
                "TR-PLACE-0007 high",
            ),
            (Scene::new().file("/var/cache/.fontconfig/.cfg", "x"), "TR-IOC-0001 critical"),
            (Scene::new().file("/var/lib/asterisk/bin/devnull9", "x"), "TR-IOC-0003 high"),
            (Scene::new().file("/var/www/html/.clean.sh", "x"), "TR-IOC-0004 critical"),
        ] {
            let findings = scene.findings();
            assert!(ids(&findings).contains(&rule.to_owned()), "{rule}: {:?}", ids(&findings));
        }
    }

    #[test]
    fn code_after_a_comment_that_php_ends_is_not_silent() {
        assert!(is_silent(b"<?php // Silence is golden"));
        assert!(!is_silent(b"<?php // Silence ?><?php eval($_GET['x']);"));
        assert!(!is_silent(b"<?php exit(eval($_POST['x']));"));
        assert!(!is_silent(b"<?php header(`id`);"));
        assert!(!is_silent(b"<?php include 'x.jpg';"));
    }
}
