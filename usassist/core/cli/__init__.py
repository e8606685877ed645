"""The command line: one command a file; what is shared by several is in `main`, `inputs` and `output`."""
