"""Encoders trained here without labels, one file per paper."""
