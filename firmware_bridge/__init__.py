"""From a bundle to a board: the portable C core, and later the firmware generator and the board link."""
