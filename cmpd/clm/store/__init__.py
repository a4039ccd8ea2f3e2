"""Where the lifecycle is kept: one small interface, an implementation per engine."""
