"""Metrics of generated frames, and the choices behind each figure; ``registry.py`` knows them by name."""
