"""Public benchmarks (lm-eval tasks) through our own engine, and how much a finetune forgot."""
