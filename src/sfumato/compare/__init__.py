"""Several ways to do a thing, on several pictures, side by side: run, measured, on one page."""
