"""One file an encoder: a class whose embed(x) turns clips or log-mels into one vector a clip."""
