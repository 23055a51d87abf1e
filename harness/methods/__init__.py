"""What contributors add: the four slots of a recipe, and retrieval; one kind per file."""
