"""Deep clustering for source separation: an embedding for every time-frequency bin of a mixture."""
