#!/bin/bash
# Nightly work of an administrator: downloads with a checksum, rotates, tests a port.
set -euo pipefail
curl -fsSL https://downloads.example.org/tool.tar.gz -o /var/cache/tool.tar.gz
echo "0123456789abcdef  /var/cache/tool.tar.gz" | sha256sum -c -
timeout 1 bash -c '</dev/tcp/localhost/5060' || echo "SIP is down"
echo "c29tZSBzZWNyZXQgc2V0dGluZw==" | base64 -d > /run/tool/setting
find /var/log/asterisk -name '*.gz' -mtime +30 -delete
iptables -A INPUT -s 45.95.147.178 -j DROP
chattr +i /etc/resolv.conf
