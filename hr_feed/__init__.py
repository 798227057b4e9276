"""The HR feed: accounts made and changed from a CSV export of the HR system."""
