<?php
// Your application in PHP: `PHP_CLI_SERVER_WORKERS=4 php -S 127.0.0.1:8000 app.php`.
$refresh = getenv('REFRESH_URL') ?: 'http://127.0.0.1:5280/roster_admin/refresh';
$database = getenv('CONTACTS') ?: 'contacts.json';
$contacts = is_file($database) ? json_decode(file_get_contents($database), true) : ['john' => ['marie@example.com' => ['name' => 'Marie']]];
[, $route, $user, $friend] = array_map('rawurldecode', explode('/', $_SERVER['REQUEST_URI'])) + ['', '', '', ''];

if ($route === 'contacts') {
    $body = json_encode((object) ($contacts[$user] ?? []));
    $etag = '"' . md5($body) . '"';
    header("ETag: $etag");
    header('Content-Type: application/json');
    if (($_SERVER['HTTP_IF_NONE_MATCH'] ?? '') === $etag) {
        http_response_code(304); // the host has it already
    } else {
        echo $body;
    }
} elseif ($route === 'friends') {
    $contacts[$user]["$friend@example.com"] = (object) [];
    file_put_contents($database, json_encode($contacts), LOCK_EX);
    file_get_contents($refresh, false, stream_context_create(['http' => ['method' => 'POST', 'content' => json_encode([$user])]]));
    http_response_code(204);
} else {
    http_response_code(404);
}
