"""The files that stages hand to each other: labels, spaces, archives, costs; work that waits."""
