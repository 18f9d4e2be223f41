"""Training: recipes, loops, and what is written beside the nets that come out."""
