"""The latency harness: the same decision, timed in the same way, on whatever runs a bundle."""
