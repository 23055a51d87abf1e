"""Statistics: numpy in, numbers out. One topic per file; nothing here knows a recipe or a run."""
