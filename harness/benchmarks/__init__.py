"""Public benchmarks (lm-eval tasks) through our own engine, and what a finetune forgot of them."""
