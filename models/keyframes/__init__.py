"""Choice of key-frames from the semantic video."""
