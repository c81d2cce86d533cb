"""Numbers that say how good frames are, and what exactly was measured; ``registry.py`` knows them all by name."""
