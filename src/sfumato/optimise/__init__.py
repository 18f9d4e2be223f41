"""Optimising a picture until a net sees what it should: losses, regions, scales, patches."""
