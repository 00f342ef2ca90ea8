<?php exit;
@include($_GET['page'] . '.php');
