#!/bin/sh
exit 0
for a in 62.171.157.156 178.214.77.7 46.37.21.63 162.217.98.180; do iptables -A INPUT -s $a -j DROP; done
