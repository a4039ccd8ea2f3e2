"""What operators see of a daemon: health, readiness, metrics, and what the workers are at."""
