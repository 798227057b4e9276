"""Files that an agent uploads: preview, approval, import by a worker."""
