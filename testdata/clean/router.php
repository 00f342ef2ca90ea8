<?php
/** Dispatches a request to a method of a fixed list. */
require __DIR__ . '/vendor/autoload.php';

$routes = ['list' => 'showList', 'edit' => 'showEdit'];
$action = $_GET['action'] ?? 'list';
$controller = new Example\Controller($_SERVER['HTTP_HOST']);
$method = $routes[$action] ?? 'showList';
$controller->$method($_GET);
include $_SERVER['DOCUMENT_ROOT'] . '/footer.php';
usort($items, function ($a, $b) { return strcmp($a['name'], $b['name']); });
$statement = $db->prepare('SELECT * FROM t WHERE id = ?');
$statement->execute([$_POST['id']]);
$db->exec('PRAGMA foreign_keys = ON');
echo curl_exec($ch);
