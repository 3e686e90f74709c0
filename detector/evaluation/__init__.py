"""Evaluation: references and what was said about them -> counts that can be pooled -> figures with intervals."""
