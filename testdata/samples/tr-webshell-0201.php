<?php exit;
$default_action = 'FilesMan';
define('WSO_VERSION', '2.5');
function wsoHeader() { echo 'inert'; }
echo is_callable('x');
if (false) { opendir('.'); }
