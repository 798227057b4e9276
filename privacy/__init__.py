"""What is held about a person: copy, erasure, retention."""
