"""Measurements, as ratios against a reference timed in the same run: only these mean anything on another machine."""

#: The modules, in the order in which they are run: that of growth begins with an empty university.
MEASUREMENTS = ("growth", "pages", "journeys", "concurrency", "mails", "agents", "hr_feed")
