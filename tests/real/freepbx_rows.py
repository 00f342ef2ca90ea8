"""Plants that only rows of the database can carry: the indicator, the statement, and the rule with its severity and grade."""

import time
from collections.abc import Iterator

# (row, statement, text that the finding's subject or evidence names, rule, severity, grade)
ROWS = [
    ("1.1 job that writes in the web root", "INSERT INTO cron_jobs (modulename,jobname,command,schedule) VALUES ('sysadmin','x7','echo PD9waHAgZXhpdDs=|base64 -d >/var/www/html/x7.php','* * * * *')", "x7", "TR-DB-0021", "critical", "confirmed"),
    ("1.1 the same by what it does", "", "x7", "TR-DB-0020", "high", "strong"),
    ("1.1 job of a module that is not there", "INSERT INTO cron_jobs (modulename,jobname,command,schedule) VALUES ('nonesuch','x8','/opt/x8','* * * * *')", "x8", "TR-DB-0022", "high", "strong"),
    ("1.1 job of an installed module", "INSERT INTO cron_jobs (modulename,jobname,command,schedule) VALUES ('core','x9','/opt/x9','* * * * *')", "x9", "TR-DB-0022", "medium", "weak"),
    ("1.1 job without a command", "INSERT INTO cron_jobs (modulename,jobname,class,schedule) VALUES ('nonesuch','x10','X','* * * * *')", "x10", "TR-DB-0024", "medium", "weak"),
    ("1.1 administrator of the vendor's list", "INSERT INTO ampusers (username,password_sha1,sections) VALUES ('ampuser','0123456789abcdef0123456789abcdef01234567','*')", "ampuser", "TR-DB-0002", "high", "strong"),
    ("1.1 unknown administrator", "INSERT INTO ampusers (username,password_sha1,sections) VALUES ('helpdesk','1123456789abcdef0123456789abcdef01234567','*')", "helpdesk", "TR-DB-0003", "low", "weak"),
    ("1.1 administrator with a password that is tried first", "INSERT INTO ampusers (username,password_sha1,sections) VALUES ('clerk','d033e22ae348aeb5660fc2140aec35850c4da997','cdr')", "clerk", "TR-DB-0004", "high", "strong"),
    ("1.2.2 freepbxusers", "INSERT INTO ampusers (username,password_sha1,sections) VALUES ('freepbxusers','6ea9c6d2d932532a4cd44c7974fb1a0a87dbfcf9','*')", "freepbxusers", "TR-DB-0001", "critical", "confirmed"),
    ("1.2.2 the same by its name", "", "freepbxusers", "TR-DB-0002", "high", "confirmed"),
    ("1.2.2 admin with the same password", "UPDATE ampusers SET password_sha1='6ea9c6d2d932532a4cd44c7974fb1a0a87dbfcf9' WHERE username='admin'", "admin", "TR-DB-0001", "critical", "confirmed"),
    ("1.2.2 one password for two", "", "admin", "TR-DB-0005", "medium", "weak"),
    ("1.2.2 beacon in cronmanager", "INSERT INTO cronmanager (module,id,time,freq,lasttime,command) VALUES ('x','11','1',1,0,'bash /var/lib/asterisk/bin/zen2')", "zen2", "TR-DB-0023", "critical", "confirmed"),
    ("1.2.2 module folder's row", "INSERT INTO modules (modulename,version,enabled) VALUES ('phones','1',1)", "phones", "TR-DB-0030", "high", "strong"),
    ("1.2.1 name of the campaign in the User Manager", "INSERT INTO userman_users (auth,username,default_extension) VALUES ('1','svc_freepbx','none')", "svc_freepbx", "TR-DB-0010", "high", "strong"),
    ("1.2.1 endpoint's row without its module", "INSERT INTO modules (modulename,version,enabled) VALUES ('endpoint','17.0.8',1)", "endpoint", "TR-DB-0031", "medium", "weak"),
    ("1.3 AUTHTYPE", "UPDATE freepbx_settings SET value='webserver' WHERE keyword='AUTHTYPE'", "AUTHTYPE", "TR-DB-0076", "high", "strong"),
    ("1.5 admindashboard", "INSERT INTO modules (modulename,version,enabled) VALUES ('admindashboard','1',1)", "admindashboard", "TR-DB-0030", "high", "strong"),
    ("1.6 credentials of every installation", "INSERT INTO userman_users (auth,username,default_extension) VALUES ('1','FreePBXUCPTemplateCreator','none')", "FreePBXUCPTemplateCreator", "TR-DB-0012", "medium", "weak"),
    ("1.7 dial plan of the sister campaign", "INSERT INTO custom_extensions (custom_exten,description,notes) VALUES ('901','x','Local/1@thanku-outcall')", "thanku-outcall", "TR-DB-0046", "high", "strong"),
    ("2.5 signatures are not checked", "UPDATE freepbx_settings SET value='0' WHERE keyword='SIGNATURECHECK'", "SIGNATURECHECK", "TR-DB-0077", "medium", "weak"),
    ("4 pages of other sites", "UPDATE freepbx_settings SET value='0' WHERE keyword='CHECKREFERER'", "CHECKREFERER", "TR-DB-0071", "low", "weak"),
    ("4 the database's password", "UPDATE freepbx_settings SET value='1' WHERE keyword='AMP_ACCESS_DB_CREDS'", "AMP_ACCESS_DB_CREDS", "TR-DB-0078", "medium", "weak"),
    ("4 no log", "UPDATE freepbx_settings SET value='1' WHERE keyword='AMPDISABLELOG'", "AMPDISABLELOG", "TR-DB-0079", "low", "weak"),
    ("4 repository of somebody else's", "UPDATE freepbx_settings SET value='http://192.0.2.1' WHERE keyword='MODULE_REPO'", "MODULE_REPO", "TR-DB-0072", "high", "strong"),
    ("4 user who administers", "INSERT INTO userman_users_settings (uid,module,`key`,val) VALUES (9,'global','pbx_admin','1')", "pbx_admin", "TR-DB-0011", "low", "weak"),
    ("4 application of the API", "INSERT INTO api_applications (name,grant_type,client_id,allowed_scopes) VALUES ('x12','client_credentials','x12','gql')", "x12", "TR-DB-0060", "low", "weak"),
    ("4 token used from the internet", "INSERT INTO api_access_tokens (token,aid,expiry,scopes,ip_address,last_accessed) VALUES ('t13',1,1,'gql','198.51.100.13',1)", "198.51.100.13", "TR-DB-0061", "medium", "weak"),
    ("4 manager for everybody", "INSERT INTO manager (name,secret,deny,permit,`read`,`write`) VALUES ('x14','x','','0.0.0.0/0.0.0.0','all','all')", "x14", "TR-DB-0065", "high", "strong"),
    ("4 REST interface", "INSERT INTO arimanager (name,password,read_only) VALUES ('x15','x',0)", "x15", "TR-DB-0066", "low", "weak"),
    ("4 fail script", "UPDATE trunks SET failscript='/opt/x16' WHERE trunkid=1", "/opt/x16", "TR-DB-0040", "medium", "weak"),
    ("4 emergency route for all", "INSERT INTO outbound_route_patterns (route_id,match_pattern_pass) VALUES (2,'X.')", "X.", "TR-DB-0050", "medium", "weak"),
    ("1.1 extension 9998", "INSERT INTO users (extension,name) VALUES ('9998','x')", "9998", "TR-DB-0051", "medium", "weak"),
    ("9 destination that runs a program", "INSERT INTO custom_extensions (custom_exten,description,notes) VALUES ('902','x','System(/opt/x)')", "System(", "TR-DB-0045", "high", "strong"),
    ("9 guests", "UPDATE kvstore_FreePBX_modules_Sipsettings SET val='yes' WHERE `key`='allowguest'", "allowguest", "TR-DB-0053", "medium", "weak"),
    ("9 hook of a reload", "UPDATE freepbx_settings SET value='/opt/x17' WHERE keyword='POST_RELOAD'", "POST_RELOAD", "TR-DB-0070", "medium", "weak"),
    ("9 hook of a backup", "INSERT INTO kvstore_FreePBX_modules_Backup (`key`,val,id) VALUES ('prebu_hook','/opt/x18','x')", "prebu_hook", "TR-DB-0070", "low", "weak"),
    ("9 follow-me abroad", "INSERT INTO findmefollow (grpnum,grplist) VALUES ('101','011442079460999#')", "011442079460999", "TR-DB-0095", "medium", "weak"),
    ("9 follow-me outside", "INSERT INTO findmefollow (grpnum,grplist) VALUES ('102','12125550177#')", "12125550177", "TR-DB-0096", "low", "weak"),
    ("9 trigger on administrators", "CREATE TRIGGER x19 BEFORE UPDATE ON ampusers FOR EACH ROW SET NEW.sections='*'", "x19", "TR-DB-0080", "critical", "confirmed"),
    ("9 event", "CREATE EVENT x20 ON SCHEDULE EVERY 1 DAY DISABLE DO INSERT INTO ampusers (username) VALUES ('x20')", "x20", "TR-DB-0081", "critical", "confirmed"),
    ("9 routine", "CREATE PROCEDURE x21() SELECT 1 INTO OUTFILE '/tmp/x21'", "x21", "TR-DB-0082", "high", "strong"),
    ("9 function of a library", "INSERT INTO mysql.func (name,ret,dl,type) VALUES ('sys_exec',2,'lib_mysqludf_sys.so','function')", "sys_exec", "TR-DB-0083", "critical", "confirmed"),
    ("9 plugin", "INSERT INTO mysql.plugin (name,dl) VALUES ('x22','x22.so')", "x22", "TR-DB-0084", "medium", "weak"),
    ("9 another server", "INSERT INTO mysql.servers (Server_name,Host,Db,Username,Password,Port,Socket,Wrapper,Owner) VALUES ('x23','192.0.2.1','x','x','',3306,'','mysql','x')", "x23", "TR-DB-0085", "medium", "weak"),
    ("9 all rights from everywhere", "GRANT ALL PRIVILEGES ON *.* TO 'x24'@'%' IDENTIFIED BY 'not-a-real-one' WITH GRANT OPTION", "x24", "TR-DB-0090", "high", "strong"),
    ("9 rights on files", "GRANT FILE ON *.* TO 'x25'@'localhost' IDENTIFIED BY 'not-a-real-one'", "x25", "TR-DB-0091", "medium", "weak"),
    ("9 account without a password", "CREATE USER 'x26'@'%' IDENTIFIED BY ''", "x26", "TR-DB-0092", "high", "strong"),
]

