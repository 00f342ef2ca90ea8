ELF<?php exit;
