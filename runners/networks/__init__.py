"""A network goes in; groups of its parameters, and a smaller network, come out."""
