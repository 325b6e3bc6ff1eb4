"""Hand-crafted functionals of a clip: what the baseline learns from, and what an embedding can be aligned with."""
