"""Pages, plots, tables and logs that people read."""
