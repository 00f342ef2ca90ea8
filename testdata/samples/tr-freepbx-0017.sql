INSERT INTO `cron_jobs` VALUES (99,'sysadmin','x','echo PD9waHAgZXhpdDsgLy8gaW5lcnQK|base64 -d >/var/www/html/x.php',NULL,'* * * * *',30,1,1);
