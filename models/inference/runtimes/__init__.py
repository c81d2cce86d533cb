"""Ways to run a finished generator fast: every runtime draws what the generator draws, within a stated tolerance."""
