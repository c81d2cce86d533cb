"""Numbers that say how good frames are."""
