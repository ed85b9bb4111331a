"""Log-mels as training reads them: batches on the device, views of them, and their embeddings."""
