<?php
/** Calls system tools with settings of its own, escaped. */
require_once __DIR__ . '/bootstrap.php';

$config = parse_ini_file('/etc/example.ini');
$target = isset($_POST['target']) ? $_POST['target'] : '';
if (!in_array($target, $config['targets'], true)) {
    die('unknown target');
}
exec('/usr/bin/rsync -a ' . escapeshellarg($config['source']) . ' ' . escapeshellarg($target), $output, $status);
$free = shell_exec('df -P ' . escapeshellarg($config['source']));
$load = `uptime`;
echo nl2br(htmlspecialchars(implode("\n", $output) . $free . $load));
