"""Files of far nodes: which travel, whose place they lie in, how they are carried there and brought home."""
