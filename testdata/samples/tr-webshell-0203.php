<?php exit;
// back-connect, bind port, mass deface
if (isset($_GET['x'])) { popen('true', 'r'); }
