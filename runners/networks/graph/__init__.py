"""The structure of a network: its layers in order, the dependencies of its channels, its residual branches."""
