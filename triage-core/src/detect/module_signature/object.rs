//! As much of a file as the conclusion needs.

use super::super::looks_like_php;
use super::super::placement::{is_php_extension, takes_orders};
use super::standing::FileClass;
use crate::model::{Digest, EvidencePath, FileKind};
use crate::sweep::Swept;

/// One object that may matter to a module.
pub(super) struct Object {
    pub(super) kind: FileKind,
    pub(super) sha256: Option<Digest>,
    pub(super) class: FileClass,
    pub(super) is_unread: bool,
    pub(super) link_target: Option<EvidencePath>,
}

impl Object {
    pub(super) fn of(file: &Swept<'_>) -> Self {
        let is_file = file.meta.is_file();
        Self {
            kind: file.meta.kind,
            sha256: file.sha256,
            class: if is_file { class(file.path, file.content) } else { FileClass::Data },
            is_unread: is_file && file.sha256.is_none(),
            link_target: file.meta.link_target.as_ref().and_then(|target| resolve(file.path, target.as_bytes())),
        }
    }

    /// PHP, a script or a program.
    pub(super) fn is_code(&self) -> bool {
        matches!(self.class, FileClass::Php | FileClass::Script | FileClass::Program)
    }
}

/// Says whether a conclusion may need this object: everything beneath an `admin` folder, the top of a web root, and the folders that
/// framework copies its programs to, by default or elsewhere.
pub(super) fn is_of_freepbx(path: &EvidencePath) -> bool {
    let bytes = path.as_bytes();
    let is_top = matches!(path.file_name(), b"index.php" | b".htaccess" | b"robots.txt" | b"admin");
    let is_program =
        bytes.starts_with(b"/var/lib/asterisk/") || matches!(bytes, b"/usr/sbin/fwconsole" | b"/usr/sbin/amportal");
    is_top || is_program || is_moved_program(path) || path.components().any(|part| part == b"admin")
}

/// Programs of a host whose settings put them elsewhere; the settings may be read after them.
fn is_moved_program(path: &EvidencePath) -> bool {
    let folder = path.parent().unwrap_or_else(EvidencePath::root);
    let is_of_packages = [&b"/usr/bin"[..], b"/bin", b"/sbin", b"/usr/sbin"].contains(&folder.as_bytes());
    !is_of_packages && matches!(folder.file_name(), b"bin" | b"sbin" | b"agi-bin")
}

/// What kind of file it is: by its name where a web server or a person would run it, else by its content.
pub(in crate::detect) fn class(path: &EvidencePath, content: Option<&[u8]>) -> FileClass {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    if is_php_extension(&extension) {
        return FileClass::Php;
    }
    match extension.as_slice() {
        b"sh" | b"agi" | b"pl" | b"py" | b"cgi" => return FileClass::Script,
        b"so" => return FileClass::Program,
        _ => {}
    }
    if matches!(path.file_name(), b".htaccess" | b".user.ini") {
        return FileClass::WebSettings;
    }
    let Some(content) = content else { return FileClass::Data };
    // The cache of style sheets is PHP that rebuilds an object: made on each host, so in no list.
    if extension == b"lesscache" && content.starts_with(b"<?php return") && takes_orders(content).is_none() {
        return FileClass::Data;
    }
    let quotes_php =
        matches!(extension.as_slice(), b"md" | b"rst" | b"txt" | b"html" | b"htm" | b"po" | b"pot" | b"json" | b"css");
    if content.starts_with(b"\x7fELF") {
        FileClass::Program
    } else if !quotes_php && looks_like_php(content) {
        FileClass::Php
    } else if content.starts_with(b"#!") {
        FileClass::Script
    } else {
        FileClass::Data
    }
}

/// Says whether a file of this name is run or decides what is run, whatever is in it.
pub(super) fn is_script_name(path: &EvidencePath) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    extension == b"js"
        || matches!(class(path, None), FileClass::Php | FileClass::Script | FileClass::Program)
        || path.components().any(|part| part == b"hooks")
        || path.file_name() == b".htaccess"
}

/// Where a link leads, where that can be said from its text alone.
fn resolve(link: &EvidencePath, target: &[u8]) -> Option<EvidencePath> {
    let start = if target.starts_with(b"/") { EvidencePath::root() } else { link.parent()? };
    target.split(|&b| b == b'/').try_fold(start, |at, part| match part {
        b"" | b"." => Some(at),
        b".." => at.parent(),
        part => Some(at.join(part)),
    })
}