# Calls beside the honest ones, and what tells of them.
CALLS = [
    ("1.1 calls to 9998", "9998", "TR-FRAUD-0002", "high", "strong"),
    ("4 burst of calls abroad by night", "", "TR-FRAUD-0001", "high", "confirmed"),
    ("1.2.2 calls of local channels that wait", "", "TR-FRAUD-0003", "high", "strong"),
    ("4 premium numbers", "", "TR-FRAUD-0004", "medium", "weak"),
]


def fraud(now: float) -> Iterator[str]:
    """A night's fraud: 011 53 is Cuba, 881 a satellite, 1900 a premium number."""
    night = now - now % 86400 - 2 * 86400 + 7 * 3600
    form = ("INSERT INTO cdr (calldate,clid,src,dst,dcontext,channel,dstchannel,lastapp,lastdata,duration,billsec,disposition,uniqueid,linkedid,sequence) "
            "VALUES ('{0}','x','{1}','{2}','{3}','{4}','{5}','{6}','{7}',600,590,'ANSWERED','{8}','{8}',1)")
    for number in range(60):
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(night - 5 * 3600 + number * 60))
        yield form.format(stamp, "103", f"01153555{number % 7:05d}", "x-internal", f"PJSIP/103-{number:08x}", f"PJSIP/carrier-{number:08x}", "Dial", "x", f"f{number}")
    for number in range(12):
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(night - 5 * 3600 + number * 90))
        yield form.format(stamp, "", f"1212555{number:04d}", "macro-dial", f"Local/1212555{number:04d}@from-internal-{number:08x};2", "", "Wait", "300", f"l{number}")
        yield form.format(stamp, "104", f"1900555{number:04d}", "from-internal", f"PJSIP/104-{number:08x}", f"PJSIP/carrier-{number:08x}", "Dial", "x", f"p{number}")
        yield form.format(stamp, "", "9998", "from-internal", f"PJSIP/104-9{number:07x}", "", "Wait", "1", f"n{number}")
