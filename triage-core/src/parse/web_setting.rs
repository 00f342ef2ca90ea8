//! The directives of Apache and nginx that say what is served, what is run, what is loaded and who is let in.
//!
//! `.htaccess` files are Apache's too, and what an intruder changes first. Nothing is resolved: an `Include` is told, its files have records of their own.

use super::line::{Reading, joined, name, split_once};
use super::web_config::{Flavour, apache_words, nginx_directives};
use super::{Limits, php_ini};
use crate::model::{EvidencePath, Mechanism, Outcome, Program, RawText, Record, Setting, StartupCommand};

/// How deep sections may lie; what is deeper counts as lying here.
const MAX_DEPTH: usize = 32;

const APACHE: [&str; 57] = [
    "action",
    "addhandler",
    "addinputfilter",
    "addoutputfilter",
    "addtype",
    "alias",
    "aliasmatch",
    "allowoverride",
    "authbasicprovider",
    "authtype",
    "authuserfile",
    "cgipassauth",
    "customlog",
    "deny",
    "directoryindex",
    "documentroot",
    "errordocument",
    "errorlog",
    "extfilterdefine",
    "fallbackresource",
    "fcgiwrapper",
    "forcetype",
    "globallog",
    "group",
    "include",
    "includeoptional",
    "listen",
    "loadfile",
    "loadmodule",
    "luahookfixups",
    "luahookhandler",
    "luahooktranslatename",
    "options",
    "perlmodule",
    "perlrequire",
    "php_admin_flag",
    "php_admin_value",
    "php_flag",
    "php_value",
    "proxypass",
    "proxypassmatch",
    "redirect",
    "redirectmatch",
    "require",
    "rewritebase",
    "rewriteengine",
    "rewritemap",
    "rewriterule",
    "satisfy",
    "scriptalias",
    "scriptaliasmatch",
    "secruleengine",
    "serveralias",
    "servername",
    "sethandler",
    "user",
    "wsgiscriptalias",
];

const NGINX: [&str; 37] = [
    "access_by_lua_file",
    "access_log",
    "alias",
    "allow",
    "auth_basic_user_file",
    "autoindex",
    "content_by_lua_file",
    "dav_methods",
    "deny",
    "env",
    "error_log",
    "error_page",
    "fastcgi_index",
    "fastcgi_pass",
    "fastcgi_split_path_info",
    "include",
    "index",
    "init_by_lua_file",
    "init_worker_by_lua_file",
    "internal",
    "js_import",
    "js_path",
    "listen",
    "load_module",
    "mirror",
    "perl_modules",
    "perl_require",
    "proxy_pass",
    "return",
    "rewrite",
    "rewrite_by_lua_file",
    "root",
    "server_name",
    "sub_filter",
    "try_files",
    "user",
    "uwsgi_pass",
];

/// Sections of Apache that say what a directive holds for; others (`<IfModule>`) only say whether.
const SECTIONS: [&[u8]; 10] = [
    b"virtualhost",
    b"directory",
    b"directorymatch",
    b"files",
    b"filesmatch",
    b"location",
    b"locationmatch",
    b"limit",
    b"limitexcept",
    b"proxy",
];

