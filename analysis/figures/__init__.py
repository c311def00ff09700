"""The figures. To add one, add a file with a FigureEntry: a name, a line, `data(frame)` and `draw(data)`."""
