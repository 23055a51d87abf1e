"""Statistics: numpy in, numbers out. One topic per file; no file here depends on recipes or runs."""
