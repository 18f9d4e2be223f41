"""Pictures with masks to learn from and to measure on: readers, drawn figures, augmentation."""
