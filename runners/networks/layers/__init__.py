"""Layers of klevel's own, and what changes in a layer when its channels are removed."""
