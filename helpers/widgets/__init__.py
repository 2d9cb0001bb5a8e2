"""What a reader touches: sliders that redraw a figure, and records to browse."""
