<?php exit;
echo '<button type="submit" name="JOMANGY" value="JOMANGY">';
// trace_e1ebf9066a951be519a24140711839ea
