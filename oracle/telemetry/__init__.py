"""What the host says about itself: logs, metrics, health."""
