"""The foreground process: it alone runs work and writes facts."""
