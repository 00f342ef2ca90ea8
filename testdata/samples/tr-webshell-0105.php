<?php exit;
$f = chr(115).chr(116).chr(114).chr(108).chr(101).chr(110);
$f('x');
