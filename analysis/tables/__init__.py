"""The tables. To add one, add a file with a TableEntry: a name, a line and `data(frame) -> Table`."""
