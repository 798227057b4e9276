"""Measurements, as ratios against a reference timed in the same run: only these mean anything on another machine."""
