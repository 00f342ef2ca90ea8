//! The second look of the gate, at tokens: whether all that a file calls and includes is written out.
//!
//! The first look goes over bytes, and `$x (optional)` in a comment looks to it like a call. Here comments and texts are told from code, by the
//! very lexer that the analysis uses, so that nothing is code to the one and a comment to the other.

use super::lexer::{Tok, Token, is_name_byte, lex_until};
use rustc_hash::FxHashSet;
use std::sync::OnceLock;

/// Tokens that are looked at. What has more is analysed.
const MAX_TOKENS: usize = 400_000;
/// Tokens of an `include` that are looked at.
const MAX_INCLUDE: usize = 40;
/// Bytes of an index that is passed over.
const MAX_INDEX: usize = 40;
/// Ends of files whose inclusion is everyday.
const CODE: [&[u8]; 6] = [b".php", b".inc", b".html", b".phtml", b".tpl", b".tmpl"];

/// Powers over files and databases: a file that takes orders and has one is more than a library.
fn powers() -> &'static FxHashSet<&'static [u8]> {
    static NAMES: OnceLock<FxHashSet<&'static [u8]>> = OnceLock::new();
    const ALL: [&[u8]; 41] = [
        b"unlink",
        b"rmdir",
        b"opendir",
        b"scandir",
        b"glob",
        b"dir",
        b"readdir",
        b"file_get_contents",
        b"readfile",
        b"fopen",
        b"file",
        b"highlight_file",
        b"show_source",
        b"fread",
        b"fpassthru",
        b"file_put_contents",
        b"fwrite",
        b"fputs",
        b"chmod",
        b"chown",
        b"chgrp",
        b"rename",
        b"copy",
        b"mkdir",
        b"touch",
        b"phpinfo",
        b"mail",
        b"mb_send_mail",
        b"gzopen",
        b"gzfile",
        b"gzcompress",
        b"gzencode",
        b"mysql_connect",
        b"mysqli_connect",
        b"pg_connect",
        b"mssql_connect",
        b"oci_connect",
        b"mysql_pconnect",
        b"sqlite_open",
        b"socket_connect",
        b"pfsockopen",
    ];
    NAMES.get_or_init(|| ALL.into_iter().collect())
}

/// Says whether a file calls nothing but names, and includes nothing but files that it names. `takes_orders`: it has words for what a request may
/// send.
pub(super) fn is_plain(content: &[u8], takes_orders: bool) -> bool {
    let mut look = Look { content, takes_orders, include: None, defines: false, includes_constant: false };
    let is_odd = lex_until(content, MAX_TOKENS, |tokens| look.is_odd(tokens));
    !is_odd && look.include.is_none() && !(look.defines && look.includes_constant)
}

struct Look<'a> {
    content: &'a [u8],
    takes_orders: bool,
    /// Within an `include`: how many tokens of it there were, and whether the last text in it names code.
    include: Option<(usize, bool)>,
    /// Constants are defined.
    defines: bool,
    /// A constant is a part of what is included.
    includes_constant: bool,
}

