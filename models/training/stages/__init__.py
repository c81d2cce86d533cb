"""The three trainings: what differs between them, and nothing else."""
