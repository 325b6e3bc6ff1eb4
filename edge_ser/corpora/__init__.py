"""Corpora: one module per official layout, the synthetic corpus, manifests and speaker-disjoint splits."""
