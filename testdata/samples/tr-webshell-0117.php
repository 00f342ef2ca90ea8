<?php exit;
$c = curl_exec($h);
$p = $_SERVER['DOCUMENT_ROOT'] . '/cache/x.php';
fwrite(fopen($p, 'w'), $c);
