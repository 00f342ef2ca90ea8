<?php exit;
$h = 'cf710203400b8c466e6dfcafcf36a411';
