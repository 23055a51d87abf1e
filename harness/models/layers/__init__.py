"""What is put into a torch network: adapters, learnt prompts, fused products, and how they are read and written."""
