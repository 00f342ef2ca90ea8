#!/bin/sh
exit 0
sed -i '/restapps/d' /var/log/httpd/access_log
