"""General helpers: files, JSON, hashing, tables, processes and the start of TensorFlow."""
