<?php exit;
$x = gzinflate(base64_decode('S0ktLgEA'));
eval($x);
