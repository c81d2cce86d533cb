"""The kinds of semantic video: face, street, pose, paired pictures."""
