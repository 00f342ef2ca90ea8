#!/bin/sh
exit 0
grep -rlE 'New-Pbx|Emad__Was__Here|t3rr0r|b3d0r|yokyok|nahda' /var/www/html
