"""What was said and what was not watched in a night, as one file that a person reads and prints."""
