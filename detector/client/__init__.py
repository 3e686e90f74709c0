"""The other side of the contract: what reads the outlets of a bed, and the live view in a terminal."""
