<?php exit;
if (md5($_REQUEST['md5']) == '0123456789abcdef0123456789abcdef') { echo 'inert'; }
