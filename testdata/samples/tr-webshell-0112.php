<?php exit;
$f = ('!@#$%^' ^ 'RTQHJX');
$f('x');
