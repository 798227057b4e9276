"""One situation for each kind of mail, and a reader of its HTML."""
