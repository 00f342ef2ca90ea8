<?php exit;
goto bQ3fx; aZ1yk: $a = "\x61\x62"; goto cW9mn; bQ3fx: $b = "\x63\x64"; goto dE4rt; dE4rt: $c = "\145\146"; goto eR5yu; eR5yu: $d = "\x67\x68"; goto fT6ui; fT6ui: $e = "\x69\x6a"; goto gY7op; gY7op: $f = "\x6b\x6c"; goto aZ1yk; cW9mn: $g = 1;