impl<'a> Look<'a> {
    fn text(&self, token: Option<&Token>) -> &'a [u8] {
        token.and_then(|token| self.content.get(token.start as usize..token.end as usize)).unwrap_or_default()
    }

    /// Says whether the last of these tokens makes a file worth the analysis.
    fn is_odd(&mut self, tokens: &[Token]) -> bool {
        let mut back = tokens.iter().rev();
        let (Some(token), before, third) = (back.next(), back.next(), back.next()) else { return false };
        let text = self.text(Some(token));
        if self.include.is_some() && self.is_odd_include(token.tok, text, before) {
            return true;
        }
        match token.tok {
            Tok::Op if text == b"(" => self.is_odd_call(before, third),
            Tok::Single | Tok::Double | Tok::Nowdoc | Tok::Heredoc | Tok::Backtick => {
                let is_code_in_pieces = self.text(before) == b"." && joins_call(self.text(third), text);
                is_code_in_pieces || holds_call(text, matches!(token.tok, Tok::Single | Tok::Nowdoc))
            }
            Tok::Name => {
                let is_member = matches!(self.text(before), b"->" | b"?->" | b"::");
                let lower = text.to_ascii_lowercase();
                self.defines |= lower.ends_with(b"define");
                let includes = matches!(&*lower, b"include" | b"include_once" | b"require" | b"require_once");
                if includes && self.takes_orders && !is_member {
                    self.include = Some((0, false));
                }
                false
            }
            _ => false,
        }
    }

    /// Says whether the parenthesis behind `before` calls something that is not written out, or a power that a request may steer.
    fn is_odd_call(&self, before: Option<&Token>, third: Option<&Token>) -> bool {
        let callee = self.text(before);
        match before.map(|token| token.tok) {
            Some(Tok::Var) => {
                // A method or class that a variable names is that of a library, where no order comes in.
                let is_bound =
                    matches!(self.text(third), b"->" | b"?->" | b"::") || self.text(third).eq_ignore_ascii_case(b"new");
                self.takes_orders || !is_bound
            }
            Some(Tok::Single | Tok::Double | Tok::Nowdoc | Tok::Heredoc | Tok::Backtick) => true,
            Some(Tok::Op) => matches!(callee, b")" | b"]" | b"}"),
            Some(Tok::Name) => {
                let name = callee.strip_prefix(b"\\").unwrap_or(callee).to_ascii_lowercase();
                self.takes_orders && powers().contains(&*name)
            }
            _ => false,
        }
    }

    /// Says whether a token of an `include` leaves open which file that is.
    fn is_odd_include(&mut self, tok: Tok, text: &[u8], before: Option<&Token>) -> bool {
        let Some((count, names_code)) = &mut self.include else { return false };
        *count += 1;
        let is_end = text == b";" || tok == Tok::Close;
        if is_end || *count > MAX_INCLUDE {
            let is_odd = !*names_code || !is_end;
            self.include = None;
            return is_odd;
        }
        match tok {
            Tok::Single | Tok::Double => {
                let inner = super::text::unquoted(text);
                *names_code = CODE.iter().any(|end| inner.ends_with(end));
                inner.contains(&b':') || (tok == Tok::Double && (inner.contains(&b'\\') || inner.contains(&b'$')))
            }
            Tok::Int => false,
            Tok::Op if text == b"(" => {
                let callee = self.text(before).to_ascii_lowercase();
                let is_known = matches!(
                    &*callee,
                    b"dirname"
                        | b"realpath"
                        | b"include"
                        | b"include_once"
                        | b"require"
                        | b"require_once"
                        | b"."
                        | b"("
                );
                !is_known
            }
            Tok::Op => !matches!(text, b"." | b")" | b"," | b"::"),
            Tok::Name => {
                let is_fixed = text.eq_ignore_ascii_case(b"__DIR__")
                    || text.eq_ignore_ascii_case(b"__FILE__")
                    || text.eq_ignore_ascii_case(b"dirname")
                    || text.eq_ignore_ascii_case(b"realpath");
                self.includes_constant |= !is_fixed;
                false
            }
            _ => true,
        }
    }
}

