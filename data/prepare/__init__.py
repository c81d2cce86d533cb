"""From video files to datasets: ``python -m data.prepare``."""
