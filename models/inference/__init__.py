"""From a checkpoint and a semantic video to frames."""
