"""Hand-crafted features and small classifiers: what a system must beat to be worth its network."""
