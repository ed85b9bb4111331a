"""From labels to what a person reads: scores, the table, pictures."""
