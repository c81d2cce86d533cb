"""Semantic frames from a video or a camera of one's own."""
