"""How well a segmenter does: measures, data sets gone through, and a page about it."""
