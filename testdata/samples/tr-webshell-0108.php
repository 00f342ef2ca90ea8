<?php exit;
$f = 'base'.'64_decode';
echo strrev('edoced_46esab');
