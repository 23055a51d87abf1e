"""A finished run as a folder that other tools read: weights, prompt, and a card that says what it is."""
