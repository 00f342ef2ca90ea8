<?php exit;
// bm2cjjnRXac1WW3KT7k6MKTR VictamPbx
