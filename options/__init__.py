"""Options: what a run is told, as validated dataclasses and as flags."""
