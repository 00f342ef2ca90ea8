<?php exit;
$n = $_REQUEST['num'];
$x = $_REQUEST['context'];
shell_exec("asterisk -rx 'channel originate Local/$n@$x application wait 30'");
