"""Pictures, videos and sound as files and arrays."""
