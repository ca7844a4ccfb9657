"""The commands: one file each. `main.py` lists them and loads the one that is called."""
