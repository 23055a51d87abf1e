"""A fair fight: every arm (prompt, retrieve, finetune) is searched on dev with the same budget."""
