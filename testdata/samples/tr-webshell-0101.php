<?php exit;
eval(gzinflate(base64_decode('S0ktLgEA')));
