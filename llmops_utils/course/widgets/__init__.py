"""Teaching widgets. Each has a static view of the same content, which a stored notebook keeps."""
