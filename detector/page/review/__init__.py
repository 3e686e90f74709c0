"""What is looked at later: the EEG of events, and the report of a night."""
