"""Seizure detector: source -> conditioning -> network -> decision -> sinks.

A source (LSL inlet, recording, synthetic amplifier) yields chunks of EEG and gaps; conditioning makes
frames of them (montage, quality, filters, resampler, framer, band powers); the network, a stateful LSTM,
turns each frame into one probability; the decision says seizure, non-seizure or not-monitoring; sinks
publish it. ``detector.pipeline`` is the middle three, without I/O and without a clock.
"""

__version__ = "0.1.0"
