"""The tables, one file each. To add one, add a file with a function that takes a Setting and returns a Table."""
