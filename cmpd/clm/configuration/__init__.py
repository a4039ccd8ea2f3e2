"""Configuration documents as they are stored, compiled, and served."""
