"""CLIP-Mona models: encoders from open_clip, adapters, heads, weights. Importing this package imports no torch."""
