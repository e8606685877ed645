"""CLIP-Mona models: encoders of our own and of open_clip, adapters, heads, weights. Importing this imports no torch."""
