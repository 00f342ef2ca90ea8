<?php
/** In the manner of a content system: type, extension and place of an upload are its own decision. */
function example_handle_upload(&$file, $overrides = false)
{
    $type = example_check_filetype($file['tmp_name'], $file['name']);
    if (!$type['ext'] && !current_user_can('unfiltered_upload')) {
        return example_upload_error('Sorry, you are not allowed to upload this file type.');
    }
    $uploads = example_upload_dir();
    $filename = example_unique_filename($uploads['path'], $file['name']);
    $new_file = $uploads['path'] . '/' . $filename;
    $moved = @move_uploaded_file($file['tmp_name'], $new_file);
    if (false === $moved) {
        return example_upload_error('The uploaded file could not be moved.');
    }
    $stat = stat(dirname($new_file));
    chmod($new_file, $stat['mode'] & 0000666);
    return apply_filters('example_handle_upload', ['file' => $new_file, 'type' => $type['type']], $overrides);
}

function example_sanitize(array $input)
{
    array_walk_recursive($input, function (&$value) {
        $value = trim(stripslashes($value));
    });
    return array_map('sanitize_text_field', $input);
}

$clean = example_sanitize($_POST);
call_user_func_array('example_handle_upload', [&$_FILES['upload'], false]);
