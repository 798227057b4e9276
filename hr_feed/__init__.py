"""Creates and updates accounts from CSV exports of the HR system."""
