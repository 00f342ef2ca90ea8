//! `php.ini`, its `conf.d`, `.user.ini`, and the pools of PHP-FPM: the settings that say what code is run, what is loaded and what is let through.

use super::Limits;
use super::line::{each_line, name, split_once};
use crate::model::{EvidencePath, Mechanism, Outcome, Program, RawText, Record, Setting, StartupCommand};

/// The settings that are told. Others do not change what code runs or where it may reach.
const NAMES: [&str; 51] = [
    "access.log",
    "allow_url_fopen",
    "allow_url_include",
    "auto_append_file",
    "auto_prepend_file",
    "cgi.fix_pathinfo",
    "chdir",
    "chroot",
    "clear_env",
    "disable_classes",
    "disable_functions",
    "display_errors",
    "doc_root",
    "enable_dl",
    "error_log",
    "expose_php",
    "extension",
    "extension_dir",
    "ffi.enable",
    "ffi.preload",
    "group",
    "include",
    "include_path",
    "listen",
    "listen.allowed_clients",
    "listen.group",
    "listen.mode",
    "listen.owner",
    "log_errors",
    "mail.force_extra_parameters",
    "mail.log",
    "opcache.file_cache",
    "opcache.preload",
    "opcache.preload_user",
    "open_basedir",
    "output_handler",
    "prefix",
    "request_slowlog_timeout",
    "security.limit_extensions",
    "sendmail_path",
    "session.auto_start",
    "session.save_handler",
    "session.save_path",
    "slowlog",
    "sys_temp_dir",
    "unserialize_callback_func",
    "upload_tmp_dir",
    "user",
    "user_dir",
    "user_ini.filename",
    "zend_extension",
];

/// Settings whose value is run with every request or mail, or at the start.
const RUN: [&str; 5] = ["auto_append_file", "auto_prepend_file", "ffi.preload", "opcache.preload", "sendmail_path"];

/// Says whether a setting of PHP is one that is told.
pub(super) fn is_of_interest(setting: &str) -> bool {
    NAMES.contains(&setting)
}

/// Says whether the value of a setting of PHP is run.
pub(super) fn is_run(setting: &str) -> bool {
    RUN.contains(&setting)
}

/// Reads the settings. `program` tells `php.ini` and its like from pools, whose `php_value[x]`, `php_admin_value[x]` and `env[X]` are settings too.
pub fn parse(path: &EvidencePath, program: Program, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Setting>> {
    let mut scope = RawText::default();
    each_line(path, bytes, limits, |line| {
        let text = line.text.trim_ascii();
        if text.is_empty() || text.starts_with(b";") || text.starts_with(b"#") {
            return Ok(None);
        }
        if text.starts_with(b"[") {
            let section = text.get(1..).unwrap_or_default().split(|&b| b == b']').next().unwrap_or_default();
            // What stands in `[PHP]` and in sections of extensions holds for everything.
            let holds_apart = program == Program::PhpFpm && section != b"global"
                || section
                    .get(..5)
                    .is_some_and(|head| head.eq_ignore_ascii_case(b"HOST=") || head.eq_ignore_ascii_case(b"PATH="));
            scope = if holds_apart { section.into() } else { RawText::default() };
            return Ok(None);
        }
        let Some((key, value)) = split_once(text, b"=") else { return Ok(None) };
        let key = name(key.trim_ascii());
        let inner = key
            .split_once('[')
            .filter(|(kind, _)| kind.starts_with("php_"))
            .and_then(|(_, rest)| rest.strip_suffix(']'));
        // A loader's environment decides what code is run; other variables are somebody's passwords.
        let is_loader = matches!(
            key.as_str(),
            "env[LD_PRELOAD]" | "env[LD_LIBRARY_PATH]" | "env[PATH]" | "env[PHPRC]" | "env[PHP_INI_SCAN_DIR]"
        );
        if !is_loader && !is_of_interest(inner.unwrap_or(&key)) {
            return Ok(None);
        }
        Ok(Some(Setting {
            path: path.clone(),
            line: line.number,
            program,
            scope: scope.clone(),
            name: key,
            value: value_of(value).into(),
        }))
    })
}

/// The value without quotes and without a comment behind it.
fn value_of(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    match text.first() {
        Some(quote @ (b'"' | b'\'')) => {
            let inner = text.get(1..).unwrap_or_default();
            inner.split(|b| b == quote).next().unwrap_or_default()
        }
        _ => text.split(|&b| b == b';').next().unwrap_or_default().trim_ascii(),
    }
}

/// The settings as records, and those whose value is run as start-up commands too.
pub(super) fn records(settings: Vec<Setting>) -> Vec<Record> {
    let mut out = Vec::new();
    for setting in settings {
        let text = [setting.name.as_bytes(), b" = ", setting.value.as_bytes()].concat();
        out.extend(startup(&setting, &setting.name, &text).map(Record::StartupCommand));
        out.push(Record::Setting(setting));
    }
    out
}

/// The start-up command that a setting of PHP is, if its value is run; `key` is its name, alone or in the brackets of `php_value[…]`.
pub(super) fn startup(setting: &Setting, key: &str, text: &[u8]) -> Option<StartupCommand> {
    let bare = key.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']')).unwrap_or(key);
    let value = setting.value.as_bytes();
    if !is_run(bare) || value.is_empty() || value.eq_ignore_ascii_case(b"none") {
        return None;
    }
    Some(StartupCommand {
        path: setting.path.clone(),
        line: Some(setting.line),
        mechanism: Mechanism::Php,
        trigger: bare.into(),
        user: None,
        command: setting.value.clone(),
        text: text.into(),
    })
}
