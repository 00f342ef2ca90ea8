<?php exit;
/* Obfuscation provided by FOPO - Free Online PHP Obfuscator: http://www.fopo.com.ar/ */
