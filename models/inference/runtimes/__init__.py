"""How is a finished generator run fast? Every runtime draws what the generator draws, within a stated tolerance."""
