<?php exit;
$f = substr('xstrlen', 1);
$f($_POST['x']);
