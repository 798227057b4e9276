"""Measurements, as ratios against a reference timed in the same run: only these mean anything on another machine."""

#: The modules, in the order in which they are run, whichever are asked for: that of growth begins with an empty
#: university, and that of agents before strangers have taken the names of its people.
MEASUREMENTS = ("growth", "pages", "journeys", "concurrency", "mails", "agents", "hr_feed", "provisioning")
