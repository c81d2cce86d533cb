"""A run of training: its stages, rollouts, schedule and saves."""
