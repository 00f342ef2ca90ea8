<?php exit;
fputs(fopen(base64_decode('eC5waHA='), 'w'), 'inert');
