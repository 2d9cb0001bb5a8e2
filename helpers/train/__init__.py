"""Training: rows of tokens, adapters, pairs, a reward model, and loops that learn."""
