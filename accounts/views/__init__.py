"""Login and the pages of the signed-in account."""
