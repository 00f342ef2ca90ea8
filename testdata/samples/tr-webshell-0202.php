<?php exit;
?>
<html><head><title>My web shell</title></head>
<?php
if (isset($_POST['d'])) { $h = popen('true', 'r'); }
