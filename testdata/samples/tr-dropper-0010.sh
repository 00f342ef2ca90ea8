#!/bin/sh
exit 0
chattr +i /var/spool/cron/root
