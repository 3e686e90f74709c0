"""Alerts to other systems: an alarm changes -> the queue of each target that wants it -> its worker -> the target."""
