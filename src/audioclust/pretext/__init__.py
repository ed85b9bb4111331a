"""Encoders trained here without labels, one file a paper."""
