<?php exit;
// Emad__Was__Here
