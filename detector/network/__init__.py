"""From features to probabilities: the bundle that names a trained network and the engine that runs it."""
