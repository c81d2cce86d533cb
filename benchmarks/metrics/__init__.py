"""Numbers that say how good frames are, and what exactly was measured; ``build.py`` knows them all by name."""
