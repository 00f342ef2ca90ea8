<?php
/** Byte work that looks like an obfuscator's: XOR, chr(), hex escapes, long tables. */
final class Cipher
{
    const BOM = "\xEF\xBB\xBF";
    private $sbox = [0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5];

    public function block($data, $key)
    {
        $out = '';
        for ($i = 0; $i < strlen($data); $i++) {
            $out .= chr(ord($data[$i]) ^ ord($key[$i % strlen($key)]));
        }
        return $out ^ str_repeat("\x5c", strlen($out));
    }

    public function header()
    {
        return chr(239) . chr(187) . chr(191) . pack('N', crc32(self::BOM));
    }

    public function colour($hex)
    {
        return $hex[0] . $hex[0] . $hex[1] . $hex[1] . $hex[2] . $hex[2];
    }

    public function logo()
    {
        return base64_decode('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7');
    }
}
