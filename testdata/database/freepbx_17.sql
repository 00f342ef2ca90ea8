-- The database of a FreePBX 17 that was just installed: tables as the modules' module.xml and install scripts describe them (framework
-- 17.0.19, core, userman, api, arimanager, manager, findmefollow, ringgroups, ucp, customappsreg, cdr, cel), and rows as they come. The
-- numbers are of documentation, the hashes of made-up passwords.
CREATE DATABASE `asterisk` DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE DATABASE `asteriskcdrdb` DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE USER 'freepbxuser'@'localhost' IDENTIFIED BY 'hunter2';
GRANT ALL PRIVILEGES ON `asterisk`.* TO 'freepbxuser'@'localhost';
GRANT ALL PRIVILEGES ON `asteriskcdrdb`.* TO 'freepbxuser'@'localhost';
USE `asterisk`;
CREATE TABLE `admin` (
  `variable` varchar(20) NOT NULL DEFAULT '',
  `value` varchar(80) NOT NULL DEFAULT '',
  PRIMARY KEY (`variable`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `ampusers` (
  `username` varchar(190) NOT NULL,
  `email` varchar(40) DEFAULT '',
  `extension` varchar(40) DEFAULT '',
  `password_sha1` varchar(40) NOT NULL,
  `extension_low` varchar(20) NOT NULL DEFAULT '',
  `extension_high` varchar(20) NOT NULL DEFAULT '',
  `deptname` varchar(20) NOT NULL DEFAULT '',
  `sections` longblob NOT NULL,
  PRIMARY KEY (`username`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `cronmanager` (
  `module` varchar(50) NOT NULL DEFAULT '',
  `id` varchar(24) NOT NULL DEFAULT '',
  `time` varchar(5) DEFAULT NULL,
  `freq` int(11) NOT NULL DEFAULT '0',
  `lasttime` int(11) NOT NULL DEFAULT '0',
  `command` varchar(255) NOT NULL DEFAULT '',
  PRIMARY KEY (`module`,`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `freepbx_settings` (
  `keyword` varchar(50) NOT NULL DEFAULT '',
  `value` varchar(255) DEFAULT NULL,
  `name` varchar(80) DEFAULT NULL,
  `level` tinyint(1) DEFAULT '0',
  `description` longtext DEFAULT NULL,
  `type` varchar(25) DEFAULT NULL,
  `options` longtext DEFAULT NULL,
  `defaultval` varchar(255) DEFAULT NULL,
  `readonly` tinyint(1) DEFAULT '0',
  `hidden` tinyint(1) DEFAULT '0',
  `category` varchar(50) DEFAULT NULL,
  `module` varchar(50) DEFAULT NULL,
  `emptyok` tinyint(1) DEFAULT '1',
  `sortorder` int(11) DEFAULT '0',
  PRIMARY KEY (`keyword`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `modules` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `modulename` varchar(50) NOT NULL DEFAULT '',
  `version` varchar(20) NOT NULL DEFAULT '',
  `enabled` tinyint(1) NOT NULL DEFAULT '0',
  `signature` longblob DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `notifications` (
  `module` varchar(50) NOT NULL DEFAULT '',
  `id` varchar(50) NOT NULL DEFAULT '',
  `level` int(11) NOT NULL DEFAULT '0',
  `display_text` varchar(255) NOT NULL DEFAULT '',
  `extended_text` longblob NOT NULL,
  `link` varchar(255) NOT NULL DEFAULT '',
  `reset` tinyint(1) NOT NULL DEFAULT '0',
  `candelete` tinyint(1) NOT NULL DEFAULT '0',
  `timestamp` int(11) NOT NULL DEFAULT '0',
  PRIMARY KEY (`module`,`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `cron_jobs` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `modulename` varchar(170) NOT NULL DEFAULT '',
  `jobname` varchar(170) NOT NULL DEFAULT '',
  `command` longtext DEFAULT NULL,
  `class` varchar(255) DEFAULT '',
  `schedule` varchar(255) NOT NULL DEFAULT '',
  `max_runtime` int(11) NOT NULL DEFAULT '30',
  `enabled` tinyint(1) NOT NULL DEFAULT '1',
  `execution_order` int(11) NOT NULL DEFAULT '100',
  PRIMARY KEY (`id`),
  UNIQUE KEY `modulename` (`modulename`,`jobname`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `trunks` (
  `trunkid` int(11) NOT NULL DEFAULT '0',
  `name` varchar(50) NOT NULL DEFAULT '',
  `tech` varchar(20) NOT NULL,
  `outcid` varchar(255) NOT NULL DEFAULT '',
  `keepcid` varchar(4) DEFAULT 'off',
  `maxchans` varchar(6) DEFAULT '',
  `failscript` varchar(255) NOT NULL DEFAULT '',
  `dialoutprefix` varchar(255) NOT NULL DEFAULT '',
  `channelid` varchar(190) NOT NULL DEFAULT '',
  `usercontext` varchar(255) DEFAULT NULL,
  `provider` varchar(40) DEFAULT NULL,
  `disabled` varchar(4) DEFAULT 'off',
  `continue` varchar(4) DEFAULT 'off',
  `routedisplay` varchar(4) DEFAULT 'on',
  PRIMARY KEY (`trunkid`,`tech`,`channelid`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `pjsip` (
  `id` varchar(20) NOT NULL DEFAULT '-1',
  `keyword` varchar(30) NOT NULL DEFAULT '',
  `data` varchar(8100) NOT NULL,
  `flags` int(11) NOT NULL DEFAULT '0',
  PRIMARY KEY (`id`,`keyword`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `sip` (
  `id` varchar(20) NOT NULL DEFAULT '-1',
  `keyword` varchar(30) NOT NULL DEFAULT '',
  `data` varchar(8100) NOT NULL,
  `flags` int(11) NOT NULL DEFAULT '0',
  PRIMARY KEY (`id`,`keyword`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `dahdi` (
  `id` varchar(20) NOT NULL DEFAULT '-1',
  `keyword` varchar(30) NOT NULL DEFAULT '',
  `data` varchar(255) NOT NULL DEFAULT '',
  `flags` int(11) NOT NULL DEFAULT '0',
  PRIMARY KEY (`id`,`keyword`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `iax` (
  `id` varchar(20) NOT NULL DEFAULT '-1',
  `keyword` varchar(30) NOT NULL DEFAULT '',
  `data` varchar(255) NOT NULL,
  `flags` int(11) NOT NULL DEFAULT '0',
  PRIMARY KEY (`id`,`keyword`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `devices` (
  `id` varchar(20) NOT NULL DEFAULT '',
  `tech` varchar(10) NOT NULL DEFAULT '',
  `dial` varchar(255) NOT NULL DEFAULT '',
  `devicetype` varchar(5) NOT NULL DEFAULT '',
  `user` varchar(50) DEFAULT NULL,
  `description` varchar(50) DEFAULT NULL,
  `emergency_cid` varchar(100) DEFAULT NULL,
  `hint_override` varchar(100) DEFAULT NULL,
  KEY `id` (`id`),
  KEY `tech` (`tech`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `users` (
  `extension` varchar(20) NOT NULL DEFAULT '',
  `password` varchar(20) DEFAULT NULL,
  `name` varchar(50) DEFAULT NULL,
  `voicemail` varchar(50) DEFAULT NULL,
  `ringtimer` int(11) DEFAULT NULL,
  `noanswer` varchar(100) DEFAULT NULL,
  `recording` varchar(50) DEFAULT NULL,
  `outboundcid` varchar(50) DEFAULT NULL,
  `sipname` varchar(50) DEFAULT NULL,
  `noanswer_cid` varchar(20) NOT NULL DEFAULT '',
  `busy_cid` varchar(20) NOT NULL DEFAULT '',
  `chanunavail_cid` varchar(20) NOT NULL DEFAULT '',
  `noanswer_dest` varchar(255) NOT NULL DEFAULT '',
  `busy_dest` varchar(255) NOT NULL DEFAULT '',
  `chanunavail_dest` varchar(255) NOT NULL DEFAULT '',
  `mohclass` varchar(80) DEFAULT 'default',
  KEY `extension` (`extension`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `incoming` (
  `cidnum` varchar(50) DEFAULT NULL,
  `extension` varchar(50) NOT NULL,
  `destination` varchar(50) DEFAULT NULL,
  `privacyman` tinyint(1) DEFAULT NULL,
  `alertinfo` varchar(255) DEFAULT NULL,
  `ringing` varchar(20) DEFAULT NULL,
  `fanswer` varchar(20) DEFAULT NULL,
  `mohclass` varchar(80) NOT NULL DEFAULT 'default',
  `description` varchar(80) DEFAULT NULL,
  `grppre` varchar(80) DEFAULT NULL,
  `delay_answer` int(11) DEFAULT NULL,
  `pricid` varchar(20) DEFAULT NULL,
  `pmmaxretries` varchar(2) DEFAULT NULL,
  `pmminlength` varchar(2) DEFAULT NULL,
  `reversal` varchar(10) DEFAULT NULL,
  `rvolume` varchar(2) DEFAULT '',
  `indication_zone` varchar(20) DEFAULT 'default'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `outbound_route_patterns` (
  `route_id` int(11) NOT NULL,
  `match_pattern_prefix` varchar(60) NOT NULL DEFAULT '',
  `match_pattern_pass` varchar(60) NOT NULL DEFAULT '',
  `match_cid` varchar(60) NOT NULL DEFAULT '',
  `prepend_digits` varchar(100) NOT NULL DEFAULT '',
  PRIMARY KEY (`route_id`,`match_pattern_prefix`,`match_pattern_pass`,`match_cid`,`prepend_digits`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `outbound_route_sequence` (
  `route_id` int(11) NOT NULL,
  `seq` int(11) NOT NULL,
  PRIMARY KEY (`route_id`,`seq`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `outbound_route_trunks` (
  `route_id` int(11) NOT NULL,
  `trunk_id` int(11) NOT NULL,
  `seq` int(11) NOT NULL,
  PRIMARY KEY (`route_id`,`trunk_id`,`seq`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `outbound_routes` (
  `route_id` int(11) NOT NULL AUTO_INCREMENT,
  `name` varchar(40) DEFAULT NULL,
  `outcid` varchar(255) DEFAULT NULL,
  `outcid_mode` varchar(20) DEFAULT NULL,
  `password` varchar(30) DEFAULT NULL,
  `emergency_route` varchar(4) DEFAULT NULL,
  `intracompany_route` varchar(4) DEFAULT NULL,
  `mohclass` varchar(80) DEFAULT NULL,
  `time_group_id` int(11) DEFAULT NULL,
  `dest` varchar(255) DEFAULT NULL,
  `time_mode` varchar(20) DEFAULT '',
  `calendar_id` varchar(255) DEFAULT NULL,
  `calendar_group_id` varchar(255) DEFAULT NULL,
  `timezone` varchar(255) DEFAULT NULL,
  `notification_on` varchar(255) DEFAULT 'call',
  PRIMARY KEY (`route_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `outbound_route_email` (
  `route_id` int(11) NOT NULL,
  `emailfrom` varchar(320) DEFAULT '',
  `emailto` varchar(320) DEFAULT '',
  `emailsubject` longtext DEFAULT NULL,
  `emailbody` longtext DEFAULT NULL,
  PRIMARY KEY (`route_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `trunk_dialpatterns` (
  `trunkid` int(11) NOT NULL DEFAULT '0',
  `match_pattern_prefix` varchar(50) NOT NULL DEFAULT '',
  `match_pattern_pass` varchar(50) NOT NULL DEFAULT '',
  `prepend_digits` varchar(50) NOT NULL DEFAULT '',
  `seq` int(11) NOT NULL DEFAULT '0',
  PRIMARY KEY (`trunkid`,`match_pattern_prefix`,`match_pattern_pass`,`prepend_digits`,`seq`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `userman_users` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `auth` varchar(150) DEFAULT 'freepbx',
  `authid` varchar(750) DEFAULT NULL,
  `username` varchar(150) DEFAULT NULL,
  `description` varchar(255) DEFAULT NULL,
  `password` varchar(255) DEFAULT NULL,
  `default_extension` varchar(45) NOT NULL DEFAULT 'none',
  `primary_group` int(11) DEFAULT NULL,
  `permissions` longblob DEFAULT NULL,
  `fname` varchar(100) DEFAULT NULL,
  `lname` varchar(100) DEFAULT NULL,
  `displayname` varchar(200) DEFAULT NULL,
  `title` varchar(100) DEFAULT NULL,
  `company` varchar(100) DEFAULT NULL,
  `department` varchar(100) DEFAULT NULL,
  `language` varchar(100) DEFAULT NULL,
  `timezone` varchar(100) DEFAULT NULL,
  `dateformat` varchar(100) DEFAULT NULL,
  `timeformat` varchar(100) DEFAULT NULL,
  `datetimeformat` varchar(100) DEFAULT NULL,
  `email` longtext DEFAULT NULL,
  `cell` varchar(100) DEFAULT NULL,
  `work` varchar(100) DEFAULT NULL,
  `home` varchar(100) DEFAULT NULL,
  `fax` varchar(100) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `username_UNIQUE` (`username`,`auth`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `userman_users_settings` (
  `uid` int(11) NOT NULL,
  `module` varchar(65) NOT NULL,
  `key` varchar(190) NOT NULL,
  `val` longblob NOT NULL,
  `type` varchar(16) DEFAULT NULL,
  UNIQUE KEY `index4` (`uid`,`module`,`key`),
  KEY `index2` (`uid`,`key`),
  KEY `index6` (`module`,`uid`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `userman_groups` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `auth` varchar(150) DEFAULT 'freepbx',
  `authid` varchar(750) DEFAULT NULL,
  `groupname` varchar(150) DEFAULT NULL,
  `description` varchar(255) DEFAULT NULL,
  `language` varchar(100) DEFAULT NULL,
  `timezone` varchar(100) DEFAULT NULL,
  `dateformat` varchar(100) DEFAULT NULL,
  `timeformat` varchar(100) DEFAULT NULL,
  `datetimeformat` varchar(100) DEFAULT NULL,
  `priority` int(11) NOT NULL DEFAULT '5',
  `users` longblob DEFAULT NULL,
  `permissions` longblob DEFAULT NULL,
  `local` int(11) NOT NULL DEFAULT '0',
  PRIMARY KEY (`id`),
  UNIQUE KEY `groupname_UNIQUE` (`groupname`,`auth`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `userman_groups_settings` (
  `gid` int(11) NOT NULL,
  `module` varchar(65) NOT NULL,
  `key` varchar(190) NOT NULL,
  `val` longblob NOT NULL,
  `type` varchar(16) DEFAULT NULL,
  UNIQUE KEY `index4` (`gid`,`module`,`key`),
  KEY `index2` (`gid`,`key`),
  KEY `index6` (`module`,`gid`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `userman_directories` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `name` varchar(250) DEFAULT NULL,
  `driver` varchar(150) NOT NULL DEFAULT '',
  `active` tinyint(1) NOT NULL DEFAULT '0',
  `order` int(11) NOT NULL DEFAULT '5',
  `default` tinyint(1) NOT NULL DEFAULT '0',
  `locked` tinyint(1) NOT NULL DEFAULT '0',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `userman_password_reminder` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `uid` varchar(40) NOT NULL DEFAULT '',
  `username` varchar(40) NOT NULL DEFAULT '',
  `usermail` varchar(40) NOT NULL DEFAULT '',
  `usertype` varchar(20) NOT NULL DEFAULT '',
  `passwordChangedAt` datetime NOT NULL,
  `passwordExpiryDate` datetime NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `api_applications` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `owner` int(11) DEFAULT NULL,
  `name` varchar(50) NOT NULL DEFAULT '',
  `description` longtext DEFAULT NULL,
  `grant_type` varchar(20) NOT NULL DEFAULT '',
  `client_id` varchar(128) NOT NULL DEFAULT '',
  `client_secret` varchar(64) DEFAULT NULL,
  `redirect_uri` varchar(150) DEFAULT NULL,
  `website` varchar(150) DEFAULT NULL,
  `algo` varchar(10) DEFAULT NULL,
  `allowed_scopes` longtext DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `client_id` (`client_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `api_access_tokens` (
  `token` varchar(80) NOT NULL DEFAULT '',
  `aid` int(11) NOT NULL,
  `expiry` int(11) NOT NULL,
  `scopes` longblob NOT NULL,
  `uid` int(11) DEFAULT NULL,
  `ip_address` varchar(80) NOT NULL DEFAULT '',
  `last_accessed` int(11) NOT NULL,
  PRIMARY KEY (`token`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `api_auth_codes` (
  `code` varchar(80) NOT NULL DEFAULT '',
  `aid` int(11) NOT NULL,
  `expiry` int(11) NOT NULL,
  `scopes` longblob NOT NULL,
  `uid` int(11) DEFAULT NULL,
  `ip_address` varchar(80) NOT NULL DEFAULT '',
  `last_accessed` int(11) NOT NULL,
  PRIMARY KEY (`code`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `api_refresh_tokens` (
  `token` varchar(80) NOT NULL DEFAULT '',
  `access_token` varchar(80) NOT NULL DEFAULT '',
  `expiry` int(11) NOT NULL,
  `ip_address` varchar(80) NOT NULL DEFAULT '',
  `last_accessed` int(11) NOT NULL,
  PRIMARY KEY (`token`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `arimanager` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `name` varchar(190) NOT NULL,
  `password` varchar(255) DEFAULT NULL,
  `password_format` varchar(255) DEFAULT NULL,
  `read_only` int(11) DEFAULT '1',
  PRIMARY KEY (`id`),
  UNIQUE KEY `name_UNIQUE` (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `findmefollow` (
  `grpnum` varchar(20) NOT NULL,
  `strategy` varchar(50) NOT NULL,
  `grptime` smallint(6) NOT NULL,
  `grppre` varchar(100) DEFAULT NULL,
  `grplist` varchar(255) NOT NULL,
  `annmsg_id` int(11) DEFAULT NULL,
  `postdest` varchar(255) DEFAULT NULL,
  `dring` varchar(255) DEFAULT NULL,
  `rvolume` varchar(2) DEFAULT NULL,
  `remotealert_id` int(11) DEFAULT NULL,
  `needsconf` varchar(10) DEFAULT NULL,
  `toolate_id` int(11) DEFAULT NULL,
  `pre_ring` smallint(6) NOT NULL DEFAULT '0',
  `ringing` varchar(80) DEFAULT NULL,
  `calendar_enable` tinyint(1) DEFAULT '0',
  `calendar_id` varchar(80) DEFAULT '',
  `calendar_group_id` varchar(80) DEFAULT '',
  `calendar_match` varchar(4) DEFAULT 'yes',
  PRIMARY KEY (`grpnum`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `ringgroups` (
  `grpnum` varchar(20) NOT NULL,
  `strategy` varchar(50) NOT NULL,
  `grptime` smallint(6) NOT NULL,
  `grppre` varchar(100) DEFAULT NULL,
  `grplist` varchar(255) NOT NULL,
  `annmsg_id` int(11) DEFAULT NULL,
  `postdest` varchar(255) DEFAULT NULL,
  `description` varchar(35) NOT NULL,
  `alertinfo` varchar(255) DEFAULT NULL,
  `remotealert_id` int(11) DEFAULT NULL,
  `needsconf` varchar(10) DEFAULT NULL,
  `toolate_id` int(11) DEFAULT NULL,
  `ringing` varchar(80) DEFAULT NULL,
  `cwignore` varchar(10) DEFAULT NULL,
  `cfignore` varchar(10) DEFAULT NULL,
  `cpickup` varchar(10) DEFAULT NULL,
  `recording` varchar(10) DEFAULT 'dontcare',
  `progress` varchar(10) DEFAULT NULL,
  `elsewhere` varchar(10) DEFAULT NULL,
  `rvolume` varchar(2) NOT NULL DEFAULT '',
  PRIMARY KEY (`grpnum`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `manager` (
  `manager_id` int(11) NOT NULL AUTO_INCREMENT,
  `name` varchar(15) NOT NULL,
  `secret` varchar(50) DEFAULT NULL,
  `deny` varchar(1024) DEFAULT NULL,
  `permit` varchar(1024) DEFAULT NULL,
  `read` varchar(255) DEFAULT NULL,
  `write` varchar(255) DEFAULT NULL,
  `writetimeout` int(11) DEFAULT NULL,
  PRIMARY KEY (`manager_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `ucp_sessions` (
  `session` varchar(190) NOT NULL,
  `uid` int(11) DEFAULT NULL,
  `address` varchar(255) DEFAULT NULL,
  `time` int(11) DEFAULT NULL,
  `socketid` varchar(255) DEFAULT NULL,
  PRIMARY KEY (`session`),
  UNIQUE KEY `session_UNIQUE` (`session`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `custom_extensions` (
  `custom_exten` varchar(80) NOT NULL DEFAULT '',
  `description` varchar(40) NOT NULL DEFAULT '',
  `notes` varchar(255) NOT NULL DEFAULT '',
  PRIMARY KEY (`custom_exten`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `disa` (
  `disa_id` int(11) NOT NULL AUTO_INCREMENT,
  `displayname` varchar(50) DEFAULT NULL,
  `pin` varchar(50) DEFAULT NULL,
  `cid` varchar(50) DEFAULT NULL,
  `context` varchar(50) DEFAULT NULL,
  PRIMARY KEY (`disa_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `kvstore_FreePBX_modules_Filestore` (`key` CHAR(255) NOT NULL, `val` VARCHAR(4096), `type` CHAR(16) DEFAULT NULL, `id` CHAR(255) DEFAULT NULL, UNIQUE KEY `uniqueindex` (`key`(190),`id`(190)));
CREATE TABLE `kvstore_FreePBX_modules_Backup` (`key` CHAR(255) NOT NULL, `val` VARCHAR(4096), `type` CHAR(16) DEFAULT NULL, `id` CHAR(255) DEFAULT NULL, UNIQUE KEY `uniqueindex` (`key`(190),`id`(190)));
CREATE TABLE `kvstore_FreePBX_modules_Sipsettings` (`key` CHAR(255) NOT NULL, `val` VARCHAR(4096), `type` CHAR(16) DEFAULT NULL, `id` CHAR(255) DEFAULT NULL, UNIQUE KEY `uniqueindex` (`key`(190),`id`(190)));
INSERT INTO `admin` VALUES ('version','17.0.19.27'),('need_reload','false'),('email','pbx@example.org');
INSERT INTO `ampusers` (`username`,`email`,`extension`,`password_sha1`,`sections`) VALUES ('admin','','default','0b9d27b7dd5f2f9b4b1d0f0f1c5a6f3a1b2c3d4e','*');
INSERT INTO `modules` (`modulename`,`version`,`enabled`) VALUES ('builtin','2.3.0.2',1),('framework','17.0.19.27',1),('core','17.0.18',1),('cdr','17.0.4',1),('firewall','17.0.1',1),('dashboard','17.0.4',1),('calendar','17.0.1',1),('timeconditions','17.0.1',1),('userman','17.0.6',1),('backup','17.0.5',1),('endpoint','17.0.3',1);
INSERT INTO `cron_jobs` (`modulename`,`jobname`,`command`,`class`,`schedule`,`max_runtime`,`enabled`,`execution_order`) VALUES
 ('dashboard','scheduler',NULL,'FreePBX\\modules\\Dashboard\\Job','*/5 * * * *',30,1,100),
 ('calendar','sync',NULL,'FreePBX\\modules\\Calendar\\Job','*/15 * * * *',30,1,100),
 ('timeconditions','schedtc',NULL,'FreePBX\\modules\\Timeconditions\\Job','* * * * *',30,1,100),
 ('firewall','firewall','[ -e /var/spool/asterisk/incron ] && touch /var/spool/asterisk/incron/firewall.firewall',NULL,'*/15 * * * *',30,1,100),
 ('firewall','syncIDetection','/usr/sbin/fwconsole firewall sync',NULL,'*/5 * * * *',30,1,100),
 ('backup','nightly','/usr/sbin/fwconsole backup --backup=0c4b > /dev/null 2>&1',NULL,'0 2 * * *',30,1,100);
INSERT INTO `cronmanager` (`module`,`id`,`time`,`freq`,`lasttime`,`command`) VALUES ('module_admin','UPDATES','3',24,1767225600,'/var/lib/asterisk/bin/module_admin listonline > /dev/null 2>&1');
INSERT INTO `freepbx_settings` (`keyword`,`value`,`name`,`level`,`description`,`type`,`options`,`defaultval`,`readonly`,`hidden`,`category`,`module`,`emptyok`,`sortorder`) VALUES
 ('AUTHTYPE','usermanager','Authorization Type',3,'','select','','usermanager',1,0,'System Setup','',0,0),
 ('SIGNATURECHECK','1','Enable Module Signature Checking',10,'','bool','','1',1,0,'System Setup','',0,0),
 ('AMPDBPASS','hunter2','',0,'','text','','',1,1,'','',0,0),
 ('AMPMGRPASS','amp111x','',2,'','text','','amp111',0,0,'Asterisk Manager','',0,0),
 ('CHECKREFERER','1','Check Server Referrer',3,'','bool','','1',0,0,'','',0,0),
 ('AMPDISABLELOG','0','Disable FreePBX Log',3,'','bool','','1',0,0,'','',0,0),
 ('AMP_ACCESS_DB_CREDS','0','Allow Login With DB Credentials',3,'','bool','','0',0,0,'','',0,0),
 ('MODULE_REPO','http://mirror1.freepbx.org,http://mirror2.freepbx.org','Repo Server',10,'','text','','http://mirror1.freepbx.org,http://mirror2.freepbx.org',1,1,'','',0,0),
 ('POST_RELOAD','','POST_RELOAD Script',2,'','text','','',0,1,'','',1,0),
 ('PRE_RELOAD','','PRE_RELOAD Script',2,'','text','','',0,1,'','',1,0),
 ('TONEZONE','de','Country Indication Tones',3,'','text','','us',0,0,'','',0,0);
INSERT INTO `userman_users` (`id`,`auth`,`username`,`password`,`default_extension`) VALUES (1,'1','admin','$2a$08$abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzab','none'),(2,'1','100','$2a$08$bbcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzab','100');
INSERT INTO `userman_users_settings` (`uid`,`module`,`key`,`val`) VALUES (1,'global','pbx_login','1'),(1,'global','pbx_admin','1'),(2,'global','pbx_login','0');
INSERT INTO `arimanager` (`name`,`password`,`password_format`,`read_only`) VALUES ('freepbxuser','0123456789abcdef0123456789abcdef','plain',0);
INSERT INTO `manager` (`name`,`secret`,`deny`,`permit`,`read`,`write`) VALUES ('reports','hunter22','0.0.0.0/0.0.0.0','127.0.0.1/255.255.255.0','cdr,call','originate');
INSERT INTO `trunks` (`trunkid`,`name`,`tech`,`channelid`,`failscript`) VALUES (1,'provider','pjsip','provider','');
INSERT INTO `trunk_dialpatterns` (`trunkid`,`match_pattern_prefix`,`match_pattern_pass`,`prepend_digits`,`seq`) VALUES (1,'','X.','',0);
INSERT INTO `outbound_routes` (`route_id`,`name`,`emergency_route`,`password`) VALUES (1,'emergency','YES',''),(2,'out','','');
INSERT INTO `outbound_route_patterns` (`route_id`,`match_pattern_prefix`,`match_pattern_pass`,`match_cid`,`prepend_digits`) VALUES (1,'','112','',''),(1,'','911','',''),(2,'','X.','',''),(2,'9','011.','','');
INSERT INTO `outbound_route_trunks` VALUES (1,1,0),(2,1,0);
INSERT INTO `devices` (`id`,`tech`,`dial`,`devicetype`,`user`,`description`) VALUES ('100','pjsip','PJSIP/100','fixed','100','Front desk'),('101','pjsip','PJSIP/101','fixed','101','It''s \\ me');
INSERT INTO `users` (`extension`,`password`,`name`,`voicemail`) VALUES ('100','','Front desk','novm'),('101','','Back office','default');
INSERT INTO `pjsip` (`id`,`keyword`,`data`,`flags`) VALUES ('100','secret','hunter23',2),('100','context','from-internal',3),('100','callerid','Front desk <100>',50),('101','secret','hunter24',2);
INSERT INTO `findmefollow` (`grpnum`,`strategy`,`grptime`,`grplist`) VALUES ('100','ringallv2-prim',20,'100-101');
INSERT INTO `ringgroups` (`grpnum`,`strategy`,`grptime`,`grplist`,`description`) VALUES ('600','ringall',20,'100-101','Office');
INSERT INTO `disa` (`displayname`,`pin`,`context`) VALUES ('travel','4711','from-internal');
INSERT INTO `kvstore_FreePBX_modules_Filestore` VALUES ('SSH_servers','{"password":"hunter25"}','json-arr','noid');
INSERT INTO `kvstore_FreePBX_modules_Backup` VALUES ('prebu_hook','',NULL,'0c4b'),('backup_name','nightly',NULL,'0c4b');
INSERT INTO `kvstore_FreePBX_modules_Sipsettings` VALUES ('allowguest','no',NULL,'noid');
USE `asteriskcdrdb`;
CREATE TABLE `cdr` (
  `calldate` datetime NOT NULL DEFAULT '0000-00-00 00:00:00',
  `clid` varchar(80) NOT NULL DEFAULT '',
  `src` varchar(80) NOT NULL DEFAULT '',
  `dst` varchar(80) NOT NULL DEFAULT '',
  `dcontext` varchar(80) NOT NULL DEFAULT '',
  `channel` varchar(80) NOT NULL DEFAULT '',
  `dstchannel` varchar(80) NOT NULL DEFAULT '',
  `lastapp` varchar(80) NOT NULL DEFAULT '',
  `lastdata` varchar(80) NOT NULL DEFAULT '',
  `duration` int(11) NOT NULL DEFAULT 0,
  `billsec` int(11) NOT NULL DEFAULT 0,
  `disposition` varchar(45) NOT NULL DEFAULT '',
  `amaflags` int(11) NOT NULL DEFAULT 0,
  `accountcode` varchar(20) NOT NULL DEFAULT '',
  `uniqueid` varchar(32) NOT NULL DEFAULT '',
  `userfield` varchar(255) NOT NULL DEFAULT '',
  `did` varchar(50) NOT NULL DEFAULT '',
  `recordingfile` varchar(255) NOT NULL DEFAULT '',
  `cnum` varchar(80) NOT NULL DEFAULT '',
  `cnam` varchar(80) NOT NULL DEFAULT '',
  `outbound_cnum` varchar(80) NOT NULL DEFAULT '',
  `outbound_cnam` varchar(80) NOT NULL DEFAULT '',
  `dst_cnam` varchar(80) NOT NULL DEFAULT '',
  `linkedid` varchar(32) NOT NULL DEFAULT '',
  `peeraccount` varchar(80) NOT NULL DEFAULT '',
  `sequence` int(11) NOT NULL DEFAULT 0,
  KEY `calldate` (`calldate`),
  KEY `dst` (`dst`),
  KEY `accountcode` (`accountcode`),
  KEY `uniqueid` (`uniqueid`),
  KEY `did` (`did`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `cel` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `eventtype` varchar(30) NOT NULL,
  `eventtime` datetime NOT NULL,
  `cid_num` varchar(80) NOT NULL,
  `exten` varchar(80) NOT NULL,
  `context` varchar(80) NOT NULL,
  `channame` varchar(80) NOT NULL,
  `appname` varchar(80) NOT NULL,
  `uniqueid` varchar(32) NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO `cdr` (`calldate`,`clid`,`src`,`dst`,`dcontext`,`channel`,`dstchannel`,`lastapp`,`lastdata`,`duration`,`billsec`,`disposition`,`amaflags`,`uniqueid`,`linkedid`,`sequence`) VALUES
('2026-01-02 00:04:05','"Front desk" <100>','100','5550000','from-internal','PJSIP/100-00000000','PJSIP/provider-00000000','Dial','PJSIP/provider',30,20,'ANSWERED',3,'1767319445.0','1767319445.0',0),
('2026-01-02 01:04:05','"Front desk" <100>','100','5550001','from-internal','PJSIP/100-00000001','PJSIP/provider-00000001','Dial','PJSIP/provider',31,21,'ANSWERED',3,'1767319445.1','1767319445.1',1),
('2026-01-02 02:04:05','"Front desk" <100>','100','5550002','from-internal','PJSIP/100-00000002','PJSIP/provider-00000002','Dial','PJSIP/provider',32,22,'ANSWERED',3,'1767319445.2','1767319445.2',2),
('2026-01-02 03:04:05','"Front desk" <100>','100','5550003','from-internal','PJSIP/100-00000003','PJSIP/provider-00000003','Dial','PJSIP/provider',33,23,'ANSWERED',3,'1767319445.3','1767319445.3',3),
('2026-01-02 04:04:05','"Front desk" <100>','100','5550004','from-internal','PJSIP/100-00000004','PJSIP/provider-00000004','Dial','PJSIP/provider',34,24,'ANSWERED',3,'1767319445.4','1767319445.4',4),
('2026-01-02 05:04:05','"Front desk" <100>','100','5550005','from-internal','PJSIP/100-00000005','PJSIP/provider-00000005','Dial','PJSIP/provider',35,25,'ANSWERED',3,'1767319445.5','1767319445.5',5),
('2026-01-02 06:04:05','"Front desk" <100>','100','5550006','from-internal','PJSIP/100-00000006','PJSIP/provider-00000006','Dial','PJSIP/provider',36,26,'ANSWERED',3,'1767319445.6','1767319445.6',6),
('2026-01-02 07:04:05','"Front desk" <100>','100','5550007','from-internal','PJSIP/100-00000007','PJSIP/provider-00000007','Dial','PJSIP/provider',37,27,'ANSWERED',3,'1767319445.7','1767319445.7',7),
('2026-01-02 08:04:05','"Front desk" <100>','100','5550008','from-internal','PJSIP/100-00000008','PJSIP/provider-00000008','Dial','PJSIP/provider',38,28,'ANSWERED',3,'1767319445.8','1767319445.8',8),
('2026-01-02 09:04:05','"Front desk" <100>','100','5550009','from-internal','PJSIP/100-00000009','PJSIP/provider-00000009','Dial','PJSIP/provider',39,29,'ANSWERED',3,'1767319445.9','1767319445.9',9),
('2026-01-02 10:04:05','"Front desk" <100>','100','5550010','from-internal','PJSIP/100-0000000a','PJSIP/provider-0000000a','Dial','PJSIP/provider',40,30,'ANSWERED',3,'1767319445.10','1767319445.10',10),
('2026-01-02 11:04:05','"Front desk" <100>','100','5550011','from-internal','PJSIP/100-0000000b','PJSIP/provider-0000000b','Dial','PJSIP/provider',41,31,'ANSWERED',3,'1767319445.11','1767319445.11',11),
('2026-01-02 00:04:05','"Front desk" <100>','100','5550012','from-internal','PJSIP/100-0000000c','PJSIP/provider-0000000c','Dial','PJSIP/provider',42,32,'ANSWERED',3,'1767319445.12','1767319445.12',12),
('2026-01-02 01:04:05','"Front desk" <100>','100','5550013','from-internal','PJSIP/100-0000000d','PJSIP/provider-0000000d','Dial','PJSIP/provider',43,33,'ANSWERED',3,'1767319445.13','1767319445.13',13),
('2026-01-02 02:04:05','"Front desk" <100>','100','5550014','from-internal','PJSIP/100-0000000e','PJSIP/provider-0000000e','Dial','PJSIP/provider',44,34,'ANSWERED',3,'1767319445.14','1767319445.14',14),
('2026-01-02 03:04:05','"Front desk" <100>','100','5550015','from-internal','PJSIP/100-0000000f','PJSIP/provider-0000000f','Dial','PJSIP/provider',45,35,'ANSWERED',3,'1767319445.15','1767319445.15',15),
('2026-01-02 04:04:05','"Front desk" <100>','100','5550016','from-internal','PJSIP/100-00000010','PJSIP/provider-00000010','Dial','PJSIP/provider',46,36,'ANSWERED',3,'1767319445.16','1767319445.16',16),
('2026-01-02 05:04:05','"Front desk" <100>','100','5550017','from-internal','PJSIP/100-00000011','PJSIP/provider-00000011','Dial','PJSIP/provider',47,37,'ANSWERED',3,'1767319445.17','1767319445.17',17),
('2026-01-02 06:04:05','"Front desk" <100>','100','5550018','from-internal','PJSIP/100-00000012','PJSIP/provider-00000012','Dial','PJSIP/provider',48,38,'ANSWERED',3,'1767319445.18','1767319445.18',18),
('2026-01-02 07:04:05','"Front desk" <100>','100','5550019','from-internal','PJSIP/100-00000013','PJSIP/provider-00000013','Dial','PJSIP/provider',49,39,'ANSWERED',3,'1767319445.19','1767319445.19',19);
INSERT INTO `cel` (`eventtype`,`eventtime`,`cid_num`,`exten`,`context`,`channame`,`appname`,`uniqueid`) VALUES ('CHAN_START','2026-01-02 03:04:05','100','5550000','from-internal','PJSIP/100-1','','1767319445.0'),('CHAN_START','2026-01-02 03:04:05','100','5550001','from-internal','PJSIP/100-1','','1767319445.1'),('CHAN_START','2026-01-02 03:04:05','100','5550002','from-internal','PJSIP/100-1','','1767319445.2'),('CHAN_START','2026-01-02 03:04:05','100','5550003','from-internal','PJSIP/100-1','','1767319445.3'),('CHAN_START','2026-01-02 03:04:05','100','5550004','from-internal','PJSIP/100-1','','1767319445.4'),('CHAN_START','2026-01-02 03:04:05','100','5550005','from-internal','PJSIP/100-1','','1767319445.5'),('CHAN_START','2026-01-02 03:04:05','100','5550006','from-internal','PJSIP/100-1','','1767319445.6'),('CHAN_START','2026-01-02 03:04:05','100','5550007','from-internal','PJSIP/100-1','','1767319445.7'),('CHAN_START','2026-01-02 03:04:05','100','5550008','from-internal','PJSIP/100-1','','1767319445.8'),('CHAN_START','2026-01-02 03:04:05','100','5550009','from-internal','PJSIP/100-1','','1767319445.9');
