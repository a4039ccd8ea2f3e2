"""End entities: what they are known by, what they know, and how often they may try."""
