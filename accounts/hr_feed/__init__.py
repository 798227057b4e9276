"""The HR feed: who comes, what changes, read from a CSV export of the HR system (design §8).

The file is hostile until checked (ADM-08). `reading` makes rows of it, `rows` checks each one, `naming` gives the new
people their login, `applying` brings the database in line, `report` tells what happened.
"""

from accounts.hr_feed.importing import import_feed
from accounts.hr_feed.reading import FeedUnreadable
from accounts.hr_feed.report import ImportReport, Problem, Severity

__all__ = ["FeedUnreadable", "ImportReport", "Problem", "Severity", "import_feed"]
