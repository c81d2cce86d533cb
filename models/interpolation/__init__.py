"""Motion compensation: the frames between two key-frames."""
