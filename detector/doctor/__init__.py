"""Whether a machine is set up so that a bed can be watched."""
