"""From a recording to clips, and from clips to log-mels: decoding and the front end."""
