"""Write a compact network to a folder: weights, a plan of kept indices, ONNX; and load it again."""
