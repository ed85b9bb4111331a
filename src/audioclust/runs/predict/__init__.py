"""A cell of the table as a model: kept in a folder, and asked for the clusters of other recordings."""
