"""Layers added to a torch network: adapters, learned prompts, fused products, and their files."""
