"""The page: its frame, components, pictures and assets."""
