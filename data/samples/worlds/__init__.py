"""Drawn worlds with exact labels and motion."""
