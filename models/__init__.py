"""Networks, losses, trainings and the inference engine."""
