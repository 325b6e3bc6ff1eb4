"""The Edge TPU step: what will map, what the compiler made of it, how big and how fast."""
