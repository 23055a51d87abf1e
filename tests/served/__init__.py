"""Whether an exported folder answers in plain transformers and peft as its run did. `python -m tests.served`."""
