<?php
/** Decodes the parts of a mail message. */
class Mail_Part
{
    public function decode($body, $encoding)
    {
        switch (strtolower($encoding)) {
            case 'base64':
                return base64_decode($body);
            case 'quoted-printable':
                return quoted_printable_decode($body);
            case 'x-uuencode':
                return convert_uudecode($body);
        }
        return $body;
    }

    public function save($dir, $name, $body, $encoding)
    {
        return file_put_contents($dir . '/' . basename($name), $this->decode($body, $encoding));
    }

    public function inflate($data)
    {
        return gzinflate(substr(base64_decode($data), 10));
    }
}
