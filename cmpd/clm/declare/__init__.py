"""Configuration as a declaration in TOML: `apply` makes the store like it, `export` writes it."""
