"""A department's own portal: a page, its backend in thirty lines, and the hub's client in one file to copy."""
