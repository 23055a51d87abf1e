"""Evidence that may be looked at after every example: order of asking, e-processes, confidence sequences."""
