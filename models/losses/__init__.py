"""Loss functions and the table they are summed in."""