/// Reads the directives.
pub fn parse(path: &EvidencePath, flavour: Flavour, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Record>> {
    let mut reading = Reading::new(path, limits);
    match flavour {
        Flavour::Apache => apache(path, bytes, &mut reading),
        Flavour::Nginx => nginx(path, bytes, &mut reading),
    }
    reading.finish()
}

fn apache(path: &EvidencePath, bytes: &[u8], reading: &mut Reading<'_, Record>) {
    let mut sections: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
    for (line, whole) in joined(bytes, reading) {
        let text = whole.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        if let Some(closed) = text.strip_prefix(b"</") {
            let closed = closed.split(|b| !b.is_ascii_alphanumeric()).next().unwrap_or_default().to_ascii_lowercase();
            // A section that closes one further out closes what was left open in it.
            if let Some(at) = sections.iter().rposition(|(open, _)| *open == closed) {
                sections.truncate(at);
            }
            continue;
        }
        if let Some(opened) = text.strip_prefix(b"<") {
            let keyword = opened.split(|b| !b.is_ascii_alphanumeric()).next().unwrap_or_default().to_ascii_lowercase();
            let shown = SECTIONS.contains(&keyword.as_slice()).then(|| text.to_vec());
            if sections.len() < MAX_DEPTH {
                sections.push((keyword, shown));
            }
            continue;
        }
        let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
        let Some((directive, value)) = text.split_at_checked(end) else { continue };
        let directive = name(&directive.to_ascii_lowercase());
        if !APACHE.contains(&directive.as_str()) {
            continue;
        }
        let scope: Vec<&[u8]> = sections.iter().filter_map(|(_, shown)| shown.as_deref()).collect();
        let setting = Setting {
            path: path.clone(),
            line,
            program: Program::Apache,
            scope: scope.join(&b" > "[..]).into(),
            name: directive,
            value: value.trim_ascii().into(),
        };
        if let Some(startup) = apache_command(&setting)
            && !reading.push(Record::StartupCommand(startup))
        {
            return;
        }
        if !reading.push(Record::Setting(setting)) {
            return;
        }
    }
}

/// What a directive runs: a piped log, a rewrite program, an external filter, a file before every PHP page.
fn apache_command(setting: &Setting) -> Option<StartupCommand> {
    let words = apache_words(setting.value.as_bytes());
    let startup = |command: &[u8]| StartupCommand {
        path: setting.path.clone(),
        line: Some(setting.line),
        mechanism: Mechanism::WebServer,
        trigger: setting.name.as_str().into(),
        user: None,
        command: command.into(),
        text: [setting.name.as_bytes(), b" ", setting.value.as_bytes()].concat().into(),
    };
    match setting.name.as_str() {
        "customlog" | "errorlog" | "globallog" => {
            let command = words.first()?.strip_prefix(b"|")?;
            Some(startup(command.strip_prefix(b"$").or_else(|| command.strip_prefix(b"|")).unwrap_or(command)))
        }
        "rewritemap" => Some(startup(words.get(1)?.strip_prefix(b"prg:")?)),
        "extfilterdefine" => words.iter().find_map(|word| Some(startup(split_once(word, b"cmd=")?.1))),
        "php_value" | "php_admin_value" => {
            let key = String::from_utf8_lossy(words.first()?).to_ascii_lowercase();
            let value = RawText::from(words.get(1)?.as_slice());
            let text = [setting.name.as_bytes(), b" ", setting.value.as_bytes()].concat();
            php_ini::startup(&Setting { value, ..setting.clone() }, &key, &text)
        }
        _ => None,
    }
}

fn nginx(path: &EvidencePath, bytes: &[u8], reading: &mut Reading<'_, Record>) {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    let limit = reading.limit();
    let trouble = nginx_directives(bytes, limit, 64, |line, words, end| {
        match (words, end) {
            (_, b'}') => {
                blocks.pop();
            }
            (words, b'{') => {
                // Only what is around a server is the same for all of them.
                let shown = match words.first().map(Vec::as_slice) {
                    Some(b"server" | b"location" | b"if" | b"upstream" | b"map") => words.join(&b' '),
                    _ => Vec::new(),
                };
                if blocks.len() < MAX_DEPTH {
                    blocks.push(shown);
                }
            }
            ([directive, values @ ..], _) => {
                let directive = name(directive);
                let is_php = directive == "fastcgi_param"
                    && values.first().is_some_and(|key| {
                        matches!(
                            key.as_slice(),
                            b"PHP_VALUE" | b"PHP_ADMIN_VALUE" | b"SCRIPT_FILENAME" | b"DOCUMENT_ROOT"
                        )
                    });
                if !is_php && !NGINX.contains(&directive.as_str()) {
                    return true;
                }
                let scope: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).filter(|block| !block.is_empty()).collect();
                let setting = Setting {
                    path: path.clone(),
                    line,
                    program: Program::Nginx,
                    scope: scope.join(&b" > "[..]).into(),
                    name: directive,
                    value: values.join(&b' ').into(),
                };
                if let Some(startup) = nginx_command(&setting, values)
                    && !reading.push(Record::StartupCommand(startup))
                {
                    return false;
                }
                return reading.push(Record::Setting(setting));
            }
            ([], _) => {}
        }
        true
    });
    if let Some(line) = trouble {
        reading.unreadable(line, "a word of it is too long");
    }
}

/// `fastcgi_param PHP_VALUE "auto_prepend_file=…"`.
fn nginx_command(setting: &Setting, values: &[Vec<u8>]) -> Option<StartupCommand> {
    let [kind, settings] = values else { return None };
    if setting.name != "fastcgi_param" || !kind.starts_with(b"PHP_") {
        return None;
    }
    settings.split(|&b| b == b'\n').find_map(|line| {
        let (key, value) = split_once(line, b"=")?;
        let key = String::from_utf8_lossy(key.trim_ascii()).into_owned();
        let value = RawText::from(value.trim_ascii().strip_suffix(b";").unwrap_or(value.trim_ascii()));
        let text = [setting.name.as_bytes(), b" ", setting.value.as_bytes()].concat();
        php_ini::startup(&Setting { value, ..setting.clone() }, &key, &text)
    })
}