/// Says whether a text has a call of a variable in it, as code that is run later has: `$f(`, `$f['x'](`, `{$f(`. In a text that variables are put into,
/// `$x (` is prose.
fn holds_call(text: &[u8], is_verbatim: bool) -> bool {
    memchr::memchr_iter(b'$', text).any(|at| {
        let is_code = is_verbatim || at.checked_sub(1).and_then(|at| text.get(at)).is_some_and(|b| b"\\{".contains(b));
        let rest = text.get(at + 1..).unwrap_or_default();
        let rest = rest.strip_prefix(b"{").unwrap_or(rest);
        let name = rest.iter().take_while(|&&b| is_name_byte(b)).count();
        let mut rest = rest.get(name..).unwrap_or_default();
        if rest.first() == Some(&b'[')
            && let Some(end) = rest.iter().take(MAX_INDEX).position(|&b| b == b']')
        {
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        let rest = rest.strip_prefix(b"}").unwrap_or(rest);
        name > 0 && if is_code { rest.trim_ascii_start() } else { rest }.starts_with(b"(")
    })
}

/// Says whether a name at the end of one text and a parenthesis at the beginning of the next make a call: `'ev' . 'al' . '(gz' . …`.
fn joins_call(left: &[u8], right: &[u8]) -> bool {
    let name = left.strip_suffix(b"'").or_else(|| left.strip_suffix(b"\""));
    let rest = right.get(1..).and_then(|inner| inner.strip_prefix(b"("));
    name.and_then(<[u8]>::last).is_some_and(|&b| is_name_byte(b))
        && rest.and_then(<[u8]>::first).is_some_and(|&b| is_name_byte(b) || matches!(b, b'$' | b'\'' | b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(code: &str, takes_orders: bool) -> bool {
        is_plain(format!("<?php\n{code}").as_bytes(), takes_orders)
    }

    #[test]
    fn what_stands_in_comments_and_texts_is_no_call() {
        for code in [
            "/** @param int $x (optional) */ strlen($x);",
            "# $f (x)\necho 'f() (x)', \"$x (y) \", 'a' . (1 + 2) . '(' . ' (x)';",
            "?><script>(function(){})(); $('#x')('y')</script><?php echo 1;",
            "$y = (int) ($x); if ($a && ($b)) { f($x); } $t->f(1)->g(2);",
            "$c = new $class($x); $t->$method(1);",
        ] {
            assert!(plain(code, false), "{code}");
        }
    }

    #[test]
    fn a_call_of_a_value_is_never_plain() {
        for code in [
            "$f($x);",
            "$f /* (a) */ ($x);",
            "$f # ?\n ($x);",
            "'sys' ('ls');",
            "('sys'.'tem')('ls');",
            "$a['x'](1);",
            "$a{0}(1);",
            "echo \"{$f($x)}\";",
            "echo <<<X\n${f('x')} {$f(1)}\nX;",
            "// ?> <?php $f(1);",
            "/* */ $f(1); /* */",
            "'\\'' . $f(1);",
            "p('/a/i', 'e'.'v'.'a'.'l'.'($g($b))');",
            "p(\"\\$g ( \\$b)\");",
            "p('$a[0] (1)');",
            "p('ev'.'al'.'(gz'.'inf'.'late(1))');",
        ] {
            assert!(!plain(code, false), "{code}");
        }
        assert!(!plain("$c = new $class($x);", true) && !plain("$t->$method(1);", true));
    }

    #[test]
    fn an_include_is_plain_where_it_names_its_file() {
        for code in [
            "require 'a.php';",
            "require_once(__DIR__ . '/../a.inc');",
            "include dirname(__FILE__, 2) . \"/a.php\"; f();",
            "require_once ABSPATH . WPINC . '/a.php' ?>",
            "require self::HOME . '/a.php';",
        ] {
            assert!(plain(code, true), "{code}");
        }
        for code in [
            "include $x;",
            "include 'a.php' . $x;",
            "include \"$x.php\";",
            "include \"\\x61.php\";",
            "include 'http://example.org/a.php';",
            "include 'a.jpg';",
            "include 'a.p' . 'ng';",
            "define('A', $_GET['a']); include A . '.php';",
            "include A::$b . '.php';",
            "include f() . '.php';",
            "include A",
        ] {
            assert!(!plain(code, true), "{code}");
        }
    }

    #[test]
    fn an_order_and_a_power_are_worth_the_analysis() {
        assert!(!plain("echo $_GET['a']; \\unlink('x');", true));
        assert!(plain("unlink('x');", false) && plain("$t->unlink_all(1);", true));
    }
}
