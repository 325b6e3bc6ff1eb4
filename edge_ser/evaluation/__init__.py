"""Honest scores: what is measured, on whom, how sure, and beside which constant predictor."""
