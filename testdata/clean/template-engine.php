<?php
/** Compiles templates to PHP and runs the result of its own compiler. */
namespace Example\View;

class Engine
{
    private $cache = [];

    public function render(string $name, array $variables): string
    {
        $code = $this->cache[$name] ?? $this->compile(file_get_contents(__DIR__ . '/views/' . basename($name) . '.tpl'));
        ob_start();
        extract($variables, EXTR_SKIP);
        eval('?>' . $code);
        return ob_get_clean();
    }

    private function compile(string $source): string
    {
        return preg_replace_callback('/\{\{\s*(\w+)\s*\}\}/', function ($m) {
            return '<?= htmlspecialchars($' . $m[1] . ') ?>';
        }, $source);
    }
}
