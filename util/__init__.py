"""Checkpoints, video files, logging, pages, metrics: what is neither model nor data."""
