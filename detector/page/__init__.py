"""The bedside page: a process of its own that reads the outlets of every bed and raises the alarms."""
