<?php exit;
passthru("ping -c 1 " . $_GET["host"]);
