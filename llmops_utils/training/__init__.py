"""A language model trained from nothing: text, tokens, gradients, a transformer, its runs, and what all that costs."""
