"""Networks and their parts: backbones, heads, moving averages."""
