"""The models, a file each; `catalog.py` lists them with their options."""
