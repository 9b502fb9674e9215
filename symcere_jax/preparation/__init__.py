"""From raw review files to a prepared folder: read, clean, select, split, encode, write, check."""
