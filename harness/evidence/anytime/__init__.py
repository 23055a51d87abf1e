"""Evidence that may be checked after every example: order of asking, e-processes, confidence sequences."""
