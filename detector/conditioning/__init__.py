"""From raw chunks to what the network takes: montage, quality, filters, resampler, framer, band powers."""
