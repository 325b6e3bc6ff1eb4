"""Running a bundle: interpreters and the one pipeline from audio to emotion."""
