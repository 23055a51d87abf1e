"""What is put into a torch network: adapters, learned prompts, fused products, and how they are read and written."""
