"""A cut-out into a painting: the spot, the colours, the manner, the light, the edge."""
