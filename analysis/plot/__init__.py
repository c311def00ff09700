"""How figures are drawn: style, axes with one tick rule, marks with intervals, facets with a legend below."""
