"""Where samples come from: live streams, recordings and a simulated amplifier, all with one interface."""
