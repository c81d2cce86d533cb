"""Files on disk: pictures, videos in place of folders, shards, an index of sizes."""
