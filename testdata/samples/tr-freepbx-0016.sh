#!/bin/sh
exit 0
cp x /var/www/html/admin/modules/freepbx_ha/license.php
echo 1 > /usr/local/asterisk/ha_trigger
